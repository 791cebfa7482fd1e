"""Regions, boxes and scores of a block as features on the map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fair_models.data.images.grid import Grid
from fair_models.inference.imagery.georeference import areas_m2, on_map, pixel_size_m, rounded
from fair_models.inference.outlines import near_shapes, right_angles
from fair_models.inference.outlines.arcs import with_short_edges
from fair_models.inference.outlines.features import Features, none
from fair_models.inference.outlines.regions import Regions
from fair_models.inference.request import OutlineParams
from fair_models.inference.windowing.detections import FoundObjects
from fair_models.inference.windows import Rectangle
from fair_models.types import Array

SourceAt = Callable[[Array], Array]
"""Names of the chips at pixel positions (column, row) of a block, shape (n, 2) to (n,)."""


def polygons(
    regions: Regions,
    grid: Grid,
    source_at: SourceAt,
    params: OutlineParams,
    remarks: Counter[str] | None = None,
) -> Features:
    """Regions of a mask on the map, in their order.

    The area of each is that of the polygon as it is written; those with less than `min_area_m2` are left out,
    whether others touch them or not.

    Args:
        regions: Outlines in pixels of a block.
        grid: Where the block lies.
        source_at: Which chip a region begins on.
        params: What is done to outlines.
        remarks: Counts what is to be said of outlines, see `neighbours.REMARKS`.
    """
    if not len(regions):
        return none()
    if regions.group is None:
        outlines = with_short_edges(shaped(regions.outlines, pixel_size_m(grid), params))
    else:
        outlines, still = near_shapes.shaped(
            regions, regions.group, pixel_size_m(grid), params, lambda shapes: rounded(shapes, grid)
        )
        if still and remarks is not None:
            remarks[near_shapes.NOT_REGULAR] += still
    area_m2 = areas_m2(outlines, grid)
    keep = area_m2 >= params.min_area_m2
    return Features(
        on_map(outlines[keep], grid),
        regions.classes[keep],
        regions.confidence[keep],
        area_m2[keep],
        source_at(regions.first[keep] + 0.5),
    )


def boxes_and_points(
    found: FoundObjects, grid: Grid, source_at: SourceAt, params: OutlineParams, as_points: bool = False
) -> Features:
    """Boxes as polygons, points as points, in the order in which they were found.

    Args:
        found: Boxes or points in pixels of a block.
        grid: Where the block lies.
        source_at: Which chip the middle of each lies on.
        params: What is done to outlines: boxes that are too small are left out.
        as_points: Whether boxes become points: their middles.
    """
    import shapely

    geometries = found.geometries
    is_point = geometries.shape[1] == 2
    shapes = shapely.points(geometries) if is_point else shapely.box(*geometries.T)
    area_m2 = np.zeros(len(shapes)) if is_point else areas_m2(shapes, grid)
    keep = np.ones(len(shapes), bool) if is_point else area_m2 >= params.min_area_m2
    middles = geometries.reshape(len(geometries), -1, 2).mean(axis=1)[keep]
    if as_points and not is_point:
        shapes, area_m2 = shapely.centroid(shapes), np.zeros(len(shapes))
    return Features(
        on_map(shapes[keep], grid),
        found.classes[keep],
        found.scores[keep],
        area_m2[keep],
        source_at(middles),
    )


def scored(
    scores: Mapping[str, Mapping[str, float]],
    areas: Mapping[str, Rectangle],
    grid: Grid,
    classes: Sequence[str],
    threshold: float,
) -> Features:
    """The outline of each source with the class that its scores give it.

    The class is the best one that is not the background where its score reaches the threshold, else the
    background; the confidence is that class's score.

    Args:
        scores: Score by source and class.
        areas: Pixels of each source on the block.
        grid: Where the block lies.
        classes: Class names; the position is the index, 0 the background.
        threshold: Least score of a class that is not the background.
    """
    import shapely

    if not scores:
        return none()
    sides = np.array(
        [
            (area.column, area.row, area.column + area.width, area.row + area.height)
            for area in (areas[source] for source in scores)
        ]
    )
    shapes = shapely.box(*sides.T)
    chosen = [_best(values, classes, threshold) for values in scores.values()]
    return Features(
        on_map(shapes, grid),
        np.array([index for index, _ in chosen], dtype=np.int64),
        np.array([score for _, score in chosen], dtype=np.float64),
        areas_m2(shapes, grid),
        np.array(list(scores), dtype=object),
    )


def _best(values: Mapping[str, float], classes: Sequence[str], threshold: float) -> tuple[int, float]:
    index = max(range(1, len(classes)), key=lambda at: values.get(classes[at], 0.0))
    score = values.get(classes[index], 0.0)
    return (index, score) if score >= threshold else (0, values.get(classes[0], 1.0 - score))


def shaped(shapes: Array, pixel_m: tuple[float, float], params: OutlineParams) -> Array:
    """Outlines as they are asked for. Tolerances count in metres on the ground, however wide pixels are.

    Args:
        shapes: Shapely polygons in pixels of a grid, shape (n,).
        pixel_m: Width and height of a pixel on the ground, in metres.
        params: What is done.

    Returns:
        Polygons in pixels, shape (n,), in the same order.
    """
    import shapely

    if not params.holes:
        shapes = shapely.polygons(shapely.get_exterior_ring(shapes))
    if not (params.simplify_m or params.regularise):
        return np.asarray(shapes)
    scale = np.array(pixel_m)
    metres = shapely.transform(shapes, lambda pixels: pixels * scale)
    regular = np.zeros(len(metres), bool)
    if params.regularise:
        tolerance_m = max(params.simplify_m, right_angles.TOLERANCE_PX * max(pixel_m))
        metres, regular = right_angles.regularise(metres, tolerance_m)
    if params.simplify_m:
        simple = shapely.simplify(metres, params.simplify_m, preserve_topology=True)
        metres = np.where(regular, metres, simple)
    return np.asarray(shapely.transform(metres, lambda places: places / scale))
