"""Imagery as blocks at the model's resolution, from a folder of chips or from one georeferenced image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Protocol, get_args

import numpy as np
import shapely

from fair_models.data.chips import find
from fair_models.data.grid import Grid, decimation
from fair_models.data.resampling import Resampling, resample
from fair_models.errors import Invalid, InvalidImagery, NotFound
from fair_models.inference.areas import Area, Clip, clip, nothing_common
from fair_models.inference.grids import NativeBlock, blocks
from fair_models.inference.images import ImageReader
from fair_models.inference.pixels import ChipReader, PixelReader, Pixels, mosaic, overview
from fair_models.inference.remote import RemoteImage
from fair_models.inference.windows import Rectangle
from fair_models.settings import current
from fair_models.types import Array, Json

MARGIN_PX = 64
"""Pixels of the model around an area that are read, so that what lies at its edge is seen whole."""


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
    clip: The area that counts, on the block's pixels. None where all of it does.
    """

    native: NativeBlock
    factor: Fraction
    resampling: str
    reader: PixelReader
    clip: Clip | None = None

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
            imagery that counts, bool, shape (height, width): around the area there are pixels to be seen.
        """
        stored = self._stored(area, self._halo)
        pixels, valid = mosaic(self.reader, self.native, stored)
        pixels, valid = resample(pixels, valid, self.factor, self.resampling)
        rows, columns = area.seen_from(
            round(stored.row / self.factor), round(stored.column / self.factor)
        ).slices
        valid = valid[rows, columns]
        return pixels[:, rows, columns], valid if self.clip is None else valid & self.clip.inside(area)

    def has_imagery(self, area: Rectangle) -> bool:
        """Whether any chip lies there, and anything there counts."""
        if self.clip is not None and not self.clip.touches(area):
            return False
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

        An image counts as one chip up to twice the size of a cell. Where only an area counts, these are what
        has its middle there.
        """
        found = self._all_sources(cell_px)
        if self.clip is None:
            return found
        middles = [(area.column + area.width / 2, area.row + area.height / 2) for area in found.values()]
        counts = self.clip.has(np.array(middles))
        return {name: area for (name, area), there in zip(found.items(), counts, strict=True) if there}

    def _all_sources(self, cell_px: int) -> dict[str, Rectangle]:
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
        name: What to call it: the name of the folder, file or service.
        blocks: Its blocks, in a fixed order.
        close: What closes all that is open.
        area: The area that counts, if not all of it does.
        facts: What the prediction's item says of it; asked in the end.
    """

    def __init__(
        self,
        name: str,
        blocks: Sequence[Block],
        close: Callable[[], None],
        area: Area | None = None,
        facts: Callable[[], Json] = dict,
    ) -> None:
        self.name = name
        self.blocks = tuple(blocks)
        self.area = area
        self._close, self._facts = close, facts

    def __enter__(self) -> Imagery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def facts(self) -> Json:
        """What the prediction's item says of it, once everything was read: area, zoom, tiles, attribution.

        Raises:
            Unavailable: So much of it could not be read that the result would be full of holes.
        """
        return ({} if self.area is None else {"fair:area": self.area.text}) | self._facts()

    @property
    def image_count(self) -> int:
        """How many chips or images there are."""
        return sum(len(block.native.chips) for block in self.blocks)


def open_imagery(path: Path, model: ModelInput, area: Area | None = None) -> Imagery:
    """Find the chips of a folder, or open one image, and put them together at the model's resolution.

    Chips that lie on one pixel grid and touch become one block; chips of another zoom, resolution or
    reference system become blocks of their own.

    Args:
        path: A folder of chips, or a GeoTIFF, VRT or other raster with a place (its own, or a tile name's).
        model: Bands, ground sample distance and resampling.
        area: What counts of it. Default: all.

    Raises:
        NotFound: There is nothing at `path`.
        InvalidImagery: Chips that cannot be read or placed; all of them are named.
        Invalid: The imagery is too coarse for the model, its resampling is not known, or imagery and area
            have no ground in common.
    """
    if not path.exists():
        raise NotFound(f"There is no imagery at {path}. Name a folder of chips or a georeferenced image")
    check_resampling(model)
    if not path.is_dir():
        return image_of(path, model, area)
    chips, reader = find(path), ChipReader()
    check_bands(str(path), reader.bands, model)
    return Imagery(path.name or str(path), put_together(str(path), blocks(chips), reader, model, area), reader.close, area)


def image_of(image: Path | RemoteImage, model: ModelInput, area: Area | None = None) -> Imagery:
    """One image as imagery. See `open_imagery`."""
    reader = ImageReader(image, model.bands)
    try:
        found = put_together(str(image), blocks([reader.chip]), reader, model, area)
    except BaseException:
        reader.close()
        raise
    name = image.name if isinstance(image, Path) else image.path.name
    return Imagery(name, found, reader.close, area)


def put_together(
    name: str, native: Sequence[NativeBlock], reader: PixelReader, model: ModelInput, area: Area | None
) -> list[Block]:
    """Blocks at the model's resolution, and of each only what lies in the area and a margin around it.

    Raises:
        Invalid: The imagery is too coarse, or has nothing in common with the area.
        InvalidImagery: There are more pixels than the settings allow.
    """
    found = []
    for one in native:
        factor = decimation(one.grid.gsd_m, model.gsd_m)
        part = one if area is None else _around(one, factor, area)
        if part is not None:
            block = Block(part, factor, model.resampling, reader)
            found.append(block if area is None else replace(block, clip=clip(area, block.grid)))
    if area is not None and not found:
        outlines = shapely.union_all([one.grid.footprint for one in native])
        west, south, east, north = map(float, outlines.bounds)
        raise nothing_common(f"Imagery {name}", (west, south, east, north), area)
    _check_size(name, [block.native for block in found])
    return found


def check_resampling(model: ModelInput) -> None:
    """Refuse a model whose resampling is not known."""
    if model.resampling not in get_args(Resampling):
        raise Invalid(
            f"The model's resampling {model.resampling!r} is not one of {', '.join(get_args(Resampling))}"
        )


def check_bands(name: str, bands: int, model: ModelInput) -> None:
    """Refuse a model that takes other bands than there are."""
    if model.bands != bands:
        raise InvalidImagery(
            name, [f"it is read with {bands} bands and the model takes {model.bands}; choose other imagery"]
        )


def _around(native: NativeBlock, factor: Fraction, area: Area) -> NativeBlock | None:
    """The rectangle of a block that holds an area and a margin, on the same pixels of the model."""
    found = clip(area, native.grid)
    if found is None:
        return None
    step, (left, top, right, bottom) = max(1, int(factor)), found.outline.bounds
    margin = math.ceil(MARGIN_PX * factor / step)
    column, row = (max(0, (math.floor(at / step) - margin) * step) for at in (left, top))
    width = min(native.grid.width, (math.ceil(right / step) + margin) * step) - column
    height = min(native.grid.height, (math.ceil(bottom / step) + margin) * step) - row
    return native.part(Rectangle(row, column, height, width))


def _check_size(name: str, native: Sequence[NativeBlock]) -> None:
    most, pixels = current().most_imagery_pixels, sum(one.pixels for one in native)
    if pixels > most:
        raise InvalidImagery(
            name,
            [
                f"there are {pixels:,} pixels to read, at most {most:,} are (FAIR_MOST_IMAGERY_PIXELS); "
                "give a smaller area"
            ],
        )
