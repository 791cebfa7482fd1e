"""Pixels of a grid to places and back, for arrays of points and for shapes, and sizes on the ground."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from fair_models.data.images import antimeridian
from fair_models.data.images.grid import LONLAT, Grid, reproject, to_lonlat
from fair_models.types import Array

if TYPE_CHECKING:
    from pyproj import Geod

COORDINATE_DECIMALS = 9
"""Degrees are rounded to a tenth of a millimetre."""


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


def on_map(shapes: Array, grid: Grid) -> Array:
    """Bring shapes to EPSG:4326 as RFC 7946 wants them.

    Outer rings run counter-clockwise, shapes over the antimeridian have parts on both sides of it, and all
    are valid: where holes touch the outer ring between its vertices, rounding can make them cross.

    Args:
        shapes: Shapely points or polygons in pixels (column, row) of the grid, shape (n,).
        grid: Where the pixels lie.

    Returns:
        Longitude first, rounded to nine decimals, shape (n,).
    """
    import shapely

    placed = rounded(shapes, grid)
    if not len(placed):
        return placed
    placed = antimeridian.normal(placed)
    crossing = ~shapely.is_valid(placed)
    mended = shapely.make_valid(placed[crossing], method="structure", keep_collapsed=False)
    placed[crossing] = shapely.set_precision(mended, 10.0**-COORDINATE_DECIMALS)
    return np.asarray(shapely.orient_polygons(placed))


def rounded(shapes: Array, grid: Grid) -> Array:
    """Shapes in longitude and latitude with the decimals that are written, as they lie: see `on_map`."""
    return _placed(shapes, grid, LONLAT, COORDINATE_DECIMALS)


def areas_m2(shapes: Array, grid: Grid) -> Array:
    """Areas of shapes in pixels of a grid, on the WGS 84 ellipsoid, in m², shape (n,).

    Measured all at once in an equal-area projection around them. For a building this differs from the
    geodesic area (pyproj.Geod) of the written polygon by less than 1 in 100,000, most of which comes from
    the rounding of its coordinates.
    """
    import shapely

    if not len(shapes):
        return np.empty(0)
    middle = np.array([shapely.bounds(shapes[0]).reshape(2, 2).mean(axis=0)])
    longitude, latitude = moved(places_of(grid, middle), grid.crs, LONLAT)[0]
    return np.asarray(shapely.area(_placed(shapes, grid, equal_area_at(longitude, latitude))))


def _placed(shapes: Array, grid: Grid, crs: str, decimals: int | None = None) -> Array:
    """Reproject shapes with all their vertices in one array."""
    import shapely

    if not len(shapes):
        return shapes
    kind, pixels, offsets = shapely.to_ragged_array(shapes)
    places = moved(places_of(grid, pixels), grid.crs, crs)
    if decimals is not None:
        places = places.round(decimals)
    placed = np.asarray(shapely.from_ragged_array(kind, places, offsets))
    # One multipolygon among them makes all of them multipolygons.
    return np.where(shapely.get_num_geometries(placed) == 1, shapely.get_geometry(placed, 0), placed)
