"""Labels whose shapes say that something is wrong: drawn twice, too small, too large, or generalised."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import Grid
from fair_models.types import Array

TINY_PX = 9
"""Labels of fewer pixels show no shape: three by three."""

SAME_IOU, NEAR_IOU = 0.99, 0.9
"""Intersection over union from which on two outlines are the same, and nearly the same."""

HUGE_TIMES = 10
"""Labels so many times as large as the median of their class may be huge."""

FEWEST = 20
"""Labels that a class needs before one of them can be unusual among them."""

BLOCK_SHARE = 0.5
"""Part of a chip that one huge label covers that is a block of many objects."""

MOST = 0.6
"""Part of the labels of a chip, or of a class, from which on a form is no accident."""

FEW = 3
"""Labels that a chip needs before their form says how it was mapped."""

MANY = 10
"""Labels of one form that a dataset needs before they say how it was drawn."""

_COMPACT = 0.1
"""Least compactness (4 pi area / length²; a circle has 1) of what can be huge: roads are long, not huge."""

_FENCE = 3.0
"""Quartile distances above the third quartile, of the logarithm of the area, from which on a label is far out
(Tukey's outer fence)."""

_UPRIGHT = 0.995
"""Part of its bounding box that an upright box fills. One that is turned by 0.2 degrees fills less."""

_ROUND = 0.985
"""Area of a circle's outline as part of that of a regular polygon with its number of corners."""

_CIRCLE_CORNERS = 8
_RADIUS_STEP = 0.02
_METRES_PER_DEGREE = 111_320.0
_AT_ONCE, _MOST_PAIRS = 64, 100_000


@dataclass(frozen=True)
class Shapes:
    """Which labels have which form.

    flags: Which labels have each finding by kind, bool, shape (labels,).
    areas_m2: Area of each label.
    typical_m2: Median area of each label's class.
    """

    flags: Mapping[str, Array]
    areas_m2: Array
    typical_m2: Array


def check(
    outlines: Array, names: Sequence[str], finest_m: float, *, are_drawn: bool, may_be_boxes: bool
) -> Shapes:
    """Look at the form of labels.

    Args:
        outlines: Whole polygons in longitude and latitude, see `antimeridian`, shape (labels,).
        names: Class of each.
        finest_m: Side of a pixel of the finest chip, in metres.
        are_drawn: Whether people drew them. Connected pixels of masks have stairs for outlines, and corners
            that say nothing.
        may_be_boxes: Whether boxes are what was asked for, as a detector learns from.
    """
    metres = _in_metres(outlines)
    areas, lengths = shapely.area(metres), shapely.length(metres)
    classes = np.array(names, dtype=object)
    typical = np.zeros(len(outlines))
    huge = np.zeros(len(outlines), dtype=bool)
    circles = np.zeros(len(outlines), dtype=bool)
    compact = 4 * math.pi * areas / np.maximum(lengths, 1e-9) ** 2
    rounds = _circles(metres, areas) if are_drawn else circles
    for name in np.unique(classes):
        own = np.flatnonzero(classes == name)
        typical[own] = np.median(areas[own])
        if len(own) >= FEWEST:
            low, high = np.quantile(np.log(np.maximum(areas[own], 1e-6)), [0.25, 0.75])
            far = np.log(np.maximum(areas[own], 1e-6)) > high + _FENCE * (high - low)
            huge[own] = far & (areas[own] > HUGE_TIMES * typical[own]) & (compact[own] > _COMPACT)
        circles[own] = _of_one_size(areas[own], rounds[own])
    same, near, over = _pairs(outlines, areas, finest_m)
    nothing = np.zeros(len(outlines), dtype=bool)
    flags = {
        "huge": huge,
        "tiny": areas < TINY_PX * finest_m**2,
        "duplicates": same,
        "near_duplicates": near,
        "overlapping": nothing if may_be_boxes else over,
        "circles": circles,
        "boxes": _upright(outlines) if are_drawn and not may_be_boxes else nothing,
        "few_corners": _triangles(outlines) if are_drawn else nothing,
    }
    return Shapes(flags, areas, typical)


def upright_on(outlines: Array, grid: Grid) -> Array:
    """Which outlines are boxes along the rows and columns of a grid, bool.

    Args:
        outlines: In the grid's reference system.
        grid: The pixels.
    """
    return _upright(shapely.transform(outlines, grid.pixels))


def block_share(outline_in_crs: shapely.Geometry, chip: Chip) -> float:
    """Part of a chip that an outline covers, 0 to 1."""
    frame = shapely.Polygon(chip.grid.corners)
    return float(shapely.area(shapely.intersection(outline_in_crs, frame)) / shapely.area(frame))


def _in_metres(outlines: Array) -> Array:
    """Outlines in metres, each scaled at the latitude of its middle."""
    latitudes = np.radians(shapely.get_y(shapely.centroid(outlines)))
    places, index = shapely.get_coordinates(outlines, return_index=True)
    places = places * _METRES_PER_DEGREE
    places[:, 0] *= np.cos(latitudes)[index]
    return np.asarray(shapely.set_coordinates(outlines.copy(), places))


def _corners(outlines: Array) -> Array:
    """Number of corners of outlines that are one ring; 0 for others."""
    single = (shapely.get_num_geometries(outlines) == 1) & (
        shapely.get_num_interior_rings(shapely.get_geometry(outlines, 0)) == 0
    )
    return np.where(single, shapely.get_num_coordinates(outlines) - 1, 0)


def _upright(outlines: Array) -> Array:
    if not len(outlines):
        return np.zeros(0, dtype=bool)
    west, south, east, north = shapely.bounds(outlines).T
    boxes = (east - west) * (north - south)
    filled = shapely.area(outlines) / np.where(boxes > 0, boxes, np.inf)
    return np.asarray((_corners(outlines) == 4) & (filled > _UPRIGHT))


def _triangles(outlines: Array) -> Array:
    return np.asarray(_corners(outlines) == 3)


def _circles(metres: Array, areas: Array) -> Array:
    """Which outlines are regular polygons of eight corners or more."""
    corners = _corners(metres)
    radii = shapely.length(metres) / np.maximum(2 * corners * np.sin(math.pi / np.maximum(corners, 3)), 1e-9)
    regular = corners * radii**2 * np.sin(2 * math.pi / np.maximum(corners, 3)) / 2
    return np.asarray((corners >= _CIRCLE_CORNERS) & (areas > _ROUND * regular))


def _of_one_size(areas: Array, rounds: Array) -> Array:
    """Which circles of a class have the size that most labels of the class have: points that were widened."""
    if rounds.sum() < max(FEW, MOST * len(areas)):
        return np.zeros(len(areas), dtype=bool)
    median = float(np.median(areas[rounds]))
    alike = rounds & (np.abs(areas / median - 1) < 2 * _RADIUS_STEP)
    return alike if alike.sum() >= MOST * len(areas) else np.zeros(len(areas), dtype=bool)


def _pairs(outlines: Array, areas: Array, finest_m: float) -> tuple[Array, Array, Array]:
    """Which labels repeat an earlier one, nearly repeat one, and lie on another by more than a pixel."""
    same, near, over = (np.zeros(len(outlines), dtype=bool) for _ in range(3))
    tree, seen = shapely.STRtree(outlines), 0
    own = shapely.area(outlines)
    to_metres = areas / np.maximum(own, 1e-30)
    for first in range(0, len(outlines), _AT_ONCE):
        one, other = tree.query(outlines[first : first + _AT_ONCE], predicate="intersects")
        one = one + first
        once = one < other
        one, other = one[once][: _MOST_PAIRS - seen], other[once][: _MOST_PAIRS - seen]
        shared = shapely.area(shapely.intersection(outlines[one], outlines[other]))
        union = own[one] + own[other] - shared
        iou = np.divide(shared, union, out=np.zeros(len(shared)), where=union > 0)
        same[other[iou > SAME_IOU]] = True
        near[other[(iou > NEAR_IOU) & (iou <= SAME_IOU)]] = True
        crossing = (shared * to_metres[one] > finest_m**2) & (iou <= NEAR_IOU)
        over[one[crossing]] = over[other[crossing]] = True
        seen += len(one)
        if seen >= _MOST_PAIRS:
            break
    return same, near & ~same, over
