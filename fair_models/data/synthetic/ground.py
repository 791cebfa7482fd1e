"""Fields, trodden earth and roads, from above."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import shapely
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import Voronoi

from fair_models.data.synthetic.canvas import Canvas, Colour, noise
from fair_models.data.synthetic.settlement import Settlement
from fair_models.types import Array

_FIELDS: Sequence[Colour] = (
    (104, 116, 68),
    (126, 132, 80),
    (92, 108, 60),
    (158, 146, 104),
    (138, 118, 88),
    (150, 128, 98),
    (116, 122, 84),
)
YARD: Colour = (148, 134, 112)
_ROADS: dict[str, Colour] = {"asphalt": (122, 120, 118), "dirt": (168, 150, 122), "path": (158, 142, 114)}


def ground(settlement: Settlement, height: int, width: int, scale: float, rng: np.random.Generator) -> Array:
    """Parcels of crops, grass and ploughed soil; trodden earth where people live."""
    picture = Image.new("RGB", (width, height), (120, 120, 80))
    furrows = Image.new("L", (width, height), 0)
    draw, draw_furrows = ImageDraw.Draw(picture), ImageDraw.Draw(furrows)
    angles = rng.uniform(0, math.pi, 255)
    for outline in _parcels(height, width, 26 * scale, rng):
        colour = _FIELDS[int(rng.integers(len(_FIELDS)))]
        tone = rng.normal(0, 7, 3) + rng.normal(0, 6)
        draw.polygon(outline, fill=tuple(int(np.clip(value, 0, 255)) for value in np.add(colour, tone)))
        draw_furrows.polygon(outline, fill=int(rng.integers(1, 255)) if rng.random() < 0.6 else 0)
    earth: Array = np.array(picture, dtype=np.float32)
    earth += _furrow_pattern(np.asarray(furrows), angles, scale)[..., None]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / scale
    trodden = settlement.centrality(columns, rows) - 0.62 + 0.17 * noise(height, width, 14 * scale, rng)
    trodden += 0.08 * noise(height, width, 3 * scale, rng)
    weight = np.clip(trodden * 3.5, 0, 0.85)[..., None]
    earth = earth * (1 - weight) + np.array(YARD, np.float32) * weight
    for grain, strength in ((40 * scale, 5.0), (9 * scale, 5.0), (2.2 * scale, 5.0), (0.7 * scale, 4.0)):
        earth += strength * noise(height, width, max(grain, 1.0), rng)[..., None]
    earth += 5.0 * noise(height, width, 5 * scale, rng)[..., None] * np.array([-0.6, 0.7, -0.3], np.float32)
    return earth


def _parcels(
    height: int, width: int, spacing: float, rng: np.random.Generator
) -> list[list[tuple[float, float]]]:
    """Polygons that tile the scene: cells around jittered points, longer than wide."""
    x = np.arange(-3 * spacing, width + 3 * spacing, spacing * 1.5)
    y = np.arange(-3 * spacing, height + 3 * spacing, spacing * 0.8)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    cells = Voronoi(points + rng.uniform(-0.55, 0.55, points.shape) * spacing)
    regions = (cells.regions[index] for index in cells.point_region)
    return [
        [(float(a), float(b)) for a, b in cells.vertices[region]]
        for region in regions
        if region and -1 not in region
    ]


def _furrow_pattern(parcels: Array, angles: Array, scale: float) -> Array:
    """Rows of crops: waves whose direction is the parcel's own."""
    rows, columns = np.mgrid[0 : parcels.shape[0], 0 : parcels.shape[1]].astype(np.float32) / scale
    lookup = np.concatenate([[0.0], angles[:254]]).astype(np.float32)[np.minimum(parcels, 254)]
    phase = rows * np.cos(lookup) + columns * np.sin(lookup)
    return np.where(parcels > 0, 5.0 * np.sin(phase * (2 * math.pi / 1.7)), 0.0).astype(np.float32)


def paint_roads(canvas: Canvas, settlement: Settlement) -> None:
    """Paint all roads with worn surfaces and dusty verges, the paved ones on top."""
    height, width = canvas.shade.shape
    wear = noise(height, width, 1.6 * canvas.scale, canvas.rng)
    ragged = noise(height, width, 0.9 * canvas.scale, canvas.rng)
    for surface in ("path", "dirt", "asphalt"):
        mask = Image.new("L", (width * 2, height * 2), 0)
        draw = ImageDraw.Draw(mask)
        for road in settlement.roads:
            if road.surface == surface:
                for ring in _rings(road.line.buffer(road.width_m / 2, cap_style="flat"), canvas.scale * 2):
                    draw.polygon(ring, fill=255)
        cover = np.asarray(mask.reduce(2), np.float32) / 255
        soft = ndimage.gaussian_filter(cover, canvas.scale * (0.2 if surface == "asphalt" else 0.6))
        verge = np.clip(ndimage.gaussian_filter(cover, canvas.scale * 1.4) * 1.2, 0, 0.7)[..., None]
        canvas.picture += (np.array(_ROADS["dirt"], np.float32) - canvas.picture) * verge
        ragged_edge = soft if surface == "asphalt" else np.clip(soft * (1 + 0.35 * ragged), 0, 1)
        colour = np.array(_ROADS[surface], np.float32) + (5.0 * wear)[..., None]
        canvas.picture += (colour - canvas.picture) * (0.92 * ragged_edge)[..., None]


def _rings(shape: shapely.Geometry, scale: float) -> list[list[tuple[float, float]]]:
    """Outer rings in pixels such that PIL, which puts pixel centres at whole numbers, covers them exactly."""
    parts = getattr(shape, "geoms", [shape])
    return [
        [(x * scale - 0.5, y * scale - 0.5) for x, y in part.exterior.coords]
        for part in parts
        if not part.is_empty
    ]
