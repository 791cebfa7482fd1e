"""What is no building, from above: parking places, yards, tarps, cars, trees."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from shapely import Polygon

from fair_models.data.synthetic.canvas import (
    Canvas,
    Colour,
    Stamp,
    cast_shadow,
    local,
    noise,
    put_on,
    stamp_of,
)
from fair_models.data.synthetic.ground import YARD
from fair_models.data.synthetic.settlement import Clutter, Wing

_TARPS: Sequence[Colour] = ((60, 104, 170), (196, 120, 62), (206, 204, 198), (70, 128, 92), (176, 172, 164))
_CARS: Sequence[Colour] = ((222, 222, 220), (58, 60, 66), (160, 44, 40), (148, 152, 158), (50, 76, 120))


def paint_clutter(canvas: Canvas, clutter: Clutter) -> None:
    """Paint one thing that lies on the ground, or a car."""
    outline, rng = clutter.wing.outline, canvas.rng
    if clutter.kind == "car":
        put_on(canvas, outline.buffer(-0.2).buffer(0.2), 1.4, _CARS[int(rng.integers(len(_CARS)))])
        return
    stamp = stamp_of(canvas, outline)
    if stamp is None:
        return
    height, width = stamp.cover.shape
    grain = noise(height, width, max(1.5, 1.2 * canvas.scale), rng)[..., None]
    if clutter.kind == "parking":
        stamp.paint(canvas, np.array((136, 134, 130), np.float32) * rng.uniform(0.9, 1.15) + 4 * grain)
        along, across = local(canvas, stamp, clutter.wing)
        stripes = (np.abs((across + 100) % 2.8 - 1.4) < 0.12) & (
            np.abs(np.abs(along) - clutter.wing.length / 4) < 2.4
        )
        Stamp(stamp.window, stamp.cover * stripes).paint(canvas, (216, 216, 212), 0.7)
    elif clutter.kind == "yard":
        soft = Stamp(stamp.window, ndimage.gaussian_filter(stamp.cover, 0.3 * canvas.scale))
        soft.paint(canvas, np.array(YARD, np.float32) * rng.uniform(0.95, 1.2) + 6 * grain, 0.9)
    elif clutter.kind == "pool":
        stamp.paint(canvas, np.array((70, 112, 108), np.float32) + 2 * grain)
    else:
        stamp.paint(canvas, np.array(_TARPS[int(rng.integers(len(_TARPS)))], np.float32) + 5 * grain, 0.93)


def paint_tree(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """A crown of ragged outline, lighter on the side of the sun."""
    rng = canvas.rng
    turn = np.linspace(0, 2 * math.pi, 14, endpoint=False)
    reach = radius * rng.uniform(0.78, 1.12, 14)
    crown = Polygon(np.column_stack([x + reach * np.cos(turn), y + reach * np.sin(turn)]))
    cast_shadow(canvas, crown, radius * 1.7, 0.9)
    stamp = stamp_of(canvas, crown)
    if stamp is None:
        return
    along, across = local(canvas, stamp, Wing(x, y, 1, 1, 0.0))
    light = 1.0 - 0.3 * (along * canvas.sun[0] + across * canvas.sun[1]) / radius
    height, width = stamp.cover.shape
    light += 0.16 * noise(height, width, max(1.0, 0.55 * canvas.scale), rng)
    green = np.array((66, 84, 46), np.float32) * rng.uniform(0.75, 1.25) + rng.normal(0, 4, 3)
    canvas.shade[stamp.window] *= 1 - 0.9 * stamp.cover
    stamp.paint(canvas, green * light[..., None], 0.96)
