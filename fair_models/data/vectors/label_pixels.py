"""What labels draw on chips: which of them cover the middle of a pixel, and what each chip is as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely

from fair_models.data.images.chips import Chip
from fair_models.data.samples import IGNORE
from fair_models.data.vectors import coverage, instances, labels
from fair_models.data.vectors.instances import Blocks
from fair_models.data.vectors.labels import Labels
from fair_models.errors import Invalid
from fair_models.types import Affine6, Array

_SURELY_COVERING = 1.5
"""Twice the area by the length of its edge, in pixels, from which on an outline covers the middle of one.

It holds a circle of half that radius, and a circle whose radius is above √½ px has a pixel's middle in it.
"""

_METRES_PER_DEGREE = 111_320.0

_AT_ONCE, _MOST_PAIRS = 64, 100_000
"""Labels that may all lie on each other are compared some at a time, and not for ever."""


@dataclass(frozen=True)
class Drawn:
    """Labels on the pixels of chips.

    visible: Which of the labels that touch a chip cover the middle of a pixel, on it or beside it, bool,
        shape (labels,).
    labelled: Names of the chips where a pixel of the imagery has a class.
    whole: Class that each chip is as a whole by name, "background" among them. None: it has no imagery, or
        labels whose class is not known.
    ignored_share: Part of the imagery in the area where only labels lie whose class is not known, 0 to 1.
    blocks: By class, on how many chips one label alone covers more than half of the imagery.
    """

    visible: Array
    labelled: frozenset[str]
    whole: Mapping[str, str | None]
    ignored_share: float = 0.0
    blocks: Mapping[str, Blocks] = field(default_factory=dict)


def draw(
    known: Labels,
    chips: Sequence[Chip],
    touching: Mapping[str, Array],
    imagery: Mapping[str, Array],
    classes: Sequence[str],
) -> Drawn:
    """Draw labels onto all chips.

    Args:
        known: The labels.
        chips: The chips.
        touching: Indices of the labels that each chip shares area with, by the chip's name.
        imagery: Which pixels are imagery, for chips where some are not, by name; bool, shape (height, width).
        classes: Class names; the position is the index, 0 the background.

    Raises:
        Invalid: A chip has more objects than can be numbered.
    """
    visible = np.zeros(len(known), dtype=bool)
    labelled: set[str] = set()
    whole: dict[str, str | None] = {}
    blocks = {name: Blocks() for name in classes[1:]}
    of_class = np.array(known.names, dtype=object)
    ignored_px = seen_px = 0
    for chip in chips:
        valid = imagery.get(chip.name, np.ones((chip.height, chip.width), dtype=bool))
        mask = labels.rasterise(known, chip.transform, chip.height, chip.width, chip.crs, classes, IGNORE)
        seen = covering(known, touching[chip.name], chip)
        visible[seen] = True
        if ((mask > 0) & (mask != IGNORE) & valid).any():
            labelled.add(chip.name)
        looked_at = valid & ~labels.outside_mask(known, chip.grid)
        imagery_px = int(looked_at.sum())
        ignored_px += int(((mask == IGNORE) & looked_at).sum())
        seen_px += imagery_px
        objects = {
            name: instances.count_on(known, seen[of_class[seen] == name], chip.grid) for name in blocks
        }
        _require_countable(chip, sum(objects.values()))
        for number, name in enumerate(blocks, 1):
            own_px = int(((mask == number) & valid).sum())
            blocks[name] = blocks[name].with_picture(
                objects[name] if own_px else 0, own_px / max(1, imagery_px)
            )
        index = coverage.main_class(mask, valid, len(classes)) if valid.any() else IGNORE
        whole[chip.name] = None if index == IGNORE else classes[index]
    return Drawn(visible, frozenset(labelled), whole, ignored_px / max(1, seen_px), blocks)


def _require_countable(chip: Chip, objects: int) -> None:
    if objects > instances.MAX_OBJECTS:
        raise Invalid(
            f"chip {chip.path.name} has {objects:,} labels, at most {instances.MAX_OBJECTS:,} can be told "
            "apart on one; cut it into smaller chips"
        )


def overlapping(outlines: Array, gsd_m: float) -> int:
    """How many pairs of outlines have more than a pixel of ground in common.

    Args:
        outlines: Whole polygons in longitude and latitude, see `antimeridian`.
        gsd_m: Side of a pixel in metres.

    Returns:
        The number of pairs; counting ends at a hundred thousand.
    """
    tree = shapely.STRtree(outlines)
    metres = _METRES_PER_DEGREE**2 * np.cos(np.radians(shapely.get_y(shapely.centroid(outlines))))
    found = 0
    for first in range(0, len(outlines), _AT_ONCE):
        one, other = tree.query(outlines[first : first + _AT_ONCE], predicate="intersects")
        one = one + first
        is_once = one < other
        one, other = one[is_once][: _MOST_PAIRS - found], other[is_once][: _MOST_PAIRS - found]
        shared = shapely.area(shapely.intersection(outlines[one], outlines[other])) * metres[one]
        found += int((shared > gsd_m**2).sum())
        if found >= _MOST_PAIRS:
            break
    return found


def covering(known: Labels, indices: Array, chip: Chip) -> Array:
    """Those of some labels that cover the middle of a pixel, of a chip or right beside it.

    Slivers of large labels at the edge of a chip are not smaller than a pixel.
    """
    if not len(indices):
        return indices
    outlines, _ = known.around(chip.grid)
    frame = shapely.box(-chip.width, -chip.height, 2 * chip.width, 2 * chip.height)
    shapes = shapely.intersection(_in_pixels(outlines[indices], chip.transform), frame)
    lengths = shapely.length(shapes)
    widths = np.divide(2 * shapely.area(shapes), lengths, out=np.zeros(len(shapes)), where=lengths > 0)
    found = widths > _SURELY_COVERING
    for position in np.flatnonzero(~found):
        found[position] = _covers_a_middle(shapes[position])
    return np.asarray(indices[found])


def _in_pixels(outlines: Array, transform: Affine6) -> Array:
    from rasterio import Affine

    a, b, c, d, e, f = tuple(~Affine(*transform))[:6]
    moved = shapely.transform(
        outlines,
        lambda places: places @ np.array([[a, d], [b, e]]) + (c, f),
    )
    return np.asarray(shapely.make_valid(moved))


def _covers_a_middle(shape: shapely.Geometry) -> bool:
    """Whether a small outline, in pixels, holds the middle of one as a mask has it."""
    from rasterio import Affine
    from rasterio.features import rasterize

    if shape.is_empty or shape.area == 0:
        return False
    left, top, right, bottom = shape.bounds
    column, row = int(np.floor(left)), int(np.floor(top))
    size = (max(1, int(np.ceil(bottom)) - row), max(1, int(np.ceil(right)) - column))
    mask = rasterize([shape], out_shape=size, transform=Affine.translation(column, row), dtype=np.uint8)
    return bool(mask.any())
