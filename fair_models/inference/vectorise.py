"""From a block's mask, boxes or scores to features on the map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fair_models.data.grid import Grid
from fair_models.inference.features import Features, none
from fair_models.inference.georeference import pixel_size_m
from fair_models.inference.joining import Found, Mask
from fair_models.inference.placing import areas_m2, on_map
from fair_models.inference.windows import Rectangle
from fair_models.types import Array

LONGEST_EDGE_PX = 512
"""Longer edges get further vertices: a straight line in one projection bends in another."""

_STRIP_ROWS = 1024

SourceAt = Callable[[Array], Array]
"""Names of the chips at pixel positions (column, row) of a block, shape (n, 2) to (n,)."""


@dataclass(frozen=True)
class OutlineParams:
    """What is done to outlines.

    min_area_m2: Smaller features are left out.
    simplify_m: Tolerance of simplification (Douglas-Peucker that keeps topology), in metres. 0 keeps the
        pixels' edges.
    """

    min_area_m2: float = 0.0
    simplify_m: float = 0.0


def polygons(mask: Mask, grid: Grid, source_at: SourceAt, params: OutlineParams) -> Features:
    """Outlines of the regions of a mask, holes kept.

    A region is pixels of one class that share edges; a corner does not connect. Its confidence is the mean
    probability of its pixels, its area that of the polygon as it is written. Order: by first pixel, row by
    row.

    Args:
        mask: Classes and probabilities of a block.
        grid: Where the block lies.
        source_at: Which chip a region begins on.
        params: Least area and simplification.
    """
    import shapely

    regions, classes, first = label(mask.classes)
    if not len(classes):
        return none()
    confidence = mean_by_region(regions, mask.probability, len(classes))
    width = mask.classes.shape[1]
    outlines = _simplified(_outlines(regions, len(classes)), pixel_size_m(grid), params.simplify_m)
    outlines = shapely.segmentize(outlines, LONGEST_EDGE_PX)
    area_m2 = areas_m2(outlines, grid)
    keep = area_m2 >= params.min_area_m2
    middles = np.column_stack((first % width, first // width))[keep] + 0.5
    geometry = on_map(outlines[keep], grid)
    return Features(geometry, classes[keep], confidence[keep], area_m2[keep], source_at(middles))


def label(classes: Array) -> tuple[Array, Array, Array]:
    """Number the regions of a mask.

    Args:
        classes: Class index of each pixel, uint8, shape (height, width).

    Returns:
        Number of each pixel's region, int32, 0 for the background, same shape; class of each region from
        number 1 on, shape (n,); position of each region's first pixel in the flattened mask, shape (n,).
        Regions are numbered in the order of their first pixels.
    """
    regions, count = _numbered(classes)
    first = _first_pixels(regions, count)
    order = np.argsort(first)
    in_order = np.zeros(count + 1, np.int32)
    in_order[order + 1] = np.arange(1, count + 1, dtype=np.int32)
    for strip in _strips(regions):
        strip[:] = in_order[strip]
    return regions, classes.ravel()[first[order]].astype(np.int64), first[order]


def _numbered(classes: Array) -> tuple[Array, int]:
    """Numbers of the regions of all classes, class by class, and how many there are."""
    from scipy import ndimage

    regions = np.zeros(classes.shape, np.int32)
    count = 0
    for index in range(1, int(classes.max(initial=0)) + 1):
        inside = classes == index
        numbers, found = ndimage.label(inside)
        np.add(numbers, count, out=regions, where=inside)
        count += found
    return regions, count


def _first_pixels(regions: Array, count: int) -> Array:
    """Position of each region's first pixel in the flattened array, shape (count,)."""
    first = np.zeros(count + 1, np.int64)
    width = regions.shape[1]
    for start in reversed(range(0, len(regions), _STRIP_ROWS)):
        strip = regions[start : start + _STRIP_ROWS].ravel()
        pixels = np.flatnonzero(strip)[::-1]
        first[strip[pixels]] = pixels + start * width  # backwards: what is written last is the first pixel
    return first[1:]


def _strips(values: Array) -> Iterator[Array]:
    """Views of some rows at a time: what is computed of them needs memory for these rows alone."""
    for start in range(0, len(values), _STRIP_ROWS):
        yield values[start : start + _STRIP_ROWS]


def mean_by_region(regions: Array, values: Array, count: int) -> Array:
    """Mean of `values` over each region, for all regions at once.

    Args:
        regions: Number of each pixel's region, 0 for none, shape (height, width).
        values: Any number for each pixel, same shape.
        count: How many regions there are.

    Returns:
        float64, shape (count,).
    """
    total, pixels = np.zeros(count + 1), np.zeros(count + 1, np.int64)
    for numbers, weights in zip(_strips(regions), _strips(values), strict=True):
        inside = numbers > 0
        chosen = numbers[inside]
        total += np.bincount(chosen, weights[inside], minlength=count + 1)
        pixels += np.bincount(chosen, minlength=count + 1)
    return np.asarray(total[1:] / pixels[1:])


def boxes_and_points(found: Found, grid: Grid, source_at: SourceAt, params: OutlineParams) -> Features:
    """Boxes as polygons, points as points, in the order in which they were found."""
    import shapely

    geometries = found.geometries
    is_point = geometries.shape[1] == 2
    shapes = shapely.points(geometries) if is_point else shapely.box(*geometries.T)
    area_m2 = np.zeros(len(shapes)) if is_point else areas_m2(shapes, grid)
    keep = np.ones(len(shapes), bool) if is_point else area_m2 >= params.min_area_m2
    middles = geometries.reshape(len(geometries), -1, 2).mean(axis=1)[keep]
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


def _outlines(regions: Array, count: int) -> Array:
    """The outline of each region in pixels, shapely polygons, shape (count,), by number."""
    import shapely
    from rasterio.features import shapes

    rings: list[Any] = []
    rings_per_region = np.zeros(count, np.int64)
    polygons: list[list[Any]] = [[] for _ in range(count)]
    for geometry, number in shapes(regions, mask=regions > 0, connectivity=4):
        polygons[int(number) - 1] = geometry["coordinates"]
    for index, outline in enumerate(polygons):
        rings_per_region[index] = len(outline)
        rings += outline
    vertices = np.array([vertex for ring in rings for vertex in ring], dtype=np.float64)
    ring_ends = np.cumsum([0] + [len(ring) for ring in rings])
    polygon_ends = np.concatenate(([0], np.cumsum(rings_per_region)))
    return np.asarray(
        shapely.from_ragged_array(shapely.GeometryType.POLYGON, vertices, (ring_ends, polygon_ends))
    )


def _simplified(shapes: Array, pixel_m: tuple[float, float], tolerance_m: float) -> Array:
    """Simplify in metres on the ground, so that wide and high pixels count as what they are."""
    import shapely

    if not tolerance_m:
        return shapes
    scale = np.array(pixel_m)
    metres = shapely.transform(shapes, lambda pixels: pixels * scale)
    simple = shapely.simplify(metres, tolerance_m, preserve_topology=True)
    return np.asarray(shapely.transform(simple, lambda places: places / scale))


def _best(values: Mapping[str, float], classes: Sequence[str], threshold: float) -> tuple[int, float]:
    index = max(range(1, len(classes)), key=lambda at: values.get(classes[at], 0.0))
    score = values.get(classes[index], 0.0)
    return (index, score) if score >= threshold else (0, values.get(classes[0], 1.0 - score))
