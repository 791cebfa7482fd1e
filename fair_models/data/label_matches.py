"""Labels of two versions of a dataset: which are the same objects, by their id, else by their outlines."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely import STRtree

from fair_models.data.images import antimeridian
from fair_models.data.vectors import polygons
from fair_models.data.vectors.labels import Labels
from fair_models.data.vectors.osm import origin
from fair_models.types import Array

MIN_IOU = 0.3
"""Intersection over union from which on two outlines are those of one object. A house of 8 m that is drawn
2 m further along both axes has 0.39."""

_KEPT_IDS = 0.5
"""Part of the labels of one id that must have ground in common, for ids that may be numbers of rows."""

_DECIMALS = 7
"""Of degrees: what differs by less, about a centimetre, is how numbers were rounded."""


@dataclass(frozen=True)
class LabelMatches:
    """Which labels of two versions are the same objects, as indices; each label is in one pair at most.

    same: Pairs with the same outline.
    moved: Pairs of one object in another place or with another outline.
    added: Labels of the version after that the one before has not.
    removed: Labels of the version before that the one after has not.
    """

    same: Sequence[tuple[int, int]]
    moved: Sequence[tuple[int, int]]
    added: Sequence[int]
    removed: Sequence[int]


def match(before: Labels, after: Labels) -> LabelMatches:
    """Match the labels of two versions: equal outlines first, then ids, then what overlaps most.

    Ids of OpenStreetMap name an object for ever. Others may be the numbers of rows, so they count only where
    most labels of one id have ground in common.

    Args:
        before: Labels of one version.
        after: Labels of the next one.
    """
    shapes = antimeridian.normal(before.outlines), antimeridian.normal(after.outlines)
    same = list(_equal(shapes, before.names, after.names))
    rest = _Rest(set(range(len(before))), set(range(len(after))))
    rest.take(same)
    moved: list[tuple[int, int]] = []
    for pairs in _of_one_id(before, after, shapes):
        moved += rest.take(pairs)
    moved += rest.take(_overlapping(shapes, sorted(rest.before), sorted(rest.after)))
    return LabelMatches(same, sorted(moved), sorted(rest.after), sorted(rest.before))


def iou(one: Any, other: Any) -> Any:
    """Intersection over union of outlines, 0 to 1: of two, or of arrays of them pair by pair."""
    shared = shapely.area(shapely.intersection(one, other))
    return shared / (shapely.area(one) + shapely.area(other) - shared)


@dataclass
class _Rest:
    """Labels that are in no pair yet."""

    before: set[int]
    after: set[int]

    def take(self, pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Those of some pairs of which both labels are left; they are left no more."""
        taken = []
        for one, other in pairs:
            if one in self.before and other in self.after:
                self.before.remove(one)
                self.after.remove(other)
                taken.append((one, other))
        return taken


def _equal(
    shapes: tuple[Array, Array], names: Sequence[str], names_after: Sequence[str]
) -> Iterator[tuple[int, int]]:
    """Pairs of equal outlines; of several labels with one outline those of one class."""
    waiting: dict[bytes, list[int]] = defaultdict(list)
    for index, key in enumerate(_keys(shapes[0])):
        waiting[key].append(index)
    left = []
    for index, key in enumerate(_keys(shapes[1])):
        found = next((each for each in waiting[key] if names[each] == names_after[index]), None)
        if found is None:
            left.append((index, key))
            continue
        waiting[key].remove(found)
        yield found, index
    for index, key in left:
        if waiting[key]:
            yield waiting[key].pop(0), index


def _keys(outlines: Array) -> list[bytes]:
    """What is equal for equal outlines, whatever corner they begin with."""
    rounded = shapely.transform(outlines, lambda places: np.round(places, _DECIMALS))
    return list(shapely.to_wkb(shapely.normalize(rounded)))


def _of_one_id(before: Labels, after: Labels, shapes: tuple[Array, Array]) -> Iterator[list[tuple[int, int]]]:
    """Pairs of labels of one id: first by ids of OpenStreetMap, then by others where these are kept."""
    yield _pairs(*([origin.id_of(each) for each in labels.properties] for labels in (before, after)))
    pairs = _pairs(*([polygons.id_of(each) for each in labels.properties] for labels in (before, after)))
    if pairs:
        one, other = np.array(pairs).T
        if shapely.intersects(shapes[0][one], shapes[1][other]).mean() >= _KEPT_IDS:
            yield pairs


def _pairs(ids: Sequence[str], ids_after: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of one id; ids that several labels of a version have name none."""
    counts, counts_after = Counter(ids), Counter(ids_after)
    place = {each: index for index, each in enumerate(ids) if each and counts[each] == 1}
    return [
        (place[each], index)
        for index, each in enumerate(ids_after)
        if each in place and counts_after[each] == 1
    ]


def _overlapping(
    shapes: tuple[Array, Array], before: Sequence[int], after: Sequence[int]
) -> list[tuple[int, int]]:
    """Pairs of outlines that overlap enough to be one object, those that overlap most first."""
    one, other = shapes[0][list(before)], shapes[1][list(after)]
    found, of = STRtree(other).query(one, predicate="intersects")
    shares = iou(one[found], other[of])
    order = [int(index) for index in np.argsort(-shares, kind="stable") if shares[index] >= MIN_IOU]
    return [(before[found[index]], after[of[index]]) for index in order]
