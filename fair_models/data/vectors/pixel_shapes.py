"""Outlines that are drawn on the pixels of a chip, brought onto the map."""

from __future__ import annotations

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from fair_models.data.images import antimeridian
from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import to_lonlat
from fair_models.data.vectors import geojson, outlines
from fair_models.types import Array

INSET_PX = 1e-3
"""How far labels stay away from the edge of their chip: rounded, they would touch the next one too."""


def inside(shape: Polygon | MultiPolygon, chip: Chip) -> Polygon | MultiPolygon | None:
    """The part of a valid outline, in pixels, that lies on its chip. None where none does."""
    kept = shapely.box(INSET_PX, INSET_PX, chip.width - INSET_PX, chip.height - INSET_PX)
    if kept.covers(shape):
        return shape
    part = outlines.polygonal(shapely.intersection(shape, kept))
    return None if part.is_empty else part


def too_large(number: int, shape: Polygon | MultiPolygon) -> str | None:
    """Why an outline has too many rings or positions; None where it has not."""
    rings = sum(1 + len(part.interiors) for part in shapely.get_parts([shape]))
    return geojson.too_large(number, rings, int(shapely.get_num_coordinates(shape)))


def on_map(shapes: Array, chip: Chip) -> Array:
    """Outlines in pixels of a chip as valid ones in longitude and latitude, shape (n,)."""
    columns, rows = shapely.get_coordinates(shapes).T
    places = np.column_stack(to_lonlat(chip.crs, *chip.grid.places(columns, rows)))
    moved = antimeridian.normal(shapely.set_coordinates(shapes.copy(), places))
    broken = ~shapely.is_valid(moved)
    moved[broken] = [outlines.mended(shape) for shape in moved[broken]]
    return moved
