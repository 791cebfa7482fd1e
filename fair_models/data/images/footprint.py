"""The area that chips cover: whole while it is worked with, cut at the antimeridian where it is written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from fair_models.data.images import antimeridian
from fair_models.data.images.chips import Chip
from fair_models.types import BBox, Json

_STEP_DEGREES = 1e-8
"""About a millimetre: neighbours whose corners differ by less become one area."""

_MAX_CORNERS = 2000


def of(chips: Sequence[Chip]) -> Polygon | MultiPolygon:
    """Union of the chips' outlines in longitude and latitude, without the seams between neighbours.

    Over the antimeridian longitudes go on beyond 180°; `bbox` and `geometry` bring them back.
    """
    outlines = antimeridian.together(chip.grid.footprint for chip in chips)
    joined = shapely.union_all(outlines, grid_size=_STEP_DEGREES)
    return joined.simplify(_STEP_DEGREES)


def widened(area: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    """The area and a few millimetres around it, ready to be compared with many outlines."""
    wider = area.buffer(3 * _STEP_DEGREES, join_style="mitre")
    shapely.prepare(wider)
    return wider


def bbox(area: Polygon | MultiPolygon) -> BBox:
    """West, south, east, north, to a millimetre; west > east over the antimeridian."""
    west, south, east, north = (round(value, 8) for value in antimeridian.bbox([area]))
    return west, south, east, north


def geometry(area: Polygon | MultiPolygon) -> Json:
    """The area as GeoJSON, cut at the antimeridian.

    Of areas that are very ragged (more than 2,000 corners) it is the convex hull.
    """
    shown = area if shapely.get_num_coordinates(area) <= _MAX_CORNERS else area.convex_hull
    polygons = shapely.orient_polygons(shapely.get_parts([antimeridian.cut(shown)]))
    rings = [
        [np.round(ring.coords, 8).tolist() for ring in (polygon.exterior, *polygon.interiors)]
        for polygon in polygons
    ]
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}
