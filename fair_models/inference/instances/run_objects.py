"""Objects of a mask that is kept as runs: `growth.number_objects` for areas that are too large for arrays.

Only pixels that have a class are looked at, and only some of them at a time: memory grows with the runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fair_models.inference.windowing import links, mask_runs
from fair_models.inference.windowing.links import ranges
from fair_models.inference.windowing.mask_runs import Runs
from fair_models.types import Array

BAND_PX = 300_000
"""Pixels with a class that are grown over at a time, about: each takes some 100 bytes."""


@dataclass(frozen=True)
class NumberedRuns:
    """Runs, each of one object.

    runs: Sorted by row and column. A run may lie beside another one of its class, but not of its object.
    numbers: Number of each one's object, from 0 on in the order of their first pixels, int64, shape (n,).
    count: How many objects there are.
    """

    runs: Runs
    numbers: Array
    count: int


def number_runs(runs: Runs, markers: Runs, width: int, reach_px: int, band_px: int = BAND_PX) -> NumberedRuns:
    """Number the objects of a mask. What they are, `growth.number_objects` says.

    Probabilities are known by run. A run that is divided among objects gives them the sums of the markers in
    it, and to each further pixel the mean of those outside of markers.

    Args:
        runs: The mask.
        markers: Interiors of objects: runs of pixels of it, of the same classes.
        width: Columns of the block.
        reach_px: Steps from pixel to pixel that a marker grows at most.
        band_px: Pixels that are grown over at a time, about.
    """
    region, count = links.groups(*links.meetings(runs, width), len(runs))
    marked = np.zeros(count, bool)
    marked[region[_holders(runs, markers, width)]] = True
    through = marked[region]
    alone = runs.select(~through)
    parts, numbers = [alone], [region[~through]]
    marker, marker_count = links.groups(*links.meetings(markers, width), len(markers))
    left: list[Runs] = []
    for grown, found in _grown_bands(runs.select(through), markers, marker, width, reach_px, band_px):
        parts.append(grown.select(found > 0))
        numbers.append(count + found[found > 0] - 1)
        left.append(grown.select(found == 0))
    unreached = mask_runs.stacked(mask_runs.none(), *left)
    further, _ = links.groups(*links.meetings(unreached, width), len(unreached))
    together = mask_runs.stacked(*parts, unreached)
    named = np.concatenate([*numbers, count + marker_count + further])
    order = np.lexsort((together.starts, together.rows))
    return _in_order(together.select(order), named[order])


def _in_order(runs: Runs, named: Array) -> NumberedRuns:
    """Number anew in the order of first pixels."""
    known, first, position = np.unique(named, return_index=True, return_inverse=True)
    rank = np.empty(len(known), np.int64)
    rank[np.argsort(first)] = np.arange(len(known))
    return NumberedRuns(runs, rank[position], len(known))


def _holders(runs: Runs, within: Runs, width: int) -> Array:
    """Index of the run that holds each of the runs within, shape (n,)."""
    across = width + 1
    keys = runs.rows * across + runs.starts
    return np.searchsorted(keys, within.rows * across + within.starts, side="right") - 1


def _grown_bands(
    runs: Runs, markers: Runs, marker: Array, width: int, reach_px: int, band_px: int
) -> Iterator[tuple[Runs, Array]]:
    """Runs divided among the markers that reach them, with the number of each one's marker from 1 on, or 0.

    Some rows at a time, with those around them from which a marker reaches them.
    """
    for first, stop in _bands(runs, 4 * max(1, reach_px), band_px):
        around, beside = (
            slice(*np.searchsorted(each.rows, (first - reach_px, stop + reach_px)))
            for each in (runs, markers)
        )
        pixels = _Pixels.of(runs.select(around), width)
        pixels.mark(markers.select(beside), marker[beside] + 1)
        pixels.grow(reach_px)
        yield pixels.divided(first, stop)


def _bands(runs: Runs, min_rows: int, band_px: int) -> Iterator[tuple[int, int]]:
    """Rows, from the first one to before the next, that hold about so many pixels."""
    ends = np.cumsum(runs.stops - runs.starts)
    at = 0
    while at < len(runs):
        first = int(runs.rows[at])
        full = int(np.searchsorted(ends, (ends[at - 1] if at else 0) + band_px))
        stop = max(first + min_rows, int(runs.rows[min(full, len(runs) - 1)]))
        stop = int(runs.rows[-1]) + 1 if full >= len(runs) else stop
        yield first, stop
        at = int(np.searchsorted(runs.rows, stop))


@dataclass(frozen=True)
class _Pixels:
    """Pixels of runs, one after the other.

    runs: The runs.
    offsets: Position of the first pixel of each run, and the number of pixels, int64, shape (runs + 1,).
    numbers: Number of each pixel, int32, shape (pixels + 1,); 0 where it has none. The last is no pixel: what
        lies beside others that are of another class or the background.
    beside: Positions of the pixels of its class below, right of, left of and above each pixel, int32.
    values: Probability of each, float64, shape (pixels,).
    width: Columns of the block.
    """

    runs: Runs
    offsets: Array
    numbers: Array
    beside: tuple[Array, Array, Array, Array]
    values: Array
    width: int

    @classmethod
    def of(cls, runs: Runs, width: int) -> _Pixels:
        """The pixels of runs, without numbers."""
        lengths = runs.stops - runs.starts
        offsets = np.append(0, np.cumsum(lengths))
        count = int(offsets[-1])
        right, left = (np.arange(at, count + at, dtype=np.int32) for at in (1, -1))
        right[offsets[1:] - 1] = left[offsets[:-1]] = count
        below, above = (np.full(count, count, np.int32) for _ in range(2))
        upper, lower = links.meetings(runs, width)
        first = np.maximum(runs.starts[upper], runs.starts[lower])
        shared = np.minimum(runs.stops[upper], runs.stops[lower]) - first
        high = ranges(offsets[upper] + first - runs.starts[upper], shared)
        low = ranges(offsets[lower] + first - runs.starts[lower], shared)
        below[high], above[low] = low, high
        numbers = np.zeros(count + 1, np.int32)
        numbers[count] = -1
        values = np.repeat(runs.totals / lengths, lengths)
        return cls(runs, offsets, numbers, (below, right, left, above), values, width)

    def mark(self, markers: Runs, numbers: Array) -> None:
        """Number the pixels of markers, and tell their probabilities from those of the rest of their runs."""
        held, lengths = _holders(self.runs, markers, self.width), markers.stops - markers.starts
        begins = self.offsets[held] + markers.starts - self.runs.starts[held]
        places = ranges(begins, lengths)
        self.numbers[places] = np.repeat(numbers, lengths)
        count = len(self.runs)
        inside = np.bincount(held, lengths, minlength=count)
        outside = self.runs.stops - self.runs.starts - inside
        rest = np.maximum(self.runs.totals - np.bincount(held, markers.totals, minlength=count), 0)
        mean = np.divide(rest, outside, out=np.zeros(count), where=outside > 0)
        self.values[:] = np.repeat(mean, self.runs.stops - self.runs.starts)
        self.values[places] = np.repeat(markers.totals / lengths, lengths)

    def grow(self, reach_px: int) -> None:
        """Let numbered pixels grow into the others, in the order of `growth.grow`."""
        numbers = self.numbers
        reached = np.flatnonzero(numbers[:-1])
        for _ in range(reach_px):
            new = []
            for beside in self.beside:
                there = beside[reached]
                free = numbers[there] == 0
                numbers[there[free]] = numbers[reached[free]]
                new.append(there[free])
            reached = np.concatenate(new)
            if not len(reached):
                break

    def divided(self, first: int, stop: int) -> tuple[Runs, Array]:
        """Runs of pixels of one number in some rows, and their numbers."""
        begin, end = np.searchsorted(self.runs.rows, (first, stop))
        place = slice(self.offsets[begin], self.offsets[end])
        numbers = self.numbers[:-1][place]
        apart = np.append(True, numbers[1:] != numbers[:-1])
        apart[self.offsets[begin:end] - place.start] = True
        begins = np.flatnonzero(apart)
        lengths = np.diff(np.append(begins, len(numbers)))
        within = np.searchsorted(self.offsets, begins + place.start, side="right") - 1
        starts = self.runs.starts[within] + begins + place.start - self.offsets[within]
        totals = np.add.reduceat(self.values[place], begins)
        made = Runs(self.runs.rows[within], starts, starts + lengths, self.runs.classes[within], totals)
        return made, numbers[begins].astype(np.int64)
