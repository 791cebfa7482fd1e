"""Longitudes over the antimeridian: the one rule for footprints, splits, boxes, areas, labels and findings.

While shapes are worked with they are *whole*: longitudes go on beyond 180°, so that a shape over the
antimeridian is one shape and neighbours are neighbours. Where they are kept or written they are *cut*
(RFC 7946, 3.1.9): between -180° and 180°, with parts on both sides. The west of a box over the antimeridian
lies east of its east (5.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely

from fair_models.types import Array, BBox

TURN = 360.0
"""Degrees once around the Earth."""

HALF_TURN = 180.0


def unrolled(longitudes: Array) -> Array:
    """Longitudes along a line without jumps: each is the one of its places that is nearest to the one before.

    Args:
        longitudes: Degrees, shape (n,), neighbours less than half a turn apart.
    """
    if np.isfinite(longitudes).all() and np.abs(np.diff(longitudes)).max(initial=0) > HALF_TURN:
        return np.asarray(np.unwrap(longitudes, period=TURN))
    return longitudes


def wrapped(longitudes: Array | float) -> Array:
    """Longitudes between -180° and 180°; those that are stay exactly as they are."""
    values = np.asarray(longitudes, dtype=np.float64)
    inside = np.abs(values) <= HALF_TURN
    return np.where(inside, values, (values + HALF_TURN) % TURN - HALF_TURN)


def moved(shape: Any, turns: float, turn: float = TURN) -> Any:
    """A shape, or each of an array of shapes, moved east by whole turns."""
    if not turns:
        return shape
    return shapely.transform(shape, lambda places: places + np.array((turn * turns, 0.0)))


def whole(shape: Any) -> Any:
    """A shape whose longitudes jump over the antimeridian as one that goes on beyond 180°.

    A shape wider than half the Earth is taken to be one that goes the short way around: nothing that is
    mapped is wider.
    """
    west, _, east, _ = shapely.bounds(shape)
    if not east - west > HALF_TURN:
        return shape
    first = shapely.get_coordinates(shape)[0, 0]
    return shapely.transform(
        shape,
        lambda places: np.column_stack(
            [places[:, 0] + TURN * np.rint((first - places[:, 0]) / TURN), places[:, 1]]
        ),
    )


def cut(shape: Any) -> Any:
    """A whole polygon or point between -180° and 180°, with parts on both sides where it lies over 180°."""
    west, south, east, north = shapely.bounds(shape)
    if not (west < -HALF_TURN or east > HALF_TURN):
        return shape
    if shapely.get_dimensions(shape) == 0:
        return shapely.transform(shape, lambda places: np.column_stack([wrapped(places[:, 0]), places[:, 1]]))
    first = math.floor((west + HALF_TURN) / TURN)
    last = max(first, math.ceil((east - HALF_TURN) / TURN))
    parts = [
        moved(
            shapely.intersection(
                shape, shapely.box(turn * TURN - HALF_TURN, south, turn * TURN + HALF_TURN, north)
            ),
            -turn,
        )
        for turn in range(first, last + 1)
    ]
    return shapely.union_all([_polygonal(part) for part in parts])


def normal(shapes: Array) -> Array:
    """Shapes of any form as they are kept: those that jump over the antimeridian, or go on beyond it, cut."""
    west, _, east, _ = shapely.bounds(shapes).T
    odd = np.flatnonzero((west < -HALF_TURN) | (east > HALF_TURN) | (east - west > HALF_TURN))
    if not len(odd):
        return shapes
    found = shapes.copy()
    for index in odd:
        found[index] = cut(shapely.union_all([whole(part) for part in shapely.get_parts([shapes[index]])]))
    return found


def together(shapes: Iterable[Any]) -> Array:
    """Shapes moved by whole turns so that they lie side by side, within the fewest degrees of longitude.

    Args:
        shapes: Shapely shapes, whole or cut; none is empty.

    Returns:
        Whole shapes in the same order, shape (n,), the westernmost of which begins between -180° and 180°.
        A shape with parts on both sides stays one shape.
    """
    found = np.array(list(shapes), dtype=object)
    if not len(found):
        return found
    bounds = shapely.bounds(found)
    for index in np.flatnonzero(bounds[:, 2] - bounds[:, 0] > HALF_TURN):
        found[index] = _joined(found[index])
        bounds[index] = shapely.bounds(found[index])
    first = np.floor((bounds[:, 0] + HALF_TURN) / TURN)
    west, east = bounds[:, 0] - TURN * first, bounds[:, 2] - TURN * first
    turns = -first + (west < _beginning(west, east))
    if not turns.any():
        return found
    return np.array([moved(shape, turn) for shape, turn in zip(found, turns, strict=True)], dtype=object)


def near(shapes: Array, x: float, turn: float = TURN) -> Array:
    """Polygons moved by whole turns to where they are nearest to a meridian, each of their parts alone.

    Args:
        shapes: Shapely polygons, whole or cut, shape (n,).
        x: The meridian, in any turn.
        turn: How long a turn is in the shapes' units. Default: degrees.
    """
    west, _, east, _ = shapely.bounds(shapes).T
    far = (west < x - turn / 2) | (east > x + turn / 2) | (east - west > turn / 2)
    if not far.any():
        return shapes
    found = shapes.copy()
    for index in np.flatnonzero(far & np.isfinite(west + east)):
        found[index] = shapely.union_all(
            [_nearest(part, x, turn) for part in shapely.get_parts([shapes[index]])]
        )
    return found


def part_in(shape: Any, place: Any) -> Any:
    """What a shape and a whole place have in common, with the longitudes of the place.

    Args:
        shape: A polygon or multipolygon, whole or cut.
        place: A whole polygon, less than a turn wide.
    """
    (west, _, east, _), (left, _, right, _) = shapely.bounds(shape), shapely.bounds(place)
    if not np.isfinite([west, east, left, right]).all():
        return shapely.intersection(shape, place)
    turns = range(math.ceil((left - east) / TURN), math.floor((right - west) / TURN) + 1)
    parts = [shapely.intersection(moved(shape, turn), place) for turn in turns]
    if len(parts) == 1:
        return parts[0]
    return _polygonal(shapely.union_all(parts))


def bbox(shapes: Iterable[Any]) -> BBox:
    """West, south, east, north around shapes, whole or cut; west > east over the antimeridian."""
    parts = shapely.get_parts(np.array(list(shapes), dtype=object))
    west, south, east, north = map(float, shapely.total_bounds(together(parts)))
    if east - west >= TURN:
        return -HALF_TURN, south, HALF_TURN, north
    return west, south, east - TURN if east > HALF_TURN else east, north


def box(west: float, south: float, east: float, north: float) -> Any:
    """The polygon of a box, or the two of one whose west lies east of its east."""
    return cut(shapely.box(west, south, east + TURN if west > east else east, north))


def share(one: BBox, other: BBox) -> bool:
    """Whether two boxes have ground in common."""
    return bool(
        shapely.area(shapely.intersection(box(*one), box(*other))) > 0
        if one[0] > one[2] or other[0] > other[2]
        else one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
    )


def _joined(shape: Any) -> Any:
    """A shape with parts on both sides of the antimeridian as a whole one."""
    if shapely.get_num_geometries(shape) < 2:
        return shape
    return shapely.union_all(together(shapely.get_parts([shape])))


def _beginning(west: Array, east: Array) -> float:
    """Where the widest stretch of longitude without any shape ends; of equally wide ones that at 180°."""
    order = np.argsort(west, kind="stable")
    starts = west[order]
    reached = np.maximum.accumulate(east[order])
    gaps = starts[1:] - reached[:-1]
    around = starts[0] + TURN - reached[-1]
    if not len(gaps) or gaps.max() <= around:
        return -np.inf
    return float(starts[1:][gaps.argmax()])


def _nearest(part: Any, x: float, turn: float) -> Any:
    west, _, east, _ = shapely.bounds(part)
    return moved(part, float(np.rint((x - (west + east) / 2) / turn)), turn)


def _polygonal(shape: Any) -> Any:
    """The polygons of a shape: where outlines touch, an intersection has lines and points too."""
    parts = shapely.get_parts(shapely.get_parts([shape]))
    polygons = parts[shapely.get_dimensions(parts) == 2]
    return shape if len(polygons) == len(parts) else shapely.union_all(polygons)
