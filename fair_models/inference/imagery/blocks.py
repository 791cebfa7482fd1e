"""Imagery that hangs together, at the model's resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import Factors, Grid
from fair_models.data.images.resampling import resample, stored_span
from fair_models.inference.imagery.areas import Clip
from fair_models.inference.imagery.georeference import moved, pixels_of
from fair_models.inference.imagery.grids import NativeBlock
from fair_models.inference.imagery.pixels import PixelReader, Pixels, mosaic, overview, shared
from fair_models.inference.windows import Rectangle
from fair_models.types import Array


@dataclass(frozen=True)
class Block:
    """Imagery that hangs together on one pixel grid, at the model's resolution.

    native: The chips, on the pixels as they are stored.
    factors: Stored pixels per pixel of the model, along each axis.
    resampling: How stored pixels become the model's.
    reader: Where the pixels come from.
    clip: The area that counts, on the block's pixels. None where all of it does.
    before: Blocks whose imagery counts in the place of this one's where both lie.
    scored: Names of the chips that are scored where images are scored as wholes. None: all.
    """

    native: NativeBlock
    factors: Factors
    resampling: str
    reader: PixelReader
    clip: Clip | None = None
    before: tuple[Block, ...] = ()
    scored: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """The name of its first chip."""
        return self.native.chips[0].chip.name

    @cached_property
    def grid(self) -> Grid:
        """Where its pixels lie. The last row and column may reach over the imagery."""
        return self.native.grid.decimated(self.factors)

    @property
    def factor(self) -> Fraction:
        """Stored pixels per pixel of the model along its rows."""
        return self.factors.across

    def read(self, area: Rectangle) -> Pixels:
        """Pixels of a rectangle of the block, resampled just as in training.

        Returns:
            uint8, shape (bands, height, width), black where there is no imagery; and which of them are
            imagery that counts, bool, shape (height, width): around the area there are pixels to be seen.
        """
        stored = self._stored(area, around=True)
        pixels, valid = mosaic(self.reader, self.native, stored)
        pixels, valid = resample(pixels, valid, self.factors, self.resampling)
        rows, columns = area.seen_from(
            round(stored.row / self.factors.down), round(stored.column / self.factors.across)
        ).slices
        pixels, valid = pixels[:, rows, columns], valid[rows, columns]
        if self.clip is not None:
            valid = valid & self.clip.inside(area)
        if self.before and valid.any():
            grid = self.grid.window(area.row, area.column, area.height, area.width)
            valid = valid & ~_counted(self.before, grid)
        return pixels, valid

    def imagery_in(self, area: Rectangle) -> Array:
        """Which pixels of a rectangle are imagery, whether they count or not, bool, shape (height, width)."""
        return replace(self, clip=None, before=()).read(area)[1]

    def has_imagery(self, area: Rectangle) -> bool:
        """Whether any chip lies there, and anything there counts."""
        if self.clip is not None and not self.clip.touches(area):
            return False
        return bool(self.native.chips_in(self._stored(area)))

    def chips_at(self, area: Rectangle) -> list[Chip]:
        """Chips that are read for a rectangle of the block."""
        return [placed.chip for placed in self.native.chips_in(self._stored(area, around=True))]

    def overview(self, longest_px: int) -> tuple[Array, Array, Grid]:
        """The whole block for a picture: pixels, which of them are imagery, and where they lie."""
        pixels, valid = overview(self.reader, self.native, longest_px)
        (height, width), grid = valid.shape, self.native.grid
        a, b, c, d, e, f = grid.transform
        across, down = grid.width / width, grid.height / height
        return (
            pixels,
            valid,
            Grid(grid.crs, (a * across, b * down, c, d * across, e * down, f), height, width),
        )

    def names_at(self, points: Array) -> Array:
        """Names of the chips at pixel positions (column, row), shape (n, 2) to (n,)."""
        return self.native.names_at(points * (float(self.factors.across), float(self.factors.down)))

    def sources(self, cell_px: int) -> dict[str, Rectangle]:
        """What is scored as a whole, by name: each chip, or cells of `cell_px` of an image that stands alone.

        An image counts as one chip up to twice the size of a cell. Where only an area counts, these are what
        has its middle there.
        """
        found = self._all_sources(cell_px)
        if self.scored is not None and len(self.native.chips) >= len(found):
            found = {name: area for name, area in found.items() if name in self.scored}
        if not found:
            return found
        if self.clip is None:
            return found
        middles = [(area.column + area.width / 2, area.row + area.height / 2) for area in found.values()]
        counts = self.clip.has(np.array(middles))
        return {name: area for (name, area), there in zip(found.items(), counts, strict=True) if there}

    def _all_sources(self, cell_px: int) -> dict[str, Rectangle]:
        if len(self.native.chips) > 1 or max(self.grid.height, self.grid.width) <= 2 * cell_px:
            everything = Rectangle(0, 0, self.native.grid.height, self.native.grid.width)
            return {
                placed.chip.name: self._scaled(shared(everything, placed.area))
                for placed in self.native.chips
            }
        return {
            f"{self.name}-r{row // cell_px}-c{column // cell_px}": Rectangle(
                row, column, min(cell_px, self.grid.height - row), min(cell_px, self.grid.width - column)
            )
            for row in range(0, self.grid.height, cell_px)
            for column in range(0, self.grid.width, cell_px)
        }

    def _stored(self, area: Rectangle, around: bool = False) -> Rectangle:
        """An area in stored pixels, rounded outwards to pixels of both resolutions.

        Args:
            area: The area, in pixels of the model.
            around: With what its resampling looks at too.
        """
        down, across, size = self.factors.down, self.factors.across, self.native.grid
        top, bottom = stored_span(area.row, area.height, down, self.resampling, around)
        left, right = stored_span(area.column, area.width, across, self.resampling, around)
        bottom, right = min(bottom, size.height), min(right, size.width)
        return Rectangle(top, left, bottom - top, right - left)

    def _scaled(self, stored: Rectangle) -> Rectangle:
        """A rectangle of stored pixels at the model's resolution, at least one pixel."""
        down, across = self.factors.down, self.factors.across
        top, left = round(stored.row / down), round(stored.column / across)
        bottom = round((stored.row + stored.height) / down)
        right = round((stored.column + stored.width) / across)
        return Rectangle(top, left, max(1, bottom - top), max(1, right - left))


def _counted(before: Sequence[Block], grid: Grid) -> Array:
    """Which pixels of a grid have ground in common with imagery of other blocks.

    Args:
        before: Blocks.
        grid: A window of another block.

    Returns:
        bool, shape (height, width).
    """
    from rasterio.transform import Affine
    from rasterio.warp import Resampling, reproject
    from scipy.ndimage import binary_dilation

    found = np.zeros((grid.height, grid.width), bool)
    for block in before:
        area = _seen(block.grid, grid)
        if area is None or found.all():
            continue
        part = block.grid.window(area.row, area.column, area.height, area.width)
        mask = np.zeros(found.shape, np.uint8)
        reproject(
            block.imagery_in(area).astype(np.uint8),
            mask,
            src_transform=Affine(*part.transform),
            src_crs=part.crs,
            dst_transform=Affine(*grid.transform),
            dst_crs=grid.crs,
            resampling=Resampling.max,
        )
        found |= mask > 0 if _parallel(part, grid) else binary_dilation(mask > 0, np.ones((3, 3), bool))
    return found


def _parallel(one: Grid, other: Grid) -> bool:
    """Whether the pixels of two grids lie side by side: else what GDAL finds may be a pixel too small."""
    turned = one.transform[1], one.transform[3], other.transform[1], other.transform[3]
    return one.crs == other.crs and not any(turned)


def _seen(grid: Grid, other: Grid) -> Rectangle | None:
    """The pixels of a grid that lie on another one, and one around them; None where there are none."""
    steps = np.linspace(0, 1, 9)
    columns = np.concatenate([steps, steps, 0 * steps, 0 * steps + 1]) * other.width
    rows = np.concatenate([0 * steps, 0 * steps + 1, steps, steps]) * other.height
    places = np.column_stack(other.places(columns, rows))
    there = pixels_of(grid, grid.nearest(moved(places, other.crs, grid.crs)))
    if not np.isfinite(there).all():
        return None
    left, top = np.maximum(np.floor(there.min(axis=0)).astype(int) - 1, 0).tolist()
    right, bottom = np.ceil(there.max(axis=0)).astype(int) + 1
    right, bottom = min(int(right), grid.width), min(int(bottom), grid.height)
    return Rectangle(top, left, bottom - top, right - left) if right > left and bottom > top else None
