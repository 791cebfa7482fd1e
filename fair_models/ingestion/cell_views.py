"""Imagery on the pixels of a chip.

Imagery that has the chip's pixels already (a service of tiles, or a mosaic made of chips) gives them as they
are. Other imagery is brought down by a whole factor first, as for a prediction, and then read between its
pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import shapely

from fair_models.data.images import antimeridian
from fair_models.data.images.grid import Grid
from fair_models.data.images.resampling import resample
from fair_models.data.neighbours import TOLERANCE_PX
from fair_models.inference.imagery.blocks import Block
from fair_models.inference.imagery.georeference import moved, pixels_of, places_of
from fair_models.inference.imagery.grids import NativeBlock
from fair_models.inference.imagery.pixels import PixelReader, Pixels, mosaic
from fair_models.inference.windows import Rectangle
from fair_models.ingestion.cells import Cell
from fair_models.types import Array

_LATTICE = 17
"""Points along a side of a chip that are reprojected: between them positions are even."""

_STRIP_PX = 4_000_000
"""Pixels that are read at once where imagery is much finer than the chip."""

_MARGIN_PX = 2
_HALF = 0.5


class CellViews:
    """Reads imagery chip by chip.

    Args:
        blocks: The imagery. Where several show the same ground, the first one counts.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self._tree = shapely.STRtree([antimeridian.cut(block.native.grid.footprint) for block in blocks])

    def read(self, cell: Cell, size_px: int) -> Pixels:
        """Pixels of a chip.

        Args:
            cell: Its place.
            size_px: Its height and width in pixels.

        Returns:
            uint8, shape (bands, size_px, size_px), black where there is no imagery; and which are imagery,
            bool, shape (size_px, size_px).

        Raises:
            InvalidImagery: Pixels cannot be decoded.
            Unavailable: They cannot be had.
        """
        grid = cell.grid(size_px)
        pixels = np.zeros((self._blocks[0].reader.bands, size_px, size_px), np.uint8)
        valid = np.zeros((size_px, size_px), bool)
        for index in sorted(self._tree.query(antimeridian.cut(cell.outline)).tolist()):
            block = self._blocks[index]
            found, inside = view(block.native, block.reader, grid)
            if inside.all() and not valid.any():  # nearly always
                return found, inside
            new = inside & ~valid
            np.copyto(pixels, found, where=new)
            valid |= new
            if valid.all():
                break
        return pixels, valid


def view(block: NativeBlock, reader: PixelReader, grid: Grid) -> Pixels:
    """A block's imagery on the pixels of another grid.

    Args:
        block: The block.
        reader: Where its pixels come from.
        grid: The pixels that are wanted.
    """
    there = _positions(block.grid, grid)
    if there is None:
        return _nothing(reader, grid)
    if (offset := _whole_offset(there, grid)) is not None:
        row, column = offset
        return mosaic(reader, block, Rectangle(row, column, grid.height, grid.width))
    return _between(block, reader, grid, there)


def _positions(native: Grid, grid: Grid) -> Array | None:
    """Where points of a grid lie in another one's pixels (column, row), shape (17, 17, 2), evenly over it.

    None where they lie outside of its reference system.
    """
    rows, columns = np.meshgrid(
        np.linspace(0, grid.height, _LATTICE), np.linspace(0, grid.width, _LATTICE), indexing="ij"
    )
    places = places_of(grid, np.column_stack([columns.ravel(), rows.ravel()]))
    found = pixels_of(native, native.nearest(moved(places, grid.crs, native.crs)))
    return found.reshape(_LATTICE, _LATTICE, 2) if np.isfinite(found).all() else None


def _whole_offset(there: Array, grid: Grid) -> tuple[int, int] | None:
    """Row and column at which a grid lies pixel on pixel; None where it does not, to a quarter of a pixel."""
    rows, columns = np.linspace(0, grid.height, _LATTICE), np.linspace(0, grid.width, _LATTICE)
    across, down = there[..., 0] - columns[None, :], there[..., 1] - rows[:, None]
    column, row = round(float(across.mean())), round(float(down.mean()))
    far = max(np.abs(across - column).max(), np.abs(down - row).max())
    return (row, column) if far <= TOLERANCE_PX else None


def _between(block: NativeBlock, reader: PixelReader, grid: Grid, there: Array) -> Pixels:
    """Pixels of a grid out of those around each: weighed by their nearness, invalid ones not at all."""
    from scipy.ndimage import map_coordinates

    factor = max(1, round(_ratio(there, grid)))
    stored = _around(block.grid, there, factor)
    if stored is None:
        return _nothing(reader, grid)
    source, imagery = _brought_down(block, reader, stored, factor)
    columns, rows = (
        (_middles(there[..., axis], grid) - first) / factor - _HALF
        for axis, first in ((0, stored.column), (1, stored.row))
    )
    height, width = imagery.shape
    inside = (rows >= -_HALF) & (rows < height - _HALF) & (columns >= -_HALF) & (columns < width - _HALF)

    def weighed(layer: Array) -> Array:
        values = map_coordinates(layer, [rows, columns], np.float32, order=1, mode="nearest")
        return np.asarray(values)

    weight = weighed(imagery.astype(np.float32))
    valid = inside & (weight >= _HALF)
    sums = np.stack([weighed((band * imagery).astype(np.float32)) for band in source])
    means = np.rint(sums / np.maximum(weight, np.float32(1e-6)))
    return np.where(valid, means.clip(0, 255), 0).astype(np.uint8), valid


def _ratio(there: Array, grid: Grid) -> float:
    """How many of the stored pixels lie along a side of a wanted one, in the mean of both axes."""
    across = np.linalg.norm(there[:, -1] - there[:, 0], axis=-1).mean() / grid.width
    down = np.linalg.norm(there[-1] - there[0], axis=-1).mean() / grid.height
    return float(math.sqrt(across * down))


def _around(native: Grid, there: Array, factor: int) -> Rectangle | None:
    """The stored pixels around positions, from a multiple of the factor on; None where there are none."""
    spare = _MARGIN_PX * factor
    left, top = np.floor((there.min(axis=(0, 1)) - spare) / factor) * factor
    right, bottom = np.ceil((there.max(axis=(0, 1)) + spare) / factor) * factor
    column, row = max(0, int(left)), max(0, int(top))
    width, height = min(native.width, int(right)) - column, min(native.height, int(bottom)) - row
    return Rectangle(row, column, height, width) if height > 0 and width > 0 else None


def _brought_down(block: NativeBlock, reader: PixelReader, stored: Rectangle, factor: int) -> Pixels:
    """Stored pixels averaged by a whole factor, some rows at a time."""
    rows = max(1, _STRIP_PX // (stored.width * factor)) * factor
    parts = []
    for top in range(0, stored.height, rows):
        strip = Rectangle(stored.row + top, stored.column, min(rows, stored.height - top), stored.width)
        parts.append(resample(*mosaic(reader, block, strip), Fraction(factor)))
    return np.concatenate([each for each, _ in parts], axis=1), np.concatenate([each for _, each in parts])


def _middles(lattice: Array, grid: Grid) -> Array:
    """Values at the middle of each pixel of a grid, out of those at the points of the lattice."""
    rows = (np.arange(grid.height) + _HALF) / grid.height * (_LATTICE - 1)
    columns = (np.arange(grid.width) + _HALF) / grid.width * (_LATTICE - 1)
    row, column = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, across = (rows - row)[:, None], (columns - column)[None, :]
    above, below = lattice[row], lattice[row + 1]
    upper = above[:, column] * (1 - across) + above[:, column + 1] * across
    lower = below[:, column] * (1 - across) + below[:, column + 1] * across
    return np.asarray(upper * (1 - down) + lower * down)


def _nothing(reader: PixelReader, grid: Grid) -> Pixels:
    shape = grid.height, grid.width
    return np.zeros((reader.bands, *shape), np.uint8), np.zeros(shape, bool)
