"""Chips that are pieces of one picture: on one pixel grid, and side by side.

Chips of one zoom or one mosaic are pieces of one large image. Where their pixels fall on one grid they are
put together again, for training as for prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import WEB_MERCATOR, Grid, reproject
from fair_models.types import Array

TOLERANCE_PX = 0.25
"""How far a chip's corners may lie from a grid and still be on it."""


@dataclass(frozen=True)
class Group:
    """Chips that touch each other on one grid, in pixels as stored.

    grid: The smallest rectangle that holds all of them.
    members: Position of each chip in the list that was given, in its order.
    places: Row and column of the top left pixel of each on the grid.
    """

    grid: Grid
    members: tuple[int, ...]
    places: tuple[tuple[int, int], ...]


def groups(chips: Sequence[Chip]) -> list[Group]:
    """Put chips onto grids and find those that touch, by an edge or a corner.

    Args:
        chips: Chips with a place.

    Returns:
        Groups in the order of their first chip. Every chip is in exactly one.
    """
    grids = [_grid(chip) for chip in chips]
    found = [
        group
        for reference, on_grid in _shared_grids(grids)
        for group in _touching(chips, grids[reference], on_grid)
    ]
    return sorted(found, key=lambda group: group.members[0])


def _grid(chip: Chip) -> Grid:
    """The chip's grid: its tile's where that is where the file lies too, to a pixel.

    In degrees the pixels of a web-map tile change in height from row to row, so that chips of one mosaic
    would lie on no common grid; in Web Mercator they are pieces of one exactly.
    """
    if chip.tile is None:
        return chip.grid
    tile = Grid(WEB_MERCATOR, chip.tile.transform(chip.width, chip.height), chip.height, chip.width)
    places = np.column_stack(reproject(chip.crs, WEB_MERCATOR, *chip.grid.corners.T))
    seen = tile.pixels(tile.nearest(places))
    return tile if np.abs(seen - _corners(tile)).max() <= 1 else chip.grid


def _shared_grids(grids: Sequence[Grid]) -> list[tuple[int, dict[int, tuple[int, int]]]]:
    """Chips by shared grid: the chip from which it is counted, and (row, column) of each chip on it."""
    found = []
    for crs in dict.fromkeys(grid.crs for grid in grids):
        left = np.array([index for index, grid in enumerate(grids) if grid.crs == crs])
        own = np.stack([_corners(grids[index]) for index in left])
        on_map = np.stack([grids[index].corners for index in left])
        while len(left):
            shared = grids[left[0]].pixels(on_map.reshape(-1, 2)).reshape(own.shape)
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


def _touching(chips: Sequence[Chip], grid: Grid, positions: dict[int, tuple[int, int]]) -> list[Group]:
    """Connected chips of one grid."""
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
        members = tuple(sorted(indices[at] for at in inside))
        places = tuple((positions[at][0] - top, positions[at][1] - left) for at in members)
        found.append(Group(grid.window(top, left, bottom - top, right - left), members, places))
    return found


def _corners(grid: Grid) -> Array:
    """Corners in pixels (column, row), in the order of `Grid.corners`, shape (4, 2)."""
    right, bottom = float(grid.width), float(grid.height)
    return np.array([(0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom)])
