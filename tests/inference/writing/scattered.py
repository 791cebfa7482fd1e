"""Features to write: as many as asked for, of both kinds, the same for the same numbers."""

from __future__ import annotations

import numpy as np
import shapely

from fair_models.inference.outlines.features import Features

CLASSES = ["background", "building", "well"]


def scattered(count: int, first: int = 0, side: int = 1000) -> Features:
    """Buildings with a courtyard each on a raster of 10 m, and among each hundred features a round field."""
    at = np.arange(first, first + count)
    west, south = 85.3 + (at % side) * 1e-4, 27.7 + (at // side) * 1e-4
    shapes = shapely.box(west, south, west + 6e-5, south + 5e-5)
    courts = shapely.box(west + 2e-5, south + 2e-5, west + 3e-5, south + 3e-5)
    round_ones = shapely.buffer(shapely.points(west, south), 3e-5)
    is_round = at % 100 == 99
    return Features(
        shapely.orient_polygons(np.where(is_round, round_ones, shapely.difference(shapes, courts))),
        np.where(is_round, 2, 1),
        (at % 97) / 97,
        20 + (at % 31) / 7,
        np.array([f"chip-{number}" for number in at // 500], dtype=object),
    )
