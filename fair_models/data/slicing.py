"""Which chips of a dataset belong to a slice: those in an area, with labels of a class, or with a tag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from fair_models.data.images import antimeridian
from fair_models.data.images.chips import Chip
from fair_models.data.splits import Split
from fair_models.data.vectors.labels import Labels
from fair_models.types import Array


@dataclass(frozen=True)
class Wish:
    """What a chip must be to belong to a slice; all that is given counts.

    area: Its middle lies in it, in longitude and latitude.
    classes: At least one of its labels is of one of these.
    tags: At least one of its labels has one of these values, by property.
    """

    area: Polygon | MultiPolygon | None = None
    classes: Sequence[str] = ()
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Slice:
    """Chips that belong to a slice, and their labels.

    chips: In the order of the dataset.
    labels: All that touch one of the chips, whatever they are: a chip is judged by everything on it.
    split: The dataset's, without the other chips.
    class_counts: Labels of each class by side.
    """

    chips: Sequence[Chip]
    labels: Labels
    split: Split
    class_counts: Mapping[str, Mapping[str, int]]


def cut(chips: Sequence[Chip], labels: Labels, split: Split, classes: Sequence[str], wish: Wish) -> Slice:
    """The part of a dataset that is wished for. It may be empty.

    Args:
        chips: All chips of the dataset.
        labels: All its labels.
        split: Its split: a chip stays on its side, so that what was held out stays so.
        classes: Its classes without the background.
        wish: What belongs to the slice.
    """
    touching = {chip.name: labels.touching(chip.grid) for chip in chips}
    wanted = _wanted(labels, wish)
    chosen = [chip for chip in chips if _belongs(chip, touching[chip.name], wanted, wish)]
    names = {chip.name for chip in chosen}
    sides: dict[str, Any] = {
        side: tuple(name for name in getattr(split, side) if name in names)
        for side in ("train", "held_out", "left_out", "validation")
    }
    counted = {
        side: Counter(labels.names[index] for index in _on(touching, sides[side]))
        for side in ("train", "held_out")
    }
    return Slice(
        chosen,
        labels.select(_on(touching, names)),
        replace(split, **sides),
        {side: {name: counts[name] for name in classes} for side, counts in counted.items()},
    )


def _belongs(chip: Chip, touching: Array, wanted: Array, wish: Wish) -> bool:
    middle = antimeridian.cut(chip.grid.footprint.centroid)
    if wish.area is not None and not shapely.covers(wish.area, middle):
        return False
    return not (wish.classes or wish.tags) or bool(wanted[touching].any())


def _wanted(labels: Labels, wish: Wish) -> Array:
    """Which labels are of a wished class and have all wished tags."""
    return np.array(
        [
            (not wish.classes or name in wish.classes)
            and all(str(properties.get(key)) in values for key, values in wish.tags.items())
            for name, properties in zip(labels.names, labels.properties, strict=True)
        ],
        dtype=bool,
    )


def _on(touching: Mapping[str, Array], names: Iterable[str]) -> Array:
    """Indices of the labels on some chips, each once."""
    return np.unique(np.concatenate([np.empty(0, dtype=int), *(touching[name] for name in names)]))
