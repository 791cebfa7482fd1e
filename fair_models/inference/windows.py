"""Windows over a block of imagery: what the network sees, and which part of it counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from fair_models.inference.parts import Window
from fair_models.types import Array

DEFAULT_SIZE_PX = 1024
"""Height and width of a window where the network takes any. Larger ones change little, and cost memory."""

DEFAULT_MARGIN_PX = 64
"""Pixels at each inner edge that the network sees and that are left to the neighbour."""

DEFAULT_MULTIPLE_PX = 32
"""What height and width must divide by: the product of a network's strides, 32 for five halvings."""


Padding = Literal["reflect", "black"]


@dataclass(frozen=True)
class WindowRule:
    """How a block is cut.

    size_px: Height and width of a window, margins included.
    margin_px: Least margin at an inner edge. At the edge of a block there is none.
    multiple_px: Height and width of each window divide by this.
    fixed: Whether the network takes windows of exactly `size_px`.
    """

    size_px: int = DEFAULT_SIZE_PX
    margin_px: int = DEFAULT_MARGIN_PX
    multiple_px: int = DEFAULT_MULTIPLE_PX
    fixed: bool = False


@dataclass(frozen=True)
class Rectangle:
    """Pixels of a block: the first row and column, and how many."""

    row: int
    column: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to cut an array of the block."""
        return slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)

    def seen_from(self, row: int, column: int) -> Rectangle:
        """The same pixels, counted from another corner."""
        return Rectangle(self.row - row, self.column - column, self.height, self.width)


@dataclass(frozen=True)
class View:
    """One window and its core, the pixels that it alone answers for.

    The cores of an area's views cover each of its pixels once. A window may reach over the right and lower
    edge of its area: those pixels are filled in (see `pad`), and belong to no core.

    window: Position and size of what the network gets.
    core: Pixels of the block that count.
    seen: Pixels of the block that the network gets: the window without what is filled in.
    """

    window: Window
    core: Rectangle
    seen: Rectangle

    def crop(self, values: Array) -> Array:
        """The core of an array that has the window's height and width as its last axes."""
        row, column = self.core.row - self.window.row, self.core.column - self.window.column
        return values[..., row : row + self.core.height, column : column + self.core.width]


@dataclass(frozen=True)
class _Span:
    """One window along one axis: where it begins, its length, and its core."""

    start: int
    length: int
    core_start: int
    core_stop: int


def rule_for(size_px: int | None, multiple_px: int = DEFAULT_MULTIPLE_PX) -> WindowRule:
    """The rule for a network that takes windows of `size_px`, or of any size where that is None."""
    if size_px is None:
        return WindowRule(_round_up(DEFAULT_SIZE_PX, multiple_px), DEFAULT_MARGIN_PX, multiple_px)
    multiple_px = multiple_px if size_px % multiple_px == 0 else 1
    return WindowRule(size_px, min(DEFAULT_MARGIN_PX, size_px // 8), multiple_px, fixed=True)


def cut(area: Rectangle, rule: WindowRule, source: str) -> Iterator[View]:
    """Cut an area of a block into windows, row by row.

    Windows are spread evenly and begin at multiples of `rule.multiple_px`, so that a network sees in them
    what it would see in one window over everything. At the right and lower edge they reach over the area
    where its size is no multiple, or less than a window.

    Args:
        area: Pixels of a block.
        rule: Size and margins.
        source: Name of the block, for `Window.source`.
    """
    columns = list(_spans(area.width, rule))
    for down in _spans(area.height, rule):
        for across in columns:
            rows, width = (
                min(down.length, area.height - down.start),
                min(across.length, area.width - across.start),
            )
            yield View(
                Window(area.row + down.start, area.column + across.start, down.length, across.length, source),
                Rectangle(
                    area.row + down.core_start,
                    area.column + across.core_start,
                    down.core_stop - down.core_start,
                    across.core_stop - across.core_start,
                ),
                Rectangle(area.row + down.start, area.column + across.start, rows, width),
            )


def pad(pixels: Array, height: int, width: int, padding: Padding = "reflect") -> Array:
    """Extend the last two axes to `height` and `width` at the end, by reflection or with zeros."""
    missing = [(0, 0)] * (pixels.ndim - 2) + [(0, height - pixels.shape[-2]), (0, width - pixels.shape[-1])]
    if not any(after for _, after in missing):
        return pixels
    return np.pad(pixels, missing, mode="reflect" if padding == "reflect" else "constant")


def _spans(length: int, rule: WindowRule) -> Iterator[_Span]:
    if length <= rule.size_px:
        yield _Span(0, rule.size_px if rule.fixed else _round_up(length, rule.multiple_px), 0, length)
        return
    # Counted in multiples: a network with strides sees the same wherever its window begins.
    inner = rule.size_px - 2 * rule.margin_px
    multiple = rule.multiple_px if inner >= rule.multiple_px else 1
    last = -(-(length - rule.size_px) // multiple)
    count = -(-last // (inner // multiple))
    starts = [number * last // count * multiple for number in range(count + 1)]
    # Neighbours share at least twice the margin; the cores meet in its middle.
    seams = [(after + before + rule.size_px) // 2 for before, after in pairwise(starts)]
    for start, first, stop in zip(starts, [0, *seams], [*seams, length], strict=True):
        yield _Span(start, rule.size_px, first, stop)


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
