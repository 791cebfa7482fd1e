"""What is new in the next version of a dataset: labels, chips, and on which sides of the split chips are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from fair_models.data import label_matches
from fair_models.data.images import antimeridian, chips
from fair_models.data.images.chips import Chip
from fair_models.data.splits import Split
from fair_models.data.vectors import polygons
from fair_models.data.vectors.labels import Labels
from fair_models.data.vectors.mapped_area import Outline
from fair_models.data.vectors.osm import origin
from fair_models.types import Array, Json

Detail = Json
"""One label that changed: class, place, id where it has one, and what it was before."""

_ROUNDED = 1e-7
"""Degrees, about a centimetre: by less the ground of chips may be rounded."""

_PLACE_DECIMALS = 6
"""Of degrees, about ten centimetres: where a label or a chip lies."""


@dataclass(frozen=True)
class Content:
    """What a version of a dataset holds.

    split: Which chips it has, and on which sides.
    chips: Its chips by name, of those that may differ from what the other version has; files are equal else.
    labels: Its labels; None where it has captions.
    captions: Its captions by the name of the image; None where it has labels.
    files: Of images that need no place, and are not decoded: what is equal for equal files, by name.
    ground: What its chips cover, in longitude and latitude. None: they have no place.
    """

    split: Split
    chips: Mapping[str, Chip] = field(default_factory=dict)
    labels: Labels | None = None
    captions: Mapping[str, Sequence[str]] | None = None
    files: Mapping[str, Any] = field(default_factory=dict)
    ground: Outline | None = None

    @property
    def names(self) -> list[str]:
        """Names of all chips."""
        split = self.split
        return [*split.train, *split.held_out, *split.left_out, *split.validation]


@dataclass(frozen=True)
class LabelChanges:
    """Labels that are not as they were.

    moved: The same object in another place or with another outline.
    reclassified: The same object of another class, moved or not.
    unchanged: How many are as they were.
    added_with_chips, removed_with_chips: How many of those that were added lie beyond the chips of before,
        and how many of those that were removed beyond the chips of now.
    """

    added: Sequence[Detail] = ()
    removed: Sequence[Detail] = ()
    moved: Sequence[Detail] = ()
    reclassified: Sequence[Detail] = ()
    unchanged: int = 0
    added_with_chips: int = 0
    removed_with_chips: int = 0

    def counts(self) -> dict[str, int]:
        """How many there are of each."""
        return {
            "added": len(self.added),
            "removed": len(self.removed),
            "moved": len(self.moved),
            "reclassified": len(self.reclassified),
            "unchanged": self.unchanged,
            "added_with_chips": self.added_with_chips,
            "removed_with_chips": self.removed_with_chips,
        }


@dataclass(frozen=True)
class ChipChanges:
    """Names of chips that are not as they were.

    changed: With other pixels.
    moved: Of the same name, in another place.
    renamed: In the same place with another name: names before and now.
    captions: With other captions.
    """

    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    changed: Sequence[str] = ()
    moved: Sequence[str] = ()
    renamed: Sequence[tuple[str, str]] = ()
    captions: Sequence[str] = ()


@dataclass(frozen=True)
class SplitChanges:
    """Names of chips on another side than before, which matters where versions of models are compared."""

    held_out_to_train: Sequence[str] = ()
    train_to_held_out: Sequence[str] = ()


@dataclass(frozen=True)
class Changes:
    """What is new in a version of a dataset."""

    labels: LabelChanges
    chips: ChipChanges
    split: SplitChanges

    def counts(self) -> Json:
        """How many labels and chips changed, by what happened to them."""
        return {
            "labels": self.labels.counts(),
            "chips": {name: len(each) for name, each in vars(self.chips).items()},
            "split": {name: len(each) for name, each in vars(self.split).items()},
        }

    def details(self) -> Json:
        """Every label and chip that changed."""
        kinds = ("added", "removed", "moved", "reclassified")
        return {
            "labels": {name: list(getattr(self.labels, name)) for name in kinds},
            "chips": {name: list(each) for name, each in vars(self.chips).items()},
            "split": {name: list(each) for name, each in vars(self.split).items()},
        }

    @property
    def is_any(self) -> bool:
        """Whether anything changed."""
        return any(each for part in self.details().values() for each in part.values())


def changes(before: Content, after: Content, are_same: Callable[[Chip, Chip], bool] | None = None) -> Changes:
    """What is new in a version.

    Chips are matched by their names, those that are left by their places.

    Args:
        before: The version before.
        after: The version.
        are_same: Whether two chips have the same pixels. Default: they are decoded.
    """
    names = list(_same_chips(before, after))
    return Changes(
        _label_changes(before, after),
        _chip_changes(before, after, names, are_same or have_same_pixels),
        _split_changes(before.split, after.split, names),
    )


def have_same_pixels(one: Chip, other: Chip) -> bool:
    """Whether two chips show the same, pixel by pixel, read by the rules of each.

    Raises:
        InvalidImagery: One cannot be decoded.
    """
    ours, theirs = chips.decode(one), chips.decode(other)
    return np.array_equal(ours.pixels, theirs.pixels) and np.array_equal(ours.valid, theirs.valid)


def _same_chips(before: Content, after: Content) -> Iterator[tuple[str, str]]:
    """Names before and now of chips that are in both versions."""
    then, now = dict.fromkeys(before.names), dict.fromkeys(after.names)
    yield from ((name, name) for name in now if name in then)
    gone = _by_place(before, [name for name in then if name not in now])
    new = _by_place(after, [name for name in now if name not in then])
    yield from ((gone[place], name) for place, name in new.items() if place in gone)


def _by_place(content: Content, names: Sequence[str]) -> dict[tuple[float, ...], str]:
    """Names of chips by their place, of those that have one for themselves."""
    places = {name: _place(content.chips[name]) for name in names if name in content.chips}
    counts = Counter(places.values())
    return {place: name for name, place in places.items() if counts[place] == 1}


def _place(chip: Chip) -> tuple[float, ...]:
    return tuple(round(each, _PLACE_DECIMALS) for each in chip.grid.footprint.bounds)


def _chip_changes(
    before: Content,
    after: Content,
    names: Sequence[tuple[str, str]],
    are_same: Callable[[Chip, Chip], bool],
) -> ChipChanges:
    kept = {now for _, now in names}
    lost = set(before.names) - {then for then, _ in names}
    pairs = [
        (now, before.chips[then], after.chips[now])
        for then, now in names
        if then in before.chips and now in after.chips and before.chips[then] != after.chips[now]
    ]
    said, says = before.captions or {}, after.captions or {}
    other_files = {
        now
        for then, now in names
        if then in before.files and now in after.files and before.files[then] != after.files[now]
    }
    return ChipChanges(
        added=sorted(set(after.names) - kept),
        removed=sorted(lost),
        changed=sorted({now for now, one, other in pairs if not are_same(one, other)} | other_files),
        moved=sorted(now for now, one, other in pairs if _place(one) != _place(other)),
        renamed=sorted(pair for pair in names if pair[0] != pair[1]),
        captions=sorted(
            now
            for then, now in names
            if said and says and sorted(said.get(then, ())) != sorted(says.get(now, ()))
        ),
    )


def _split_changes(before: Split, after: Split, names: Sequence[tuple[str, str]]) -> SplitChanges:
    held_out, trained = set(before.held_out), set(before.train)
    holds_out, trains = set(after.held_out), set(after.train)
    return SplitChanges(
        sorted(now for then, now in names if then in held_out and now in trains),
        sorted(now for then, now in names if then in trained and now in holds_out),
    )


def _label_changes(before: Content, after: Content) -> LabelChanges:
    if before.labels is None or after.labels is None:
        return LabelChanges()
    then, now = before.labels, after.labels
    found = label_matches.match(then, now)
    pairs = sorted([*found.same, *found.moved])
    return LabelChanges(
        added=[_detail(now, index) for index in found.added],
        removed=[_detail(then, index) for index in found.removed],
        moved=[
            {**_detail(now, index), "iou": round(float(share), 3)}
            for (_, index), share in zip(found.moved, _shares(then, now, found.moved), strict=True)
        ],
        reclassified=[
            {**_detail(now, index), "before": then.names[one]}
            for one, index in pairs
            if then.names[one] != now.names[index]
        ],
        unchanged=sum(then.names[one] == now.names[index] for one, index in found.same),
        added_with_chips=_count_beyond(now.outlines[list(found.added)], before.ground),
        removed_with_chips=_count_beyond(then.outlines[list(found.removed)], after.ground),
    )


def _shares(then: Labels, now: Labels, pairs: Sequence[tuple[int, int]]) -> Array:
    """Intersection over union of pairs of labels, 0 to 1, shape (n,)."""
    one, other = then.outlines[[each for each, _ in pairs]], now.outlines[[each for _, each in pairs]]
    return np.asarray(label_matches.iou(antimeridian.normal(one), antimeridian.normal(other)))


def _detail(labels: Labels, index: int) -> Detail:
    """A label by what people find it with."""
    properties, point = labels.properties[index], shapely.point_on_surface(labels.outlines[index])
    at = [round(float(point.x), _PLACE_DECIMALS), round(float(point.y), _PLACE_DECIMALS)]
    name = origin.id_of(properties) or polygons.id_of(properties)
    return {"class": labels.names[index], "at": at, **({"id": name} if name else {})}


def _count_beyond(outlines: Array, ground: Outline | None) -> int:
    """How many outlines share no ground with what the chips of a version cover."""
    if ground is None or not len(outlines):
        return 0
    inner = ground.buffer(-_ROUNDED)
    shapely.prepare(inner)
    return int((~shapely.intersects(inner, antimeridian.normal(outlines))).sum())
