"""Where chips lie: the tiles of the web map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import shapely

from fair_models.data.images import chip_files, chip_places
from fair_models.data.images.acquisition import Period
from fair_models.data.images.grid import Grid
from fair_models.data.images.tiles import Tile
from fair_models.types import Array

_BLOCK_BITS = 4
"""A block has up to 16 x 16 chips."""


class Cell(Protocol):
    """The place of one chip."""

    @property
    def name(self) -> str:
        """Name of the chip, without the ending; unique in its cut."""

    @property
    def outline(self) -> shapely.Polygon:
        """The place in longitude and latitude; over the antimeridian it goes on beyond 180°."""

    @property
    def block(self) -> tuple[int, int]:
        """Row and column of the block that it belongs to."""

    def grid(self, size_px: int) -> Grid:
        """The pixels that imagery is read on."""

    def encoded(self, pixels: Array, valid: Array, taken: Period | None = None) -> bytes:
        """The chip as a file: uint8, shape (3, height, width); which pixels are imagery; its time."""


@dataclass(frozen=True)
class WebCell:
    """A tile of the web map."""

    tile: Tile

    @property
    def name(self) -> str:
        """As fAIr names chips."""
        return self.tile.name

    @property
    def outline(self) -> shapely.Polygon:
        """The tile in longitude and latitude."""
        return self.tile.outline

    @property
    def block(self) -> tuple[int, int]:
        """The tile four zooms above it."""
        return self.tile.y >> _BLOCK_BITS, self.tile.x >> _BLOCK_BITS

    def grid(self, size_px: int) -> Grid:
        """Pixels in Web Mercator, which tiles of services have."""
        return chip_places.on_tile(self.tile, size_px, size_px)

    def encoded(self, pixels: Array, valid: Array, taken: Period | None = None) -> bytes:
        """A GeoTIFF in degrees."""
        return chip_files.encoded(self.tile, np.moveaxis(pixels, 0, -1), valid, taken=taken)


def in_blocks(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells by the block that they belong to, blocks row by row; cells of a block keep their order."""
    found: dict[tuple[int, int], list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.block, []).append(cell)
    return [found[block] for block in sorted(found)]
