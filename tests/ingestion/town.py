"""A settlement as a folder of chips, and as the imagery that its chips are pieces of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.merge import merge
from rasterio.transform import Affine

from fair_models.data.images import chips, tiles
from fair_models.data.images.chips import Chip
from fair_models.data.synthetic import make_settlement
from fair_models.types import Array

ZOOM, COLUMNS, ROWS = 19, 4, 3


@dataclass(frozen=True)
class Town:
    """A settlement of 4 x 3 chips of 256 px.

    folder: Its chips and labels, in the layout of fAIr.
    picture: All chips side by side, uint8, shape (3, 768, 1024).
    corner: The tile in the north-west.
    """

    folder: Path
    picture: Array
    corner: tiles.Tile

    @property
    def labels(self) -> str:
        return str(self.folder / "input" / "labels.geojson")

    @property
    def chips(self) -> list[Chip]:
        return chips.find(self.folder / "input")

    def area(self, inset: float = 0.25) -> str:
        """The box of the settlement, smaller by parts of a tile on each side."""
        x, y = self.corner.x, self.corner.y
        (west, east), (north, south) = tiles.lonlat(
            np.array([x + inset, x + COLUMNS - inset]), np.array([y + inset, y + ROWS - inset]), ZOOM
        )
        return f"{west},{south},{east},{north}"

    def in_web_mercator(self, path: Path) -> Path:
        """The picture as a COG on the pixels of the tiles."""
        profile = {
            "driver": "COG",
            "count": 3,
            "dtype": "uint8",
            "height": self.picture.shape[1],
            "width": self.picture.shape[2],
            "crs": "EPSG:3857",
            "transform": Affine(*self.corner.transform(256, 256)),
            "compress": "deflate",
        }
        with rasterio.open(path, "w", **profile) as image:
            image.write(self.picture)
        return path

    def in_degrees(self, path: Path) -> Path:
        """The chips merged as they lie, as gdal_merge and rasterio merge them: in degrees, uncompressed."""
        paths = [chip.path for chip in self.chips]
        pixels, transform = merge(paths)
        profile = {
            "driver": "GTiff",
            "count": 3,
            "dtype": "uint8",
            "height": pixels.shape[1],
            "width": pixels.shape[2],
            "crs": "EPSG:4326",
            "transform": transform,
        }
        with rasterio.open(path, "w", **profile) as image:
            image.write(pixels)
        return path


def make_town(folder: Path) -> Town:
    """Write the settlement."""
    make_settlement(folder, seed=11, columns=COLUMNS, rows=ROWS, zoom=ZOOM, prediction_columns=0)
    found = {chip.tile: chips.read(chip) for chip in chips.find(folder / "input") if chip.tile}
    corner = min(found)
    rows = [
        np.concatenate(
            [found[tiles.Tile(corner.x + column, corner.y + row, ZOOM)] for column in range(COLUMNS)], axis=2
        )
        for row in range(ROWS)
    ]
    return Town(folder, np.concatenate(rows, axis=1), corner)
