"""Windows over a block of imagery: what the network sees, and which part of it counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from typing import Literal

import numpy as np

from fair_models.inference.parts import Window
from fair_models.types import Array

DEFAULT_SIZE_PX = 1344
"""Side of the square that has as many pixels as a window may have where the network takes any size. Of large
areas 44 % more pixels go through the network than there are; larger windows save little, and cost memory."""

DEFAULT_MARGIN_PX = 112
"""Pixels at each inner edge that the network sees and that are left to the neighbour.

What a U-Net sees reaches about as far. With the small network of `benchmarks.networks` on Banepa, against one
window over everything: with 96 px object F1 0.996 and 1 of 391 objects cut, with 112 px 1.000 and none.
"""

DEFAULT_MULTIPLE_PX = 32
"""What height and width must divide by: the product of a network's strides, 32 for five halvings."""


Padding = Literal["reflect", "black"]


@dataclass(frozen=True)
class WindowRule:
    """How a block is cut.

    size_px: Height and width of a window, margins included. Where the network takes any size, those of a
        square that has as many pixels as a window may have.
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
    what it would see in one window over everything. Where it takes any size, they have the shape with which
    the fewest pixels go through it. At the right and lower edge they reach over the area where its size is no
    multiple, or less than a window.

    Args:
        area: Pixels of a block.
        rule: Size and margins.
        source: Name of the block, for `Window.source`.
    """
    height, width = _shape(area.height, area.width, rule)
    columns = list(_spans(area.width, width, rule))
    for down in _spans(area.height, height, rule):
        for across in columns:
            seen = min(down.length, area.height - down.start), min(across.length, area.width - across.start)
            yield View(
                Window(area.row + down.start, area.column + across.start, down.length, across.length, source),
                Rectangle(
                    area.row + down.core_start,
                    area.column + across.core_start,
                    down.core_stop - down.core_start,
                    across.core_stop - across.core_start,
                ),
                Rectangle(area.row + down.start, area.column + across.start, *seen),
            )


def pad(pixels: Array, height: int, width: int, padding: Padding = "reflect") -> Array:
    """Extend the last two axes to `height` and `width` at the end, by reflection or with zeros."""
    missing = [(0, 0)] * (pixels.ndim - 2) + [(0, height - pixels.shape[-2]), (0, width - pixels.shape[-1])]
    if not any(after for _, after in missing):
        return pixels
    return np.pad(pixels, missing, mode="reflect" if padding == "reflect" else "constant")


@lru_cache(maxsize=256)
def _shape(height: int, width: int, rule: WindowRule) -> tuple[int, int]:
    """Height and width of the windows of an area. Of equally good ones those that make the fewest strips."""
    if rule.fixed:
        return rule.size_px, rule.size_px
    max_pixels = _round_up(rule.size_px, rule.multiple_px) ** 2
    found = []
    for tall, wide in product(_lengths(height, rule), _lengths(width, rule)):
        if tall * wide <= max_pixels:
            rows, columns = _count(height, tall, rule), _count(width, wide, rule)
            found.append((rows * tall * columns * wide, rows, tall, wide))
    _, _, tall, wide = min(found)
    return tall, wide


def _lengths(length: int, rule: WindowRule) -> set[int]:
    """How long windows along one axis may be: from half to twice the usual, and no longer than the area."""
    multiple, whole = rule.multiple_px, _round_up(length, rule.multiple_px)
    shortest = _round_up(max(rule.size_px // 2, 2 * rule.margin_px + 1), multiple)
    return {min(one, whole) for one in range(shortest, 2 * _round_up(rule.size_px, multiple) + 1, multiple)}


def _count(length: int, size: int, rule: WindowRule) -> int:
    """How many windows of a size cover a length."""
    if length <= size:
        return 1
    step = _step(size, rule)
    last = -(-(length - size) // step)
    return 1 - (-last // ((size - 2 * rule.margin_px) // step))


def _step(size: int, rule: WindowRule) -> int:
    """What windows begin at multiples of: a network with strides sees the same wherever its window begins."""
    return rule.multiple_px if size - 2 * rule.margin_px >= rule.multiple_px else 1


def _spans(length: int, size: int, rule: WindowRule) -> Iterator[_Span]:
    after_first, step = _count(length, size, rule) - 1, _step(size, rule)
    last = -(-(length - size) // step)
    starts = [number * last // after_first * step for number in range(1, after_first + 1)]
    starts.insert(0, 0)
    # Neighbours share at least twice the margin; the cores meet in its middle.
    seams = [(after + before + size) // 2 for before, after in pairwise(starts)]
    for start, first, stop in zip(starts, [0, *seams], [*seams, length], strict=True):
        yield _Span(start, size, first, stop)


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
