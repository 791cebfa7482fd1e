"""Stored pixels of blocks: parts of chips put together, and which of them are imagery at all."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Protocol

import numpy as np

from fair_models.data import chips
from fair_models.data.chips import Chip
from fair_models.inference.grids import NativeBlock
from fair_models.inference.windows import Rectangle
from fair_models.types import Array

CACHE_BYTES = 256 * 2**20
"""Decoded chips that are kept: neighbouring windows need them again."""

Pixels = tuple[Array, Array]
"""uint8, shape (bands, height, width); and which of them are imagery, bool, shape (height, width)."""


class PixelReader(Protocol):
    """Reads what chips and images hold."""

    @property
    def bands(self) -> int:
        """How many bands come out."""

    def part(self, chip: Chip, area: Rectangle) -> Pixels:
        """A rectangle of a chip, in its own pixels."""

    def smaller(self, chip: Chip, height: int, width: int) -> Pixels:
        """A whole chip at another size, for pictures."""

    def close(self) -> None:
        """Let go of files and memory."""


class ChipReader:
    """Decodes chips whole and keeps the last ones."""

    bands = chips.BANDS

    def __init__(self, cache_bytes: int = CACHE_BYTES) -> None:
        self._limit = cache_bytes
        self._kept: OrderedDict[Path, Pixels] = OrderedDict()
        self._bytes = 0

    def part(self, chip: Chip, area: Rectangle) -> Pixels:
        """A rectangle of a chip, in its own pixels."""
        pixels, valid = self._whole(chip)
        rows, columns = area.slices
        return pixels[:, rows, columns], valid[rows, columns]

    def smaller(self, chip: Chip, height: int, width: int) -> Pixels:
        """A whole chip at another size, area averaged."""
        from PIL import Image

        pixels, valid = self._whole(chip)
        layers = np.concatenate([pixels, valid[None].astype(np.uint8) * 255])
        box = Image.Resampling.BOX
        resized = np.stack(
            [np.asarray(Image.fromarray(layer).resize((width, height), box)) for layer in layers]
        )
        return resized[:-1], resized[-1] > 127

    def close(self) -> None:
        """Forget what was decoded."""
        self._kept.clear()
        self._bytes = 0

    def _whole(self, chip: Chip) -> Pixels:
        if chip.path in self._kept:
            self._kept.move_to_end(chip.path)
            return self._kept[chip.path]
        found = chips.read_with_mask(chip)
        self._kept[chip.path] = found
        self._bytes += sum(part.nbytes for part in found)
        while self._bytes > self._limit and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._bytes -= sum(part.nbytes for part in old)
        return found


def mosaic(reader: PixelReader, block: NativeBlock, area: Rectangle) -> Pixels:
    """Pixels of a rectangle of a block; black where it has no imagery. Where chips overlap the first wins."""
    pixels = np.zeros((reader.bands, area.height, area.width), np.uint8)
    valid = np.zeros((area.height, area.width), bool)
    for placed in reversed(block.chips_in(area)):
        shared = _shared(area, placed.area)
        values, inside = reader.part(placed.chip, shared.seen_from(placed.row, placed.column))
        _paint(pixels, valid, shared.seen_from(area.row, area.column), values, inside)
    return pixels, valid


def overview(reader: PixelReader, block: NativeBlock, longest_px: int) -> Pixels:
    """A whole block, made smaller so that neither side is longer than `longest_px`."""
    scale = max(1.0, max(block.grid.height, block.grid.width) / longest_px)
    height, width = max(1, round(block.grid.height / scale)), max(1, round(block.grid.width / scale))
    pixels, valid = np.zeros((reader.bands, height, width), np.uint8), np.zeros((height, width), bool)
    for placed in reversed(block.chips):
        area = placed.area
        top, left = round(area.row / scale), round(area.column / scale)
        bottom = min(height, round((area.row + area.height) / scale))
        right = min(width, round((area.column + area.width) / scale))
        if bottom > top and right > left:
            values, inside = reader.smaller(placed.chip, bottom - top, right - left)
            _paint(pixels, valid, Rectangle(top, left, bottom - top, right - left), values, inside)
    return pixels, valid


def _paint(pixels: Array, valid: Array, area: Rectangle, values: Array, inside: Array) -> None:
    rows, columns = area.slices
    pixels[:, rows, columns] = np.where(inside, values, pixels[:, rows, columns])
    valid[rows, columns] |= inside


def _shared(one: Rectangle, other: Rectangle) -> Rectangle:
    top, left = max(one.row, other.row), max(one.column, other.column)
    bottom = min(one.row + one.height, other.row + other.height)
    right = min(one.column + one.width, other.column + other.width)
    return Rectangle(top, left, bottom - top, right - left)
