"""The picture of an invented settlement as it grows: a canvas, stamps of shapes on it, shadows, noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from PIL import Image, ImageDraw
from shapely import Polygon, affinity

from fair_models.data.synthetic.settlement import Wing
from fair_models.types import Array

Colour = Sequence[float]
_SUPERSAMPLING = 4


@dataclass
class Canvas:
    """The picture as it grows.

    picture: float32, shape (height, width, 3), 0 to 255, as if all of it lay in the sun.
    shade: float32, shape (height, width), 0 in the sun to 1 in shadow.
    sun: Unit vector on the picture that points to where shadows fall.
    slope: Length of a shadow per metre of height.
    """

    picture: Array
    shade: Array
    scale: float
    sun: tuple[float, float]
    slope: float
    rng: np.random.Generator


@dataclass(frozen=True)
class Stamp:
    """A small window of the canvas and how much of each of its pixels a shape covers, 0 to 1."""

    window: tuple[slice, slice]
    cover: Array

    def paint(self, canvas: Canvas, colour: Array | Colour, strength: float = 1.0) -> None:
        """Lay a colour (one, or one per pixel) over what is covered; `strength` 1 hides what was there."""
        weight = (self.cover * strength)[..., None]
        part = canvas.picture[self.window]
        part += (np.asarray(colour, np.float32) - part) * weight


def stamp_of(canvas: Canvas, shape: Polygon) -> Stamp | None:
    """Rasterise a polygon (metres, holes allowed) with partial cover at its edges; None outside the scene."""
    height, width = canvas.shade.shape
    west, north, east, south = (value * canvas.scale for value in shape.bounds)
    left, top = max(0, math.floor(west)), max(0, math.floor(north))
    right, bottom = min(width, math.ceil(east)), min(height, math.ceil(south))
    if right <= left or bottom <= top:
        return None
    fine = _SUPERSAMPLING
    mask = Image.new("L", ((right - left) * fine, (bottom - top) * fine), 0)
    draw = ImageDraw.Draw(mask)
    moved = affinity.translate(shape, -left / canvas.scale, -top / canvas.scale)
    for part in getattr(moved, "geoms", [moved]):
        for number, ring in enumerate((part.exterior, *part.interiors)):
            scale = canvas.scale * fine
            draw.polygon(
                [(x * scale - 0.5, y * scale - 0.5) for x, y in ring.coords], fill=0 if number else 255
            )
    cover = np.asarray(mask.reduce(fine), np.float32) / 255
    return Stamp((slice(top, bottom), slice(left, right)), cover)


def noise(height: int, width: int, grain_px: float, rng: np.random.Generator) -> Array:
    """Smooth noise with mean 0 and deviation about 1, whose blobs are about `grain_px` wide."""
    coarse = rng.standard_normal((int(height / grain_px) + 4, int(width / grain_px) + 4), dtype=np.float32)
    box = (1.5, 1.5, 1.5 + width / grain_px, 1.5 + height / grain_px)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(smooth)


def local(canvas: Canvas, stamp: Stamp, wing: Wing) -> tuple[Array, Array]:
    """Metres along and across a wing, from its middle, for each pixel of a stamp."""
    rows, columns = stamp.window
    y, x = np.mgrid[rows, columns].astype(np.float32)
    x, y = (x + 0.5) / canvas.scale - wing.x, (y + 0.5) / canvas.scale - wing.y
    cos, sin = math.cos(wing.angle), math.sin(wing.angle)
    return x * cos + y * sin, -x * sin + y * cos


def cast_shadow(canvas: Canvas, outline: Polygon, height_m: float, strength: float = 1.0) -> None:
    """Darken where a thing of this outline and height keeps the sun away."""
    reach = height_m * canvas.slope
    steps = np.linspace(0, reach, max(2, math.ceil(reach / 0.7)))
    if outline.convex_hull.area < outline.area * 1.02:
        steps = steps[[0, -1]]
    swept = shapely.union_all(
        [affinity.translate(outline, canvas.sun[0] * s, canvas.sun[1] * s) for s in steps]
    )
    stamp = stamp_of(canvas, swept.convex_hull if len(steps) == 2 else swept)
    if stamp:
        part = canvas.shade[stamp.window]
        np.maximum(part, stamp.cover * strength, out=part)


def put_on(canvas: Canvas, outline: Polygon, height_m: float, colour: Array | Colour) -> None:
    """A thing that stands on something else: its shadow, then itself."""
    cast_shadow(canvas, outline, height_m, 0.8)
    stamp = stamp_of(canvas, outline)
    if stamp:
        canvas.shade[stamp.window] *= 1 - stamp.cover
        stamp.paint(canvas, colour)
