"""Areas that are asked for: read, made valid, and compared with where items lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from fair_models.errors import Invalid
from fair_models.types import BBox, Json

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_SIDES, _SIDES_WITH_HEIGHTS = 4, 6


def of_box(numbers: Any) -> Json:
    """The area of a box as GeoJSON.

    Args:
        numbers: West, south, east, north in degrees, or with a height after each pair. West > east is a box
            over the antimeridian (RFC 7946).

    Raises:
        Invalid: It is no box.
    """
    west, south, east, north = sides(numbers)
    if west <= east:
        return {"type": "Polygon", "coordinates": [_ring(west, south, east, north)]}
    halves = (_ring(west, south, 180.0, north), _ring(-180.0, south, east, north))
    return {"type": "MultiPolygon", "coordinates": [[each] for each in halves]}


def sides(numbers: Any) -> BBox:
    """West, south, east, north of a box.

    Raises:
        Invalid: It is no box.
    """
    count = len(numbers) if isinstance(numbers, Sequence) and not isinstance(numbers, str) else 0
    if count not in (_SIDES, _SIDES_WITH_HEIGHTS) or not all(_is_number(each) for each in numbers):
        raise Invalid("A bbox has four numbers (west, south, east, north), or six with heights")
    half = count // 2
    west, south, east, north = (float(numbers[each]) for each in (0, 1, half, half + 1))
    if abs(west) > 180 or abs(east) > 180 or not -90 <= south <= north <= 90:
        raise Invalid(
            "A bbox is west, south, east, north in degrees: longitudes from -180 to 180, latitudes from "
            "-90 to 90, south before north"
        )
    if count == _SIDES_WITH_HEIGHTS and numbers[2] > numbers[5]:
        raise Invalid("A bbox with heights has the lower one first")
    return west, south, east, north


def of_json(document: Any) -> Json:
    """A GeoJSON geometry (or feature) as a valid geometry.

    Raises:
        Invalid: It is none.
    """
    import shapely

    if isinstance(document, dict) and document.get("type") == "Feature":
        document = document.get("geometry")
    try:
        found = shapely.from_geojson(orjson.dumps(document))
        flat = shapely.force_2d(shapely.make_valid(found))
        if flat is None or flat.is_empty or not all(map(math.isfinite, flat.bounds)):
            raise ValueError("it is empty")
        valid: Json = orjson.loads(shapely.to_geojson(flat))
    except (shapely.errors.ShapelyError, ValueError, TypeError) as error:
        raise Invalid(
            f"The geometry is no GeoJSON geometry with places ({' '.join(str(error).split())[:100]})"
        ) from error
    return valid


def relates(operator: str, item: str | None, area: str) -> bool | None:
    """Whether the geometry of an item stands in a relation to another one.

    Args:
        operator: A predicate of shapely, e.g. "intersects".
        item: GeoJSON of the item; None where it has none.
        area: GeoJSON, valid.
    """
    import shapely

    if item is None:
        return None
    try:
        return bool(getattr(shapely, operator)(_read(item), _read(area)))
    except shapely.errors.ShapelyError:  # the item's is none
        return None


@lru_cache(maxsize=32)
def _read(text: str) -> BaseGeometry:
    import shapely

    return shapely.make_valid(shapely.from_geojson(text))


def bounds(area: Json) -> BBox:
    """West, south, east, north around a valid geometry."""
    west, south, east, north = _read(orjson.dumps(area).decode()).bounds
    return west, south, east, north


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
