"""What a prediction finds, computed plainly: all in memory, one window after the other, slow and clear.

The same windows as in production, because what a network says depends on what it sees. Then the whole mask
at once: each class is labelled, each region is outlined by GDAL, and shapely and pyproj do the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from rasterio.features import shapes
from scipy import ndimage

from fair_models.inference.imagery.georeference import on_map
from fair_models.inference.imagery.reading import Block, Imagery
from fair_models.inference.parts import RasterPart
from fair_models.inference.request import PredictionRequest
from fair_models.inference.windows import Rectangle, cut, pad, rule_for
from fair_models.types import Array


@dataclass(frozen=True)
class Region:
    """Pixels of one class that share edges. `first` is the row and column of the first one."""

    outline: shapely.Polygon
    index: int
    confidence: float
    first: tuple[int, int]
    last_row: int


def whole_mask(block: Block, request: PredictionRequest) -> tuple[Array, Array]:
    """Classes and probabilities of a block."""
    height, width = block.grid.height, block.grid.width
    pixels, valid = block.read(Rectangle(0, 0, height, width))
    classes, probability = np.zeros((height, width), np.uint8), np.zeros((height, width), np.float32)
    rule = rule_for(request.session.size_px, request.multiple_px)
    for view in cut(Rectangle(0, 0, height, width), rule, block.name):
        rows, columns = view.seen.slices
        window = pad(pixels[:, rows, columns], view.window.height, view.window.width)
        outputs = request.session.run(request.processing.preprocess(window)[None])
        one = {name: values[0] for name, values in outputs.items()}
        for part in request.processing.postprocess(one, view.window, request.params):
            assert isinstance(part, RasterPart)
            core = view.crop(part.probabilities)[1:]
            classes[view.core.slices] = core.argmax(axis=0) + 1
            probability[view.core.slices] = core.max(axis=0)
    classes[~valid | (probability < request.threshold)] = 0
    return classes, probability


def regions(classes: Array, probability: Array) -> list[Region]:
    """All regions of a mask, in the order of the rows in which they end and then of their first pixels."""
    found = []
    for index in range(1, int(classes.max(initial=0)) + 1):
        labels, _ = ndimage.label(classes == index)
        outlines = {
            int(number): geometry["coordinates"]
            for geometry, number in shapes(labels.astype(np.int32), mask=labels > 0, connectivity=4)
        }
        for number, place in enumerate(ndimage.find_objects(labels), start=1):
            inside = labels[place] == number
            corner = np.array([part.start for part in place])
            pixels = np.argwhere(inside) + corner
            found.append(
                Region(
                    canonical(outlines[number]),
                    index,
                    float(probability[place][inside].mean(dtype=np.float64)),
                    (int(pixels[0][0]), int(pixels[0][1])),
                    int(pixels[-1][0]),
                )
            )
    return sorted(found, key=lambda region: (region.last_row, region.first))


def canonical(rings: Sequence[Sequence[tuple[float, float]]]) -> shapely.Polygon:
    """A polygon without vertices on straight lines, whose rings begin with their topmost, leftmost vertex.

    The outer ring runs clockwise on the picture, where y points down; holes run the other way.
    """
    polygon = shapely.Polygon(rings[0], rings[1:])
    outer, *holes = (_canonical(ring) for ring in (polygon.exterior, *polygon.interiors))
    return shapely.Polygon(outer, sorted((hole[::-1] for hole in holes), key=_first))


def expected(imagery: Imagery, request: PredictionRequest) -> list[tuple[shapely.Geometry, int, float, str]]:
    """Geometry on the map, class, confidence and source of everything in its order."""
    found = []
    for block in imagery.blocks:
        for region in regions(*whole_mask(block, request)):
            row, column = region.first
            (source,) = block.names_at(np.array([[column + 0.5, row + 0.5]]))
            (geometry,) = on_map(np.array([shapely.segmentize(region.outline, 512)]), block.grid)
            found.append((geometry, region.index, region.confidence, source))
    return found


def _first(ring: Array) -> tuple[float, float]:
    return min((y, x) for x, y in ring.tolist())


def _canonical(ring: shapely.LinearRing) -> Array:
    """Corners of a ring, clockwise on the picture, from the topmost leftmost one on, closed."""
    corners = shapely.get_coordinates(ring)[:-1]
    before, after = np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0)
    corners = corners[~((before == corners) & (corners == after)).any(axis=1)]
    if not shapely.is_ccw(shapely.LinearRing(corners)):
        corners = corners[::-1]
    start = min(range(len(corners)), key=lambda at: (corners[at][1], corners[at][0]))
    return np.concatenate((corners[start:], corners[: start + 1]))
