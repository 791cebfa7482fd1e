"""Boxes and points that neighbouring windows found, each object once and whole (non-maximum suppression).

Two windows see the strip along their seam both. What they say of it is compared there, on what both have
seen: where it agrees it is the same object, even if each of them saw another half of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from fair_models.inference.windowing.detections import FoundObjects
from fair_models.inference.windowing.plan import Strip
from fair_models.inference.windowing.window_steps import WindowResult
from fair_models.types import Array

MAX_OVERLAP = 0.5
"""Boxes of two windows are the same from this IoU on, however many boxes of one window may overlap more."""

NEAR_PX = 8
"""Points of two windows that are nearer to each other than this are the same."""

EDGE_PX = 8
"""A box that ends so near to an edge beyond which its window saw nothing may go on there."""


@dataclass(frozen=True)
class _Objects:
    """Boxes or points of one block, and the windows that found them.

    geometries, scores, classes: As in `FoundObjects`.
    seen: What the window saw: x_min, y_min, x_max, y_max on the block, float64, shape (n, 4).
    windows: Number of the window, int64, shape (n,).
    """

    geometries: Array
    scores: Array
    classes: Array
    seen: Array
    windows: Array

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, keep: Array) -> _Objects:
        return _Objects(*(getattr(self, field.name)[keep] for field in fields(self)))

    @property
    def corners(self) -> Array:
        """x_min, y_min, x_max, y_max; those of a point reach as far as another one may be the same."""
        if self.geometries.shape[1] == 4:
            return self.geometries
        return np.hstack([self.geometries - NEAR_PX / 2, self.geometries + NEAR_PX / 2])


class Suppressor:
    """Puts together what the windows of a block found. It has to get its strips in their order.

    It holds back what the windows of the next strip may have found too, and nothing else.

    Args:
        overlap: Least IoU of two boxes of one object, 0 to 1; no more than `MAX_OVERLAP` counts.
    """

    def __init__(self, overlap: float) -> None:
        self._overlap = min(overlap, MAX_OVERLAP)
        self._waiting: dict[int, _Objects] = {}
        self._windows = 0

    def add(self, strip: Strip, windows: Sequence[WindowResult]) -> list[FoundObjects]:
        """Go on with a strip and what its windows say; gives the objects that are finished with it.

        They come in the order in which they were found first, boxes before points.
        """
        added = self._objects(strip, windows)
        self._windows += len(windows)
        finished = [
            self._finish(size, _stacked(parts), strip) for size, parts in sorted(added.items(), reverse=True)
        ]
        return [found for found in finished if len(found.scores)]

    def _objects(self, strip: Strip, windows: Sequence[WindowResult]) -> dict[int, list[_Objects]]:
        """What waited, and then what is new, by the size of a geometry: 4 for boxes, 2 for points."""
        added: dict[int, list[_Objects]] = {size: [waiting] for size, waiting in self._waiting.items()}
        for number, (view, window) in enumerate(zip(strip.views, windows, strict=True), start=self._windows):
            area = view.seen
            seen = (area.column, area.row, area.column + area.width, area.row + area.height)
            for found in window.found:
                count, size = found.geometries.shape
                sides = np.tile(np.array(seen, np.float64), (count, 1))
                objects = _Objects(
                    found.geometries, found.scores, found.classes, sides, np.full(count, number)
                )
                added.setdefault(size, []).append(objects)
        return added

    def _finish(self, size: int, objects: _Objects, strip: Strip) -> FoundObjects:
        groups = _groups(objects, self._overlap)
        waits = np.isin(groups, groups[objects.corners[:, 3] > _line(strip)])
        self._waiting[size] = objects.select(waits)
        done, groups = objects.select(~waits), groups[~waits]
        return _merged(done, groups, (strip.block.grid.width, strip.block.grid.height))


def _line(strip: Strip) -> float:
    """The row from which on windows of the next strip see something: as far above the seam as these below."""
    if strip.is_last or not strip.views:
        return np.inf
    seam = strip.area.row + strip.area.height
    return 2 * seam - max(view.seen.row + view.seen.height for view in strip.views) - 1


def _groups(objects: _Objects, overlap: float) -> Array:
    """Which objects are the same, as the position of the first of them, shape (n,).

    The best one first, each joins those that it agrees with best, never another one of its own window.
    """
    groups = np.arange(len(objects))
    same = _pairs(objects, overlap)
    rank = np.empty(len(objects), np.int64)
    rank[np.argsort(-objects.scores, kind="stable")] = np.arange(len(objects))
    members: dict[int, list[int]] = {}
    for one in sorted(same, key=lambda at: int(rank[at])):
        window = objects.windows[one]
        for other in sorted(same[one], key=lambda at: int(rank[at])):
            group = int(groups[other])
            if other in members.get(group, ()) and all(
                objects.windows[each] != window for each in members[group]
            ):
                groups[one] = group
                break
        members.setdefault(int(groups[one]), []).append(one)
    for positions in members.values():
        groups[positions] = min(positions)
    return groups


def _pairs(objects: _Objects, overlap: float) -> dict[int, list[int]]:
    """Objects of other windows that each one agrees with, by position."""
    import shapely

    found: dict[int, list[int]] = defaultdict(list)
    if len(objects) < 2 or objects.windows[0] == objects.windows[-1]:
        return found
    shapes = shapely.box(*objects.corners.T)
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    differ = (objects.windows[one] != objects.windows[other]) & (
        objects.classes[one] == objects.classes[other]
    )
    one, other = one[differ], other[differ]
    agree = _agree(objects, one, other, overlap)
    for first, second in zip(one[agree].tolist(), other[agree].tolist(), strict=True):
        found[first].append(second)
    return found


def _agree(objects: _Objects, one: Array, other: Array, overlap: float) -> Array:
    """Whether two objects are the same as far as both windows have seen, bool, shape (pairs,)."""
    if objects.geometries.shape[1] == 2:
        away = objects.geometries[one] - objects.geometries[other]
        return np.asarray(np.hypot(*away.T) <= NEAR_PX)
    low = np.maximum(objects.seen[one, :2], objects.seen[other, :2])
    high = np.minimum(objects.seen[one, 2:], objects.seen[other, 2:])

    def within(which: Array) -> Array:
        box = objects.geometries[which]
        return np.hstack([np.maximum(box[:, :2], low), np.minimum(box[:, 2:], high)])

    first, second = within(one), within(other)
    shared = np.hstack([np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])])
    intersection = _areas(shared)
    union = _areas(first) + _areas(second) - intersection
    return (intersection > 0) & (intersection >= overlap * union)


def _areas(boxes: Array) -> Array:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1))


def _merged(objects: _Objects, groups: Array, size: tuple[int, int]) -> FoundObjects:
    """One object of each group: the best that no window's edge cuts, else all of them together."""
    _, first, position = np.unique(groups, return_index=True, return_inverse=True)
    made = FoundObjects(objects.geometries.copy(), objects.scores.copy(), objects.classes)
    for members in _several(position):
        best = members[np.argsort(-objects.scores[members], kind="stable")]
        whole = [int(at) for at in best if not _is_cut(objects, at, size)]
        boxes = objects.geometries[whole[:1] if whole else members]
        made.geometries[members[0]] = (
            np.hstack([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
            if boxes.shape[1] == 4
            else boxes[0]
        )
        made.scores[members[0]] = objects.scores[best[0]]
    return FoundObjects(made.geometries[first], made.scores[first], made.classes[first])


def _several(position: Array) -> Iterator[Array]:
    """Positions of the members of each group that has more than one."""
    counts = np.bincount(position)
    for group in np.flatnonzero(counts > 1):
        yield np.flatnonzero(position == group)


def _is_cut(objects: _Objects, at: int, size: tuple[int, int]) -> bool:
    """Whether a box ends where its window does, and the block goes on there."""
    if objects.geometries.shape[1] == 2:
        return False
    limits = np.array([0, 0, *size])
    near = np.abs(objects.geometries[at] - objects.seen[at]) <= EDGE_PX
    return bool((near & (objects.seen[at] != limits)).any())


def _stacked(parts: Sequence[_Objects]) -> _Objects:
    return _Objects(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(_Objects))
    )
