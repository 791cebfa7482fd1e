"""Objects of labels on pixels: each label polygon gets a number of its own, beside the class that it draws.

One object is one connected polygon. A multipolygon is as many as it has parts that lie apart: its parts are
houses that share a label, and a prediction gives each alone. What a sample's edge, or a smaller label on top,
cuts into pieces stays one object. An object is there where it covers the middle of a pixel, see
`labels.rasterise`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from fair_models.data.images.grid import Grid
from fair_models.data.vectors import labels
from fair_models.data.vectors.labels import Labels
from fair_models.errors import Invalid
from fair_models.types import Array, Mask

MAX_OBJECTS = int(np.iinfo(np.uint16).max)
"""The most objects that one sample can have: their numbers are uint16."""

_POLYGON = 3


def number(
    known: Labels, grid: Grid, mask: Mask, classes: Sequence[str], things: Sequence[str] | None = None
) -> Array:
    """Number of the object that each pixel belongs to, drawn as the class mask is.

    Args:
        known: The labels.
        grid: Where the pixels lie.
        mask: Class index of each pixel as `labels.rasterise` draws it, shape (height, width); values that are
            no thing class, such as that of pixels to ignore, have no object.
        classes: Class names; the position is the index, 0 the background.
        things: Classes whose objects are told apart. Default: all but the background.

    Returns:
        uint16, shape (height, width): 0 is no object; numbers go from 1 on without gap, larger labels first.
        Pixels of one number have one class, and each pixel of a thing class has a number.

    Raises:
        Invalid: There are more than `MAX_OBJECTS`.
    """
    from rasterio import Affine
    from rasterio.features import rasterize

    told_apart = set(classes[1:] if things is None else things)
    is_thing = np.array([index > 0 and name in told_apart for index, name in enumerate(classes)])
    counts = np.append(is_thing, np.zeros(256 - len(is_thing), bool))[mask]
    if not counts.any():
        return np.zeros(mask.shape, np.uint16)
    outlines, _ = known.around(grid)
    shapes: list[tuple[shapely.Geometry, int]] = []
    objects = 0
    for label in labels.drawing_order(known, grid, classes):
        if known.names[label] not in told_apart:
            shapes.append((outlines[label], 0))
            continue
        for polygon in _objects(outlines[label]):
            objects += 1
            shapes.append((polygon, objects))
    drawn = rasterize(shapes, out_shape=mask.shape, transform=Affine(*grid.transform), fill=0, dtype=np.int32)
    there = np.bincount(drawn[counts], minlength=objects + 1) > 0
    there[0] = False
    found = int(there.sum())
    if found > MAX_OBJECTS:
        raise Invalid(
            f"it has {found:,} objects, at most {MAX_OBJECTS:,} can be told apart in one sample; use smaller "
            "chips, or a model that takes smaller samples"
        )
    numbers = np.zeros(objects + 1, np.uint16)
    numbers[there] = np.arange(1, found + 1)
    return np.where(counts, numbers[drawn], np.uint16(0))


def _objects(outline: shapely.Geometry) -> Sequence[shapely.Geometry]:
    """The polygons of an outline that lie apart; parts that were cut at the antimeridian are joined again."""
    if shapely.get_type_id(outline) == _POLYGON:
        return [outline]
    parts: Sequence[shapely.Geometry] = list(shapely.get_parts([shapely.union_all([outline])]))
    return parts
