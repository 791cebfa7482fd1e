"""Stored pixels of blocks: parts of chips put together, and which of them are imagery at all."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np

from fair_models.data.images import chips
from fair_models.data.images.chips import Chip, Decoded
from fair_models.inference.imagery.grids import NativeBlock
from fair_models.inference.windows import Rectangle
from fair_models.types import Array

CACHE_BYTES = 128 * 2**20
"""Decoded chips that are kept: neighbouring windows need them again."""

Pixels = tuple[Array, Array]
"""uint8, shape (bands, height, width); and which of them are imagery, bool, shape (height, width)."""


@dataclass(frozen=True)
class Remarks:
    """What people should know of how an image was read.

    fill_px: How many of its pixels are fill and no imagery.
    has_grey_alpha: Whether a band is flagged as transparency whose values say that it is none.
    """

    fill_px: int = 0
    has_grey_alpha: bool = False


class PixelReader(Protocol):
    """Reads what chips and images hold. Several threads read at the same time."""

    @property
    def bands(self) -> int:
        """How many bands come out."""

    def part(self, chip: Chip, area: Rectangle) -> Pixels:
        """A rectangle of a chip, in its own pixels."""

    def smaller(self, chip: Chip, height: int, width: int, area: Rectangle | None = None) -> Pixels:
        """A whole chip, or a rectangle of it, at another size, for pictures."""

    def remarks(self, chip: Chip) -> Remarks:
        """What is to be said of a chip; it is decoded for that where it was not yet."""

    def close(self) -> None:
        """Let go of files and memory."""


class ChipReader:
    """Decodes chips whole and keeps the last ones.

    Args:
        cache_bytes: How much is kept.
        decode: What decodes a chip; its file is read by default.
    """

    bands = chips.BANDS

    def __init__(
        self, cache_bytes: int = CACHE_BYTES, decode: Callable[[Chip], Decoded] = chips.decode
    ) -> None:
        self._limit = cache_bytes
        self._decode = decode
        self._kept: OrderedDict[Path, Future[Pixels]] = OrderedDict()
        self._bytes = 0
        self._remarks: dict[Path, Remarks] = {}
        self._lock = Lock()

    def part(self, chip: Chip, area: Rectangle) -> Pixels:
        """A rectangle of a chip, in its own pixels."""
        pixels, valid = self._whole(chip)
        rows, columns = area.slices
        return pixels[:, rows, columns], valid[rows, columns]

    def smaller(self, chip: Chip, height: int, width: int, area: Rectangle | None = None) -> Pixels:
        """A whole chip, or a rectangle of it, at another size, area averaged."""
        from PIL import Image

        pixels, valid = self.part(chip, area or Rectangle(0, 0, chip.height, chip.width))
        layers = np.concatenate([pixels, valid[None].astype(np.uint8) * 255])
        box = Image.Resampling.BOX
        resized = np.stack(
            [np.asarray(Image.fromarray(layer).resize((width, height), box)) for layer in layers]
        )
        return resized[:-1], resized[-1] > 127

    def remarks(self, chip: Chip) -> Remarks:
        """What is to be said of a chip; it is decoded for that where it was not yet."""
        if chip.path not in self._remarks:
            self._whole(chip)
        return self._remarks[chip.path]

    def close(self) -> None:
        """Forget what was decoded."""
        self._kept.clear()
        self._bytes = 0

    def _whole(self, chip: Chip) -> Pixels:
        """A decoded chip. Of several threads that ask for it one decodes, and the others wait for it."""
        with self._lock:
            kept = self._kept.get(chip.path)
            found = self._kept.setdefault(chip.path, Future())
            self._kept.move_to_end(chip.path)
        if kept is not None:
            return kept.result()
        try:
            decoded = self._decode(chip)
            self._remarks[chip.path] = Remarks(decoded.fill_px, decoded.has_grey_alpha)
            found.set_result((decoded.pixels, decoded.valid))
        except BaseException as error:
            found.set_exception(error)
            with self._lock:
                del self._kept[chip.path]
            raise
        with self._lock:
            self._bytes += _size(found)
            self._let_go()
        return found.result()

    def _let_go(self) -> None:
        """Forget the chips that were not asked for the longest."""
        if self._bytes <= self._limit:
            return
        done = [path for path, found in self._kept.items() if found.done()]
        for path in done[:-1]:
            if self._bytes <= self._limit:
                return
            self._bytes -= _size(self._kept.pop(path))


def _size(found: Future[Pixels]) -> int:
    return sum(part.nbytes for part in found.result())


def mosaic(reader: PixelReader, block: NativeBlock, area: Rectangle) -> Pixels:
    """Pixels of a rectangle of a block; black where it has no imagery. Where chips overlap the first wins."""
    pixels = np.zeros((reader.bands, area.height, area.width), np.uint8)
    valid = np.zeros((area.height, area.width), bool)
    for placed in reversed(block.chips_in(area)):
        common = shared(area, placed.area)
        values, inside = reader.part(placed.chip, common.seen_from(placed.row, placed.column))
        _paint(pixels, valid, common.seen_from(area.row, area.column), values, inside)
    return pixels, valid


def overview(reader: PixelReader, block: NativeBlock, longest_px: int) -> Pixels:
    """A whole block, made smaller so that neither side is longer than `longest_px`."""
    scale = max(1.0, max(block.grid.height, block.grid.width) / longest_px)
    height, width = max(1, round(block.grid.height / scale)), max(1, round(block.grid.width / scale))
    pixels, valid = np.zeros((reader.bands, height, width), np.uint8), np.zeros((height, width), bool)
    everything = Rectangle(0, 0, block.grid.height, block.grid.width)
    for placed in reversed(block.chips):
        area = shared(everything, placed.area)
        top, left = round(area.row / scale), round(area.column / scale)
        bottom = min(height, round((area.row + area.height) / scale))
        right = min(width, round((area.column + area.width) / scale))
        if bottom > top and right > left:
            seen = area.seen_from(placed.row, placed.column)
            values, inside = reader.smaller(placed.chip, bottom - top, right - left, seen)
            _paint(pixels, valid, Rectangle(top, left, bottom - top, right - left), values, inside)
    return pixels, valid


def _paint(pixels: Array, valid: Array, area: Rectangle, values: Array, inside: Array) -> None:
    rows, columns = area.slices
    np.copyto(pixels[:, rows, columns], values, where=True if inside.all() else inside)
    valid[rows, columns] |= inside


def shared(one: Rectangle, other: Rectangle) -> Rectangle:
    """The rectangle that two have in common."""
    top, left = max(one.row, other.row), max(one.column, other.column)
    bottom = min(one.row + one.height, other.row + other.height)
    right = min(one.column + one.width, other.column + other.width)
    return Rectangle(top, left, bottom - top, right - left)
