"""Chips on shared pixel grids, and the blocks in which they touch.

Chips of one zoom or one mosaic are pieces of one large image. Where their pixels fall on one grid they are
put together again, so that a building over an edge is seen, and outlined, whole. Chips of another zoom,
resolution or reference system lie on a grid of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fair_models.data import neighbours
from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import Grid
from fair_models.inference.windows import Rectangle
from fair_models.types import Array


@dataclass(frozen=True)
class PlacedChip:
    """A chip and the position of its top left pixel on its block, in pixels as stored."""

    chip: Chip
    row: int
    column: int

    @property
    def area(self) -> Rectangle:
        """Its pixels on the block."""
        return Rectangle(self.row, self.column, self.chip.height, self.chip.width)


@dataclass(frozen=True)
class NativeBlock:
    """Chips that touch each other on one grid, in pixels as stored.

    grid: The smallest rectangle that holds all of them, or a part of it: then chips may reach over its edges.
    chips: The chips, in the order of their names.
    """

    grid: Grid
    chips: tuple[PlacedChip, ...]

    def chips_in(self, area: Rectangle) -> list[PlacedChip]:
        """Chips that share pixels with an area, in their order."""
        row, column, height, width = self._boxes
        inside = (
            (row < area.row + area.height)
            & (area.row < row + height)
            & (column < area.column + area.width)
            & (area.column < column + width)
        )
        return [self.chips[index] for index in np.flatnonzero(inside)]

    @property
    def pixels(self) -> int:
        """How many pixels there are to read; where chips overlap, all of theirs."""
        there = self._boxes[:2] + self._boxes[2:]
        seen_height = np.minimum(there[0], self.grid.height) - np.maximum(self._boxes[0], 0)
        seen_width = np.minimum(there[1], self.grid.width) - np.maximum(self._boxes[1], 0)
        return int((seen_height * seen_width).sum())

    def part(self, area: Rectangle) -> NativeBlock | None:
        """A rectangle of the block, with the chips that lie in it or reach into it; None without any."""
        chips = tuple(
            PlacedChip(placed.chip, placed.row - area.row, placed.column - area.column)
            for placed in self.chips_in(area)
        )
        grid = self.grid.window(area.row, area.column, area.height, area.width)
        return NativeBlock(grid, chips) if chips else None

    def names_at(self, points: Array) -> Array:
        """Names of the chips at or nearest to pixel positions (column, row), shape (n, 2) to (n,)."""
        import shapely

        row, column, height, width = self._boxes
        tree = shapely.STRtree(shapely.box(column, row, column + width, row + height))
        point, chip = tree.query_nearest(shapely.points(points))
        first = np.full(len(points), len(self.chips))
        np.minimum.at(first, point, chip)
        return np.array([self.chips[index].chip.name for index in first], dtype=object)

    @cached_property
    def _boxes(self) -> Array:
        """Row, column, height and width of each chip, shape (4, n)."""
        areas = [placed.area for placed in self.chips]
        return np.array([(area.row, area.column, area.height, area.width) for area in areas]).T


def blocks(chips: Sequence[Chip]) -> list[NativeBlock]:
    """Put chips onto grids and find those that touch, by an edge or a corner.

    Args:
        chips: Chips with a place.

    Returns:
        Blocks in the order of their first chip. Every chip is in exactly one.
    """
    return [
        NativeBlock(
            group.grid,
            tuple(
                PlacedChip(chips[member], row, column)
                for member, (row, column) in zip(group.members, group.places, strict=True)
            ),
        )
        for group in neighbours.groups(chips)
    ]
