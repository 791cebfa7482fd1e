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

from fair_models.data.chips import Chip
from fair_models.data.grid import WEB_MERCATOR, Grid
from fair_models.inference.georeference import moved, pixels_of
from fair_models.inference.windows import Rectangle
from fair_models.types import Array

TOLERANCE_PX = 0.25
"""How far a chip's corners may lie from a grid and still be on it."""


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
    grids = [_grid(chip) for chip in chips]
    found = [
        (members[0], block)
        for reference, on_grid in _shared_grids(grids)
        for members, block in _touching(chips, grids[reference], on_grid)
    ]
    return [block for _, block in sorted(found, key=lambda pair: pair[0])]


def _grid(chip: Chip) -> Grid:
    """The chip's grid: its tile's where that is where the file lies too, to a pixel.

    In degrees the pixels of a web-map tile change in height from row to row, so that chips of one mosaic
    would lie on no common grid; in Web Mercator they are pieces of one exactly.
    """
    if chip.tile is None:
        return chip.grid
    tile = Grid(WEB_MERCATOR, chip.tile.transform(chip.width, chip.height), chip.height, chip.width)
    seen = pixels_of(tile, moved(chip.grid.corners, chip.crs, WEB_MERCATOR))
    return tile if np.abs(seen - _corners(tile)).max() <= 1 else chip.grid


def _shared_grids(grids: Sequence[Grid]) -> list[tuple[int, dict[int, tuple[int, int]]]]:
    """Chips by shared grid: the chip from which it is counted, and (row, column) of each chip on it."""
    found = []
    for crs in dict.fromkeys(grid.crs for grid in grids):
        left = np.array([index for index, grid in enumerate(grids) if grid.crs == crs])
        own = np.stack([_corners(grids[index]) for index in left])
        on_map = np.stack([grids[index].corners for index in left])
        while len(left):
            shared = pixels_of(grids[left[0]], on_map.reshape(-1, 2)).reshape(own.shape)
            origin = np.rint(shared[:, 0])
            fits = np.abs(shared - own - origin[:, None]).max(axis=(1, 2)) <= TOLERANCE_PX
            # A chip is on its own grid, also where its transform is too extreme to be inverted exactly.
            fits[0], origin[0] = True, 0.0
            positions = {
                int(index): (int(row), int(column))
                for index, (column, row) in zip(left[fits], origin[fits], strict=True)
            }
            found.append((int(left[0]), positions))
            left, own, on_map = left[~fits], own[~fits], on_map[~fits]
    return found


def _touching(
    chips: Sequence[Chip], grid: Grid, positions: dict[int, tuple[int, int]]
) -> list[tuple[list[int], NativeBlock]]:
    """Connected chips of one grid as blocks, each with the indices of its chips."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from shapely import STRtree, box

    indices = list(positions)
    row, column = np.array([positions[index] for index in indices]).T
    height = np.array([chips[index].height for index in indices])
    width = np.array([chips[index].width for index in indices])
    outlines = box(column, row, column + width, row + height)
    one, other = STRtree(outlines).query(outlines, predicate="intersects")
    links = coo_array((np.ones(len(one), bool), (one, other)), shape=(len(indices), len(indices)))
    count, component = connected_components(links, directed=False)
    found = []
    for number in range(count):
        inside = np.flatnonzero(component == number)
        top, left = int(row[inside].min()), int(column[inside].min())
        bottom, right = int((row + height)[inside].max()), int((column + width)[inside].max())
        members = sorted(indices[at] for at in inside)
        placed = tuple(
            PlacedChip(chips[at], positions[at][0] - top, positions[at][1] - left) for at in members
        )
        found.append((members, NativeBlock(grid.window(top, left, bottom - top, right - left), placed)))
    return found


def _corners(grid: Grid) -> Array:
    """Corners in pixels (column, row), in the order of `Grid.corners`, shape (4, 2)."""
    right, bottom = float(grid.width), float(grid.height)
    return np.array([(0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom)])
