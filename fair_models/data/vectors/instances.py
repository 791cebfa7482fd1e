"""Objects of labels on pixels: each label polygon gets a number of its own, beside the class that it draws.

One object is one connected polygon. A multipolygon is as many as it has parts that lie apart: its parts are
houses that share a label, and a prediction gives each alone. What a sample's edge, or a smaller label on top,
cuts into pieces stays one object. An object is there where it covers the middle of a pixel, see
`labels.rasterise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

_MOST, _HALF = 0.9, 0.5


@dataclass(frozen=True)
class Blocks:
    """Whether the labels of a class are blocks that hold many objects, or one label for each object.

    pictures: Number of chips or samples that have any of the class.
    blocks: Number of those where it is one single label that covers more than half of the picture.
    """

    pictures: int = 0
    blocks: int = 0

    def with_picture(self, objects: int, share: float) -> Blocks:
        """The same with one more picture.

        Args:
            objects: How many objects of the class it has; without any it does not count.
            share: Part of its pixels that are of the class, 0 to 1.
        """
        if not objects:
            return self
        return Blocks(self.pictures + 1, self.blocks + (objects == 1 and share > _HALF))

    def __add__(self, other: Blocks) -> Blocks:
        return Blocks(self.pictures + other.pictures, self.blocks + other.blocks)

    def undivided(self, name: str) -> str | None:
        """Why labels of a class do not tell objects apart: 9 of 10 pictures are a block. None: they do."""
        if self.blocks < max(1, _MOST * self.pictures):
            return None
        return (
            f"labels of {name} do not tell objects apart: in {self.blocks} of the {self.pictures} pictures "
            "that have any, one label alone covers more than half of the ground"
        )


def blocks(numbers: Array, masks: Array, classes: Sequence[str], ignore: int) -> dict[str, Blocks]:
    """How objects lie on samples, by class without the background.

    Args:
        numbers: Number of the object of each pixel, shape (n, height, width), see `number`.
        masks: Class index of each pixel, likewise.
        classes: Class names; the position is the index, 0 the background.
        ignore: Value of pixels that count neither way.
    """
    found = {name: Blocks() for name in classes[1:]}
    for objects, mask in zip(numbers, masks, strict=True):
        counted = max(1, int((mask != ignore).sum()))
        for index, name in enumerate(classes[1:], 1):
            own = objects[mask == index]
            seen = np.count_nonzero(np.bincount(own)[1:]) if len(own) else 0
            found[name] = found[name].with_picture(int(seen), len(own) / counted)
    return found


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


def count_on(known: Labels, indices: Array, grid: Grid) -> int:
    """How many objects some labels are on a grid: of a multipolygon the parts that touch it."""
    outlines, _ = known.around(grid)
    chosen = outlines[indices]
    several = shapely.get_type_id(chosen) != _POLYGON
    parts = [part for outline in chosen[several] for part in _objects(outline)]
    there = shapely.intersects(parts, shapely.Polygon(grid.corners)) if parts else ()
    return len(chosen) - int(several.sum()) + int(np.sum(there))


def _objects(outline: shapely.Geometry) -> Sequence[shapely.Geometry]:
    """The polygons of an outline that lie apart; parts that were cut at the antimeridian are joined again."""
    if shapely.get_type_id(outline) == _POLYGON:
        return [outline]
    parts: Sequence[shapely.Geometry] = list(shapely.get_parts([shapely.union_all([outline])]))
    return parts
