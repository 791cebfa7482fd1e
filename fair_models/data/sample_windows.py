"""Samples out of chips that are pieces of one picture, put together as prediction puts them together."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fair_models.data import neighbours
from fair_models.data.images import chips
from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import Factors, Grid, factors
from fair_models.data.images.resampling import resample, stored_span
from fair_models.data.neighbours import Group
from fair_models.types import Array

SMALLEST_REST = 1 / 16
"""Of a sample: a rest along an axis that is smaller is left."""

_CACHE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class SampleWindow:
    """A part of imagery, as large as a sample: which of its pixels are imagery, and which of those count."""

    name: str
    pixels: Array
    imagery: Array
    counts: Array
    grid: Grid


def joined_windows(
    found: Sequence[Chip], size_px: int, gsd_m: float, resampling: str
) -> Iterator[SampleWindow]:
    """Parts of neighbouring chips with at least one pixel that counts, in the order of their first chips.

    Args:
        found: Chips of one side of a split.
        size_px: Height and width of a sample.
        gsd_m: Metres per pixel that the model works at.
        resampling: "average", "bilinear" or "nearest".
    """
    decoded = _Decoded()
    for group in neighbours.groups(found):
        yield from _Picture(group, found, gsd_m, resampling, decoded.read).windows(size_px)


def starts(length: int, size_px: int) -> list[tuple[int, int]]:
    """Where windows along an axis start, and from where on each one counts."""
    number = max(1, math.ceil((length - SMALLEST_REST * size_px) / size_px))
    return [(max(0, min(index * size_px, length - size_px)), index * size_px) for index in range(number)]


class _Picture:
    """A group of chips at the model's resolution."""

    def __init__(
        self,
        group: Group,
        found: Sequence[Chip],
        gsd_m: float,
        resampling: str,
        read: Callable[[Chip], tuple[Array, Array]],
    ) -> None:
        self._chips = [found[member] for member in group.members]
        self._corners = np.array(group.places)
        self._ends = self._corners + np.array([(chip.height, chip.width) for chip in self._chips])
        self._stored = group.grid if len(self._chips) > 1 else self._chips[0].grid
        self._resampling, self._read = resampling, read
        self._factors: Factors = factors(self._stored, gsd_m, self._chips[0].rules.scale)
        self.grid = self._stored.decimated(self._factors)

    def windows(self, size_px: int) -> Iterator[SampleWindow]:
        """Its samples, in the order of their first chips."""
        places = [
            (self._first(top, left, size_px), top, left, first_row, first_column)
            for top, first_row in starts(self.grid.height, size_px)
            for left, first_column in starts(self.grid.width, size_px)
        ]
        for first, top, left, first_row, first_column in sorted(
            (place for place in places if place[0] is not None), key=lambda place: (place[0] or 0, place[1:])
        ):
            pixels, imagery = self._part(top, left, size_px)
            counts = imagery.copy()
            counts[: first_row - top] = False
            counts[:, : first_column - left] = False
            if counts.any():
                name = self._name(first or 0, top, left, size_px)
                grid = self.grid.window(top, left, size_px, size_px)
                yield SampleWindow(name, pixels, imagery, counts, grid)

    def _name(self, first: int, top: int, left: int, size_px: int) -> str:
        """The name of the chip that it is alone, else that of its first chip with its place."""
        row, column, bottom, right = self._span(top, left, size_px)
        (above, before), (below, after) = self._corners[first], self._ends[first]
        outside = row < above or column < before or bottom > below or right > after
        whole = row <= above and column <= before and bottom >= below and right >= after
        alone = len(self._chips) == 1 or not outside
        return self._chips[first].name if whole and alone else f"{self._chips[first].name}+{top}+{left}"

    def _first(self, top: int, left: int, size_px: int) -> int | None:
        """Position of the first chip that a sample has pixels of."""
        inside = self._inside(*self._span(top, left, size_px))
        return int(inside[0]) if len(inside) else None

    def _inside(self, row: int, column: int, bottom: int, right: int) -> Array:
        return np.flatnonzero(
            (self._corners < (bottom, right)).all(axis=1) & (self._ends > (row, column)).all(axis=1)
        )

    def _span(self, top: int, left: int, size_px: int, around: bool = False) -> tuple[int, int, int, int]:
        """First row and column, and last ones, of the stored pixels of a sample."""
        down, across, size = self._factors.down, self._factors.across, self._stored
        row, bottom = stored_span(top, size_px, down, self._resampling, around)
        column, right = stored_span(left, size_px, across, self._resampling, around)
        return row, column, min(bottom, size.height), min(right, size.width)

    def _part(self, top: int, left: int, size_px: int) -> tuple[Array, Array]:
        """Pixels of a sample and which are imagery; black beyond them. Where chips overlap the first wins."""
        row, column, bottom, right = self._span(top, left, size_px, around=True)
        stored = np.zeros((chips.BANDS, bottom - row, right - column), np.uint8)
        valid = np.zeros(stored.shape[1:], bool)
        for at in self._inside(row, column, bottom, right)[::-1]:
            pixels, inside = self._read(self._chips[at])
            (above, before), (below, after) = self._corners[at], self._ends[at]
            first, last = (max(row, above), max(column, before)), (min(bottom, below), min(right, after))
            there = np.s_[first[0] - row : last[0] - row, first[1] - column : last[1] - column]
            here = np.s_[first[0] - above : last[0] - above, first[1] - before : last[1] - before]
            np.copyto(stored[:, *there], pixels[:, *here], where=inside[here])
            valid[there] |= inside[here]
        stored, valid = resample(stored, valid, self._factors, self._resampling)
        above, before = top - round(row / self._factors.down), left - round(column / self._factors.across)
        stored = stored[:, above : above + size_px, before : before + size_px]
        valid = valid[above : above + size_px, before : before + size_px]
        made = np.zeros((len(stored), size_px, size_px), np.uint8)
        imagery = np.zeros((size_px, size_px), bool)
        filled = np.s_[: valid.shape[0], : valid.shape[1]]
        made[:, *filled], imagery[filled] = stored, valid
        return made, imagery


class _Decoded:
    """Decoded chips, the last ones kept: neighbouring samples need them again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Array, Array]] = OrderedDict()
        self._bytes = 0

    def read(self, chip: Chip) -> tuple[Array, Array]:
        """Pixels of a chip, and which are imagery."""
        if chip.name in self._kept:
            self._kept.move_to_end(chip.name)
            return self._kept[chip.name]
        found = chips.read_with_mask(chip)
        self._kept[chip.name] = found
        self._bytes += sum(part.nbytes for part in found)
        while self._bytes > _CACHE_BYTES and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= sum(part.nbytes for part in gone)
        return found
