"""Objects of a block that its markers tell apart, found strip by strip.

What an object is depends on its region of connected pixels alone, and how its outline is simplified on those
near to it as well. So the runs of near regions are kept until all of them have ended, and are worked on
together then: where windows, strips and chips end makes no difference. Memory is bounded by a strip and by
the runs of what reaches its lower edge.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fair_models.inference.instances.run_objects import NumberedRuns, number_runs
from fair_models.inference.outlines import edges as edge
from fair_models.inference.outlines.holes import Places, filled, nowhere
from fair_models.inference.outlines.regions import Regions
from fair_models.inference.windowing import links, mask_runs
from fair_models.inference.windowing.mask_runs import Runs
from fair_models.types import Array

_FAR = np.iinfo(np.int64).max


class InstanceFinder:
    """Finds the objects of a block whose strips it gets from top to bottom.

    Args:
        width: Columns of the block.
        reach_px: Steps from pixel to pixel that a marker grows at most.
        near_px: Objects of one class with no more pixels between them come as one group. None: those whose
            pixels share edges.
        holes: Whether holes are kept. Else only those are that hold an object of the same class, which would
            be covered.
    """

    def __init__(self, width: int, reach_px: int, near_px: int | None, holes: bool = True) -> None:
        self._width, self._reach_px, self._near_px, self._holes = width, reach_px, near_px, holes
        self._recent = mask_runs.none()
        self._group_recent = np.empty(0, np.int64)
        self._count = 0
        self._last_row = np.empty(0, np.int64)
        self._kept: list[_Kept] = []
        self._ended = nowhere()

    @property
    def kept_runs(self) -> int:
        """Runs of groups that may go on."""
        return sum(len(kept.runs) for kept in self._kept)

    def add(self, runs: Runs, markers: Runs, stop: int) -> Regions:
        """Go on with the next strip.

        Args:
            runs: The strip's runs.
            markers: Interiors of objects: runs of some of their pixels.
            stop: The row after its last.

        Returns:
            The objects of the groups that ended, in the order of the groups' last rows, of those with the
            same one in the order of their first pixels, and in each group in the order of theirs. So the
            order is one of the block, however it is cut into strips.
        """
        self._add(runs, markers)
        done = self._last_row < stop - 1 - (self._near_px or 0)
        self._recent, self._group_recent = self._latest(stop)
        found = self._finished(done)
        return found if self._holes else self._filled(found)

    def end(self, height: int) -> Regions:
        """The objects of the groups that reach the last rows of the block, in the order of `add`.

        Args:
            height: Rows of the block.
        """
        return self.add(mask_runs.none(), mask_runs.none(), height + 1 + (self._near_px or 0))

    def _add(self, runs: Runs, markers: Runs) -> None:
        """Find the groups of a strip's runs, and which of the open ones they join."""
        above = len(self._recent)
        everything = mask_runs.stacked(self._recent, runs)
        if self._near_px is None:
            one, other = links.meetings(everything, self._width)
        else:
            one, other = links.near(everything, self._width, self._near_px)
        count = len(everything)
        one = np.concatenate((one, np.arange(above)))
        other = np.concatenate((other, count + self._group_recent))
        group, self._count = links.groups(one, other, count + self._count)
        of_run, of_open = group[:count], group[count:]
        last_row = np.full(self._count, -1)
        np.maximum.at(last_row, of_run, everything.rows)
        np.maximum.at(last_row, of_open, self._last_row)
        self._last_row = last_row
        for kept in self._kept:
            kept.group = of_open[kept.group]
        self._kept.append(_Kept(runs, markers, of_run[above:]))
        self._recent, self._group_recent = everything, of_run

    def _latest(self, stop: int) -> tuple[Runs, Array]:
        """Runs that those of the next strip may be near to."""
        late = self._recent.rows >= stop - 1 - (self._near_px or 0)
        return self._recent.select(late), self._group_recent[late]

    def _finished(self, done: Array) -> Regions:
        ended = [kept.take(done, self._width) for kept in self._kept]
        self._kept = [kept for kept in self._kept if len(kept.runs)]
        number = np.cumsum(~done) - 1
        for kept in self._kept:
            kept.group = number[kept.group]
        self._group_recent = number[self._group_recent]
        last_row = self._last_row[done]
        self._last_row, self._count = self._last_row[~done], int((~done).sum())
        runs = mask_runs.stacked(mask_runs.none(), *(each.runs for each in ended))
        markers = mask_runs.stacked(mask_runs.none(), *(each.markers for each in ended))
        group = np.concatenate([np.empty(0, np.int64), *(each.group for each in ended)])
        rank = np.cumsum(done) - 1
        return self._objects(runs, markers, rank[group], last_row)

    def _objects(self, runs: Runs, markers: Runs, group: Array, last_row: Array) -> Regions:
        """Number the objects of groups and outline them."""
        found = number_runs(runs, markers, self._width, self._reach_px)
        position = runs.rows * self._width + runs.starts
        first = np.full(len(last_row), np.iinfo(np.int64).max)
        np.minimum.at(first, group, position)
        rank = np.empty(len(last_row), np.int64)
        rank[np.lexsort((first, last_row))] = np.arange(len(last_row))
        holder = (
            np.searchsorted(position, found.runs.rows * self._width + found.runs.starts, side="right") - 1
        )
        return _outlined(found, rank[group][holder], self._width)

    def _filled(self, found: Regions) -> Regions:
        """Objects without holes but for those that hold others: all of these have ended before."""
        columns, rows = found.first.T
        places = self._ended.joined(Places(columns, rows, found.classes))
        # What ended above all groups that go on lies in no hole of theirs.
        open_runs = [kept.runs for kept in self._kept]
        inside = np.zeros(len(places.rows), bool)
        for index in np.unique(places.classes):
            tops = [int(runs.rows[runs.classes == index].min(initial=_FAR)) for runs in open_runs]
            inside |= (places.classes == index) & (places.rows > min(tops, default=_FAR))
        self._ended = places.select(inside)
        return replace(found, outlines=filled(found.outlines, found.classes, places))


class _Kept:
    """Runs of a strip that belong to groups which may go on.

    Args:
        runs: The runs.
        markers: Interiors of objects in them.
        group: Number of the group of each run.
    """

    def __init__(self, runs: Runs, markers: Runs, group: Array) -> None:
        self.runs, self.markers, self.group = runs, markers, group

    def take(self, done: Array, width: int) -> _Kept:
        """Take out the runs of the groups that are done."""
        ended = done[self.group]
        across = width + 1
        begins = self.runs.rows * across + self.runs.starts
        within = self.markers.rows * across + self.markers.starts
        inside = ended[np.searchsorted(begins, within, side="right") - 1]
        taken = _Kept(self.runs.select(ended), self.markers.select(inside), self.group[ended])
        self.runs, self.markers = self.runs.select(~ended), self.markers.select(~inside)
        self.group = self.group[~ended]
        return taken


def _outlined(found: NumberedRuns, group: Array, width: int) -> Regions:
    """Outlines of objects, group by group.

    Args:
        found: Runs of each object.
        group: Number of the group of each run.
        width: Columns of the block.
    """
    count = found.count
    group_of, classes = np.zeros(count, np.int64), np.zeros(count, np.int64)
    group_of[found.numbers], classes[found.numbers] = group, found.runs.classes
    order = np.lexsort((np.arange(count), group_of))
    place = np.empty(count, np.int64)
    place[order] = np.arange(count)
    number, runs = place[found.numbers], found.runs
    apart = Runs(runs.rows, runs.starts, runs.stops, number, runs.totals)
    stop = int(runs.rows[-1]) + 2 if len(runs) else 0
    edges = edge.of_runs(apart, *links.meetings(apart, width), 0, stop)
    totals = np.bincount(number, runs.totals, minlength=count)
    pixels = np.bincount(number, runs.stops - runs.starts, minlength=count)
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, number, runs.rows * width + runs.starts)
    row, column = np.divmod(first, width)
    return Regions(
        edge.outlines(edges.owned_by(number[edges.owners]), count),
        classes[order],
        totals / pixels,
        np.column_stack((column, row)),
        group_of[order],
    )
