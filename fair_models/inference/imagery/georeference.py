"""Pixels of a grid to places and back, for arrays of points of shape (n, 2), and sizes on the ground."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from fair_models.data.images.grid import Grid, reproject, to_lonlat
from fair_models.types import Array

if TYPE_CHECKING:
    from pyproj import Geod


def places_of(grid: Grid, pixels: Array) -> Array:
    """Map coordinates (x, y) of pixel positions (column, row)."""
    return np.column_stack(grid.places(pixels[:, 0], pixels[:, 1]))


def pixels_of(grid: Grid, places: Array) -> Array:
    """Pixel positions (column, row) of map coordinates (x, y): the inverse of `places_of`."""
    return grid.pixels(places)


def moved(places: Array, source: str, target: str) -> Array:
    """Reproject all points in one call. Longitude comes first in geographic systems."""
    return np.column_stack(reproject(source, target, places[:, 0], places[:, 1]))


def pixel_size_m(grid: Grid) -> tuple[float, float]:
    """Width and height of the middle pixel on the ground, in metres along the geodesic."""
    column, row = grid.width / 2, grid.height / 2
    columns, rows = np.array([column, column + 1, column]), np.array([row, row, row + 1])
    longitude, latitude = to_lonlat(grid.crs, *grid.places(columns, rows))
    _, _, metres = geod().inv(longitude[[0, 0]], latitude[[0, 0]], longitude[[1, 2]], latitude[[1, 2]])
    return float(metres[0]), float(metres[1])


def equal_area_at(longitude: float, latitude: float) -> str:
    """A projection that keeps areas on the WGS 84 ellipsoid: Lambert azimuthal, around the nearest degree."""
    return f"+proj=laea +lat_0={round(latitude)} +lon_0={round(longitude)} +datum=WGS84 +units=m +no_defs"


@lru_cache(maxsize=1)
def geod() -> Geod:
    """The WGS 84 ellipsoid."""
    from pyproj import Geod

    return Geod(ellps="WGS84")
