"""Outlines that everybody can use: valid polygons in longitude and latitude, on the Earth once.

Where they come from, GeoJSON or other files, makes no difference here.
"""

from __future__ import annotations

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from fair_models.data.images import antimeridian
from fair_models.types import Array

_FARTHEST = 360.0
"""Longitudes up to here are taken to be counted on over the antimeridian, beyond they are no degrees."""

_WIDEST_OVER = 90.0
"""Width in degrees up to which a ring with corners on both sides of the map is one over the antimeridian."""


def settled(outline: Polygon | MultiPolygon) -> tuple[Polygon | MultiPolygon | None, list[str]]:
    """A polygon as valid ones within the degrees of the Earth.

    Args:
        outline: Longitude first, in degrees.

    Returns:
        The polygon, with names of what happened ("repaired": it crossed itself; "over_antimeridian": it
        reached over 180 degrees and was cut there, as RFC 7946 has it); or None with the one reason why there
        is none, "malformed", "without_area" or "outside_degrees".
    """
    happened: list[str] = []
    corners = shapely.get_coordinates(outline)
    if not len(corners):
        return None, ["without_area"]
    if not np.isfinite(corners).all():
        return None, ["malformed"]
    if (np.abs(corners) > (_FARTHEST, 90)).any():
        return None, ["outside_degrees"]
    unrolled = _unrolled(outline, corners)
    if not shapely.is_valid(unrolled):
        unrolled, happened = mended(unrolled), ["repaired"]
    if unrolled is not outline or np.abs(corners[:, 0]).max() > 180:
        west, _, east, _ = unrolled.bounds
        if unrolled.area > 0 and not (west >= -180 and east <= 180):
            unrolled = polygonal(antimeridian.cut(unrolled))
            happened.append("over_antimeridian")
    return (unrolled, happened) if unrolled.area > 0 else (None, ["without_area"])


def _unrolled(outline: Polygon | MultiPolygon, corners: Array) -> Polygon | MultiPolygon:
    """A ring that jumps from one side of the map to the other, counted on over 180 degrees instead."""
    if np.ptp(corners[:, 0]) <= 180 or np.abs(corners[:, 0]).max() > 180:
        return outline
    parts = [_unrolled_part(part) for part in shapely.get_parts([outline])]
    if all(part is None for part in parts):
        return outline
    kept = [own if new is None else new for own, new in zip(shapely.get_parts([outline]), parts, strict=True)]
    return MultiPolygon(kept) if len(kept) > 1 else kept[0]


def _unrolled_part(part: Polygon) -> Polygon | None:
    places = shapely.get_coordinates(part)
    moved = np.where(places[:, 0] < 0, places[:, 0] + 360, places[:, 0])
    if np.ptp(places[:, 0]) <= 180 or not 0 < np.ptp(moved) <= _WIDEST_OVER:
        return None
    return shapely.set_coordinates(Polygon(part), np.column_stack([moved, places[:, 1]]))


def polygonal(geometry: shapely.Geometry) -> Polygon | MultiPolygon:
    """The polygons of a geometry, joined where they share an edge; lines and points of it are dropped."""
    parts = shapely.get_parts(shapely.get_parts(shapely.get_parts([geometry])))
    joined = shapely.union_all([part for part in parts if isinstance(part, Polygon)])
    return joined if isinstance(joined, Polygon | MultiPolygon) else MultiPolygon()


def mended(outline: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    """Valid polygons of an outline."""
    return polygonal(shapely.make_valid(outline, method="structure", keep_collapsed=False))
