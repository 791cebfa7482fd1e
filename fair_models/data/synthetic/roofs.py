"""Roofs from above: flat concrete, corrugated tin, tiles, thatch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import shapely
from shapely import affinity

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
from fair_models.data.synthetic.settlement import Building, Wing
from fair_models.types import Array

_ROOFS: dict[str, Sequence[Colour]] = {
    "concrete": ((172, 168, 160), (150, 147, 142), (192, 186, 174), (134, 130, 124), (180, 160, 142)),
    "tin-grey": ((184, 190, 194), (160, 168, 174), (140, 142, 142)),
    "tin-blue": ((72, 112, 160), (96, 138, 176), (58, 92, 132)),
    "tin-red": ((150, 72, 58), (128, 78, 62), (164, 98, 78)),
    "tile": ((148, 92, 70), (126, 84, 68), (162, 112, 88)),
    "thatch": ((140, 122, 88), (122, 108, 82)),
}


def paint_building(canvas: Canvas, building: Building) -> None:
    """Paint a roof and the shadow that its building casts. Lower buildings come first."""
    cast_shadow(canvas, building.outline, building.height_m)
    colours = _ROOFS[building.style]
    colour = np.array(colours[int(canvas.rng.integers(len(colours)))], np.float32)
    colour = colour * canvas.rng.normal(1.0, 0.07) + canvas.rng.normal(0, 3, 3).astype(np.float32)
    whole = stamp_of(canvas, building.outline)
    if whole is None:
        return
    canvas.shade[whole.window] *= 1 - whole.cover
    if building.style == "concrete":
        _paint_flat_roof(canvas, building, whole, colour)
        return
    for wing in building.wings:
        stamp = stamp_of(canvas, wing.outline)
        if stamp:
            stamp.paint(canvas, _pitched_roof(canvas, stamp, wing, building.style, colour))


def _pitched_roof(canvas: Canvas, stamp: Stamp, wing: Wing, style: str, colour: Array) -> Array:
    """Two slopes, or four where the style is hipped: the slope that faces the sun is lighter."""
    along, across = local(canvas, stamp, wing)
    turned = wing.angle if wing.length >= wing.width else wing.angle + math.pi / 2
    if wing.length < wing.width:
        along, across = across, -along
    long, short = max(wing.length, wing.width), min(wing.length, wing.width)
    normal = (-math.sin(turned) * np.sign(across), math.cos(turned) * np.sign(across))
    if style == "tile":
        end = np.abs(along) - (long - short) / 2 > np.abs(across)
        normal = (
            np.where(end, math.cos(turned) * np.sign(along), normal[0]),
            np.where(end, math.sin(turned) * np.sign(along), normal[1]),
        )
    facing = -(normal[0] * canvas.sun[0] + normal[1] * canvas.sun[1])
    light = 1.0 + {"thatch": 0.14, "tile": 0.22}.get(style, 0.13) * facing
    period = 0.95 if style.startswith("tin") else 0.6
    light += 0.035 * np.sin(along * (2 * math.pi / period))
    light += 0.035 * np.floor((along + 50) / 2.6 % 2)
    light += np.where(np.abs(across) < 0.22, 0.06, 0.0)
    height, width = stamp.cover.shape
    dirt = noise(height, width, max(2.0, 1.4 * canvas.scale), canvas.rng)
    rust = np.clip(dirt - 0.9, 0, 1)[..., None] * (0.5 if style.startswith("tin") else 0.1)
    roof = colour * (light + 0.03 * dirt)[..., None]
    return roof + (np.array((134, 96, 70), np.float32) - roof) * rust


def _paint_flat_roof(canvas: Canvas, building: Building, whole: Stamp, colour: Array) -> None:
    """Stained concrete in a parapet, with water tanks and the top of a staircase."""
    height, width = whole.cover.shape
    stains = noise(height, width, max(2.0, 2.0 * canvas.scale), canvas.rng)
    fine = noise(height, width, max(1.0, 0.5 * canvas.scale), canvas.rng)
    whole.paint(canvas, colour * 1.1)
    inside = building.outline.buffer(-0.32, join_style="mitre")
    deck = stamp_of(canvas, inside) if not inside.is_empty else None
    if deck is None:
        return
    rows = slice(deck.window[0].start - whole.window[0].start, deck.window[0].stop - whole.window[0].start)
    columns = slice(deck.window[1].start - whole.window[1].start, deck.window[1].stop - whole.window[1].start)
    deck.paint(canvas, colour * (0.96 + 0.05 * stains + 0.025 * fine)[rows, columns][..., None])
    lit = affinity.translate(inside, canvas.sun[0] * 0.6, canvas.sun[1] * 0.6)
    gutter = stamp_of(canvas, inside.difference(lit))
    if gutter:
        gutter.paint(canvas, colour * 0.62, 0.8)
    wing = building.wings[0]
    corner = canvas.rng.choice([-1, 1], 2)
    if building.height_m > 5.5 and min(wing.length, wing.width) > 5:
        cap = wing.part(corner[0] * (wing.length / 2 - 1.9), corner[1] * (wing.width / 2 - 1.7), 3.0, 2.6)
        put_on(canvas, cap.outline, 2.2, colour * canvas.rng.uniform(0.95, 1.2))
    for _ in range(int(canvas.rng.integers(0, 4))):
        along = canvas.rng.uniform(-0.4, 0.4) * max(0.0, wing.length - 2)
        across = canvas.rng.uniform(-0.4, 0.4) * max(0.0, wing.width - 2)
        tank = wing.part(along, across, 1, 1)
        dark = (46, 48, 54) if canvas.rng.random() < 0.6 else (210, 212, 214)
        put_on(canvas, shapely.Point(tank.x, tank.y).buffer(canvas.rng.uniform(0.5, 0.8)), 1.2, dark)
