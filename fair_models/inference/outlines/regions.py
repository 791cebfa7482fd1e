"""Regions of a block, found strip by strip: what is finished comes out, what may go on is kept.

Memory is bounded by a strip and by the outlines of the regions that reach its lower edge.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from fair_models.inference.outlines import edges as edge
from fair_models.inference.outlines.edges import Edges
from fair_models.inference.windowing import links
from fair_models.inference.windowing import mask_runs as run
from fair_models.inference.windowing.mask_runs import Runs
from fair_models.types import Array


@dataclass(frozen=True)
class Regions:
    """Objects of a mask: pixels of one class that share edges; a corner does not connect.

    outlines: Shapely polygons in pixels (column, row) of the block, shape (n,).
    classes: Index of each one's class, int64, shape (n,).
    confidence: Mean probability of its pixels, float64, shape (n,).
    first: Column and row of its first pixel, row by row, int64, shape (n, 2).
    group: Number of the group of near ones, whose outlines are simplified together, in ascending order,
        int64, shape (n,). None: each is simplified alone.
    """

    outlines: Array
    classes: Array
    confidence: Array
    first: Array
    group: Array | None = None

    def __len__(self) -> int:
        return len(self.outlines)


@dataclass(frozen=True)
class _Known:
    """What is known of regions, or of runs: one value each.

    classes: Index of the class.
    totals: Sum of the probabilities.
    pixels: How many there are.
    first: Position of the first one in the flattened block.
    last_row: The lowest row so far.
    """

    classes: Array
    totals: Array
    pixels: Array
    first: Array
    last_row: Array

    def select(self, keep: Array) -> _Known:
        return _Known(*(getattr(self, each.name)[keep] for each in fields(self)))

    def by(self, region: Array, count: int) -> _Known:
        """The same of regions that several of these belong to."""
        classes, last_row = np.zeros(count, np.int64), np.zeros(count, np.int64)
        first = np.full(count, np.iinfo(np.int64).max)
        classes[region] = self.classes
        np.minimum.at(first, region, self.first)
        np.maximum.at(last_row, region, self.last_row)
        totals = np.bincount(region, self.totals, minlength=count)
        pixels = np.bincount(region, self.pixels, minlength=count).astype(np.int64)
        return _Known(classes, totals, pixels, first, last_row)


class RegionFinder:
    """Finds the regions of a block whose strips it gets from top to bottom.

    Args:
        width: Columns of the block.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._above = run.none()
        self._region_above = np.empty(0, np.int64)
        self._open = _known(run.none(), width)
        self._edges = edge.none()

    @property
    def kept_edges(self) -> int:
        """Edges of regions that may go on."""
        return len(self._edges)

    def add(self, runs: Runs, stop: int) -> Regions:
        """Go on with the next strip.

        Args:
            runs: The strip's runs.
            stop: The row after its last.

        Returns:
            The regions that end above the strip's last row, in the order of their last rows, and of those
            with the same one in the order of their first pixels. So the order is one of the block, however
            it is cut into strips.
        """
        above, everything = len(self._above), run.stacked(self._above, runs)
        upper, lower = links.meetings(everything, self._width)
        region, count = self._regions(upper, lower, len(everything))
        of_run, of_open = region[: len(everything)], region[len(everything) :]
        found = edge.of_runs(everything, upper, lower, above, stop)
        found = edge.concatenate(
            [self._edges.owned_by(of_open[self._edges.owners]), found.owned_by(of_run[found.owners])]
        )
        known = _stacked(self._open, _known(runs, self._width))
        known = known.by(np.concatenate((of_open, of_run[above:])), count)
        last = everything.rows == stop - 1
        goes_on = np.zeros(count, bool)
        goes_on[of_run[last]] = True
        self._keep(everything.select(last), of_run[last], found, known, goes_on)
        return self._finished(found, known, ~goes_on)

    def end(self, height: int) -> Regions:
        """The regions that reach the last row of the block, in the order of `add`.

        Args:
            height: Rows of the block.
        """
        return self.add(run.none(), height + 1)

    def _regions(self, upper: Array, lower: Array, runs: int) -> tuple[Array, int]:
        """The region of each run, then of each region that was open, and how many regions there are."""
        one = np.concatenate((upper, np.arange(len(self._above))))
        other = np.concatenate((lower, runs + self._region_above))
        return links.groups(one, other, runs + len(self._open.first))

    def _keep(self, last: Runs, region: Array, found: Edges, known: _Known, goes_on: Array) -> None:
        number = np.cumsum(goes_on) - 1
        self._above, self._region_above = last, number[region]
        self._open = known.select(goes_on)
        kept = found.select(goes_on[found.owners])
        self._edges = kept.owned_by(number[kept.owners])

    def _finished(self, found: Edges, known: _Known, done: Array) -> Regions:
        order = np.flatnonzero(done)
        order = order[np.lexsort((known.first[order], known.last_row[order]))]
        number = np.empty(len(done), np.int64)
        number[order] = np.arange(len(order))
        complete, known = found.select(done[found.owners]), known.select(order)
        row, column = np.divmod(known.first, self._width)
        return Regions(
            edge.outlines(complete.owned_by(number[complete.owners]), len(order)),
            known.classes,
            known.totals / known.pixels,
            np.column_stack((column, row)),
        )


def _known(runs: Runs, width: int) -> _Known:
    return _Known(
        runs.classes, runs.totals, runs.stops - runs.starts, runs.rows * width + runs.starts, runs.rows
    )


def _stacked(one: _Known, other: _Known) -> _Known:
    return _Known(
        *(np.concatenate((getattr(one, each.name), getattr(other, each.name))) for each in fields(_Known))
    )
