"""Which chips of a dataset belong to a slice: those in an area, with labels of a class, or with a tag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
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
class SliceCriteria:
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
    labels: All that touch one of the chips, whatever they are: a chip is evaluated by everything on it.
    split: The dataset's, without the other chips.
    class_counts: Labels of each class by side.
    at_edge: Chips that share ground with the area and are left out all the same: their middle lies outside.
    """

    chips: Sequence[Chip]
    labels: Labels
    split: Split
    class_counts: Mapping[str, Mapping[str, int]]
    at_edge: int


def cut(
    chips: Sequence[Chip], labels: Labels, split: Split, classes: Sequence[str], criteria: SliceCriteria
) -> Slice:
    """The part of a dataset that meets some criteria. It may be empty.

    Args:
        chips: All chips of the dataset.
        labels: All its labels.
        split: Its split: a chip stays on its side, so that what was held out stays so.
        classes: Its classes without the background.
        criteria: What belongs to the slice.
    """
    touching = {chip.name: labels.touching(chip.grid) for chip in chips}
    meeting = _meeting(labels, criteria)
    suitable = [
        chip
        for chip in chips
        if not (criteria.classes or criteria.tags) or meeting[touching[chip.name]].any()
    ]
    chosen = [chip for chip in suitable if _lies_in(chip, criteria.area)]
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
        _of(split, sides, names),
        {side: {name: counts[name] for name in classes} for side, counts in counted.items()},
        sum(_is_at_edge(chip, criteria.area) for chip in suitable if chip.name not in names),
    )


def _of(split: Split, sides: Mapping[str, Any], names: Collection[str]) -> Split:
    """A split with some of its chips alone, without areas of which none is left."""
    found = {area: tuple(name for name in own if name in names) for area, own in split.areas.items()}
    areas = {area: own for area, own in found.items() if own}
    held_out_areas = tuple(area for area in split.held_out_areas if area in areas)
    return replace(split, **sides, areas=areas, held_out_areas=held_out_areas)


def _lies_in(chip: Chip, area: Polygon | MultiPolygon | None) -> bool:
    return area is None or bool(shapely.covers(area, antimeridian.cut(chip.grid.footprint.centroid)))


def _is_at_edge(chip: Chip, area: Polygon | MultiPolygon | None) -> bool:
    """Whether a chip whose middle lies outside an area has ground in common with it."""
    outline = antimeridian.cut(chip.grid.footprint)
    return area is not None and shapely.intersects(area, outline) and not shapely.touches(area, outline)


def _meeting(labels: Labels, criteria: SliceCriteria) -> Array:
    """Which labels are of one of the classes and have all tags."""
    return np.array(
        [
            (not criteria.classes or name in criteria.classes)
            and all(str(properties.get(key)) in values for key, values in criteria.tags.items())
            for name, properties in zip(labels.names, labels.properties, strict=True)
        ],
        dtype=bool,
    )


def _on(touching: Mapping[str, Array], names: Iterable[str]) -> Array:
    """Indices of the labels on some chips, each once."""
    return np.unique(np.concatenate([np.empty(0, dtype=int), *(touching[name] for name in names)]))
