"""Imagery as blocks at the model's resolution, from a folder of chips or from one georeferenced image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Protocol, get_args

from fair_models.data.chips import find
from fair_models.data.grid import Grid, decimation
from fair_models.data.resampling import Resampling, resample
from fair_models.errors import Invalid, InvalidImagery, NotFound
from fair_models.inference.grids import NativeBlock, blocks
from fair_models.inference.images import ImageReader
from fair_models.inference.pixels import ChipReader, PixelReader, Pixels, mosaic, overview
from fair_models.inference.windows import Rectangle
from fair_models.types import Array


class ModelInput(Protocol):
    """What the network takes, as the item's `mlm:input` says it. `catalog.model_input.InputFacts` is one."""

    @property
    def bands(self) -> int:
        """Number of bands."""

    @property
    def size_px(self) -> int:
        """Height and width of a training sample, in pixels."""

    @property
    def gsd_m(self) -> float:
        """Ground sample distance that the model works at, in metres."""

    @property
    def resampling(self) -> str:
        """How imagery is brought to that distance: average, bilinear or nearest."""


@dataclass(frozen=True)
class Block:
    """Imagery that hangs together on one pixel grid, at the model's resolution.

    native: The chips, on the pixels as they are stored.
    factor: Stored pixels per pixel of the model, along each axis.
    resampling: How stored pixels become the model's.
    reader: Where the pixels come from.
    """

    native: NativeBlock
    factor: Fraction
    resampling: str
    reader: PixelReader

    @property
    def name(self) -> str:
        """The name of its first chip."""
        return self.native.chips[0].chip.name

    @cached_property
    def grid(self) -> Grid:
        """Where its pixels lie. The last row and column may reach over the imagery."""
        return self.native.grid.decimated(self.factor)

    def read(self, area: Rectangle) -> Pixels:
        """Pixels of a rectangle of the block, resampled just as in training.

        Returns:
            uint8, shape (bands, height, width), black where there is no imagery; and which of them are
            imagery, bool, shape (height, width).
        """
        stored = self._stored(area, self._halo)
        pixels, valid = mosaic(self.reader, self.native, stored)
        pixels, valid = resample(pixels, valid, self.factor, self.resampling)
        rows, columns = area.seen_from(
            round(stored.row / self.factor), round(stored.column / self.factor)
        ).slices
        return pixels[:, rows, columns], valid[rows, columns]

    def has_imagery(self, area: Rectangle) -> bool:
        """Whether any chip lies there."""
        return bool(self.native.chips_in(self._stored(area)))

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
        return self.native.names_at(points * float(self.factor))

    def sources(self, cell_px: int) -> dict[str, Rectangle]:
        """What is judged as a whole, by name: each chip, or cells of `cell_px` of an image that stands alone.

        An image counts as one chip up to twice the size of a cell.
        """
        if len(self.native.chips) > 1 or max(self.grid.height, self.grid.width) <= 2 * cell_px:
            return {placed.chip.name: self._scaled(placed.area) for placed in self.native.chips}
        return {
            f"{self.name}-r{row // cell_px}-c{column // cell_px}": Rectangle(
                row, column, min(cell_px, self.grid.height - row), min(cell_px, self.grid.width - column)
            )
            for row in range(0, self.grid.height, cell_px)
            for column in range(0, self.grid.width, cell_px)
        }

    @property
    def _halo(self) -> int:
        """Pixels around an area that its resampling looks at too: the larger ones of both resolutions."""
        return 0 if self.factor == 1 or (self.factor > 1 and self.resampling == "average") else 1

    def _stored(self, area: Rectangle, halo: int = 0) -> Rectangle:
        """An area in stored pixels, rounded outwards to pixels of both resolutions."""
        step = max(1, int(self.factor))
        top, left = (
            max(0, (math.floor(at * self.factor / step) - halo) * step) for at in (area.row, area.column)
        )
        ends = area.row + area.height, area.column + area.width
        bottom, right = ((math.ceil(end * self.factor / step) + halo) * step for end in ends)
        bottom, right = min(bottom, self.native.grid.height), min(right, self.native.grid.width)
        return Rectangle(top, left, bottom - top, right - left)

    def _scaled(self, stored: Rectangle) -> Rectangle:
        """A rectangle of stored pixels at the model's resolution, at least one pixel."""
        top, left = round(stored.row / self.factor), round(stored.column / self.factor)
        bottom = round((stored.row + stored.height) / self.factor)
        right = round((stored.column + stored.width) / self.factor)
        return Rectangle(top, left, max(1, bottom - top), max(1, right - left))


class Imagery:
    """Imagery that is open. Use it in a `with` block.

    Args:
        name: What to call it: the name of the folder or file.
        blocks: Its blocks, in a fixed order.
        reader: Where their pixels come from.
    """

    def __init__(self, name: str, blocks: Sequence[Block], reader: PixelReader) -> None:
        self.name = name
        self.blocks = tuple(blocks)
        self._reader = reader

    def __enter__(self) -> Imagery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

    @property
    def image_count(self) -> int:
        """How many chips or images there are."""
        return sum(len(block.native.chips) for block in self.blocks)


def open_imagery(path: Path, model: ModelInput) -> Imagery:
    """Find the chips of a folder, or open one image, and put them together at the model's resolution.

    Chips that lie on one pixel grid and touch become one block; chips of another zoom, resolution or
    reference system become blocks of their own.

    Args:
        path: A folder of chips, or a GeoTIFF, VRT or other raster with a place (its own, or a tile name's).
        model: Bands, ground sample distance and resampling.

    Raises:
        NotFound: There is nothing at `path`.
        InvalidImagery: Chips that cannot be read or placed; all of them are named.
        Invalid: The imagery is too coarse for the model, or its resampling is not known.
    """
    if not path.exists():
        raise NotFound(f"There is no imagery at {path}. Name a folder of chips or a georeferenced image")
    if model.resampling not in get_args(Resampling):
        raise Invalid(
            f"The model's resampling {model.resampling!r} is not one of {', '.join(get_args(Resampling))}"
        )
    if path.is_dir():
        chips, reader = find(path), ChipReader()
        if model.bands != reader.bands:
            raise InvalidImagery(
                str(path), [f"chips are read with {reader.bands} bands and the model takes {model.bands}"]
            )
        return _imagery(path, blocks(chips), reader, model)
    image = ImageReader(path, model.bands)
    return _imagery(path, blocks([image.chip]), image, model)


def _imagery(path: Path, native: Sequence[NativeBlock], reader: PixelReader, model: ModelInput) -> Imagery:
    return Imagery(
        path.name or str(path),
        [Block(one, decimation(one.grid.gsd_m, model.gsd_m), model.resampling, reader) for one in native],
        reader,
    )
