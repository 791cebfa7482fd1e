"""Which tiles an area touches."""

from __future__ import annotations

import numpy as np
import shapely

from fair_models.data.images import antimeridian
from fair_models.data.images.grid import WEB_MERCATOR
from fair_models.data.images.tiles import HALF_WORLD_M, Tile
from fair_models.errors import InvalidImagery
from fair_models.inference.imagery.areas import Area, nothing_common
from fair_models.types import Array, BBox

FARTHEST_LATITUDE = 85.0511
"""The web map ends there."""

_INSET = 1e-6
"""Of a tile's width: a tile that only touches the area's edge is not in it, whatever the rounding says."""


def tiles_of(area: Area, zoom: int, most: int, name: str, bounds: BBox | None = None) -> list[Tile]:
    """Tiles that have ground in common with an area, row by row from the north.

    Args:
        area: The area.
        zoom: Their zoom.
        most: How many are allowed.
        name: The service, for messages.
        bounds: Where the service has tiles at all, in degrees.

    Raises:
        Invalid: The service has nothing in the area.
        InvalidImagery: There are more than allowed.
    """
    west, south, east, north = bounds or (-180.0, -90.0, 180.0, 90.0)
    south, north = max(south, -FARTHEST_LATITUDE), min(north, FARTHEST_LATITUDE)
    there = shapely.get_parts([antimeridian.box(west, south, east, north)])
    outline = shapely.union_all([area.on_map(WEB_MERCATOR, part) for part in there])
    if outline.is_empty or not outline.area:
        raise nothing_common(f"Imagery {name}", (west, south, east, north), area)
    shapely.prepare(outline)
    found = np.zeros((1, 2), np.int64)
    for level in range(1, zoom + 1):
        # Each of these has a tile of the zoom below it: there are never more on the way than in the end.
        found = (found[:, None] * 2 + np.array([(0, 0), (1, 0), (0, 1), (1, 1)])).reshape(-1, 2)
        found = found[shapely.intersects(outline, _boxes(found, level))]
        if len(found) > most:
            raise _too_many(outline, zoom, len(found), most, name)
    order = np.lexsort((found[:, 0], found[:, 1]))
    return [Tile(int(x), int(y), zoom) for x, y in found[order]]


def _boxes(tiles: Array, zoom: int) -> Array:
    width = 2 * HALF_WORLD_M / 2**zoom
    left, top = tiles[:, 0] * width - HALF_WORLD_M, HALF_WORLD_M - tiles[:, 1] * width
    inset = _INSET * width
    return np.asarray(shapely.box(left + inset, top - width + inset, left + width - inset, top - inset))


def _too_many(outline: shapely.Polygon, zoom: int, least: int, most: int, name: str) -> InvalidImagery:
    width = 2 * HALF_WORLD_M / 2**zoom
    number = max(least, round(outline.area / width**2))
    return InvalidImagery(
        name,
        [
            f"the area has about {number:,} tiles of zoom {zoom}, at most {most:,} are asked for "
            "(FAIR_MOST_TILES); give a smaller area or a lower zoom"
        ],
    )
