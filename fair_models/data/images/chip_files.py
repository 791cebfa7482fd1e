"""Chips as files: GeoTIFF in degrees, named by their tile as fAIr names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fair_models.data.images import acquisition, tiles
from fair_models.data.images.acquisition import Period
from fair_models.data.images.grid import LONLAT, Grid
from fair_models.types import Array

LOSSLESS: Mapping[str, object] = {"compress": "deflate", "predictor": 2, "interleave": "pixel"}
"""How pixels are coded that are to be the same ones when they are read."""

JPEG: Mapping[str, object] = {"compress": "jpeg", "photometric": "ycbcr", "jpeg_quality": 90}
"""How most chips of others are coded: a tenth of the bytes, and nearly the same pixels."""


def write(
    path: Path,
    tile: tiles.Tile,
    pixels: Array,
    valid: Array | None = None,
    coding: Mapping[str, object] = LOSSLESS,
) -> None:
    """Write a chip. See `encoded`.

    Args:
        path: The file; its folder is made if missing.
        tile: Where it lies.
        pixels: uint8, shape (height, width, 3).
        valid: Which are imagery.
        coding: How pixels are coded.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(tile, pixels, valid, coding))


def encoded(
    tile: tiles.Tile,
    pixels: Array,
    valid: Array | None = None,
    coding: Mapping[str, object] = LOSSLESS,
    taken: Period | None = None,
) -> bytes:
    """A GeoTIFF in degrees. Within one tile the steps of Web Mercator are even to 0.001 px at zoom 19.

    The same arguments give the same bytes.

    Args:
        tile: Where it lies.
        pixels: uint8, shape (height, width, 3).
        valid: Which are imagery, bool, shape (height, width): others become a mask in the file. Default: all.
        coding: How pixels are coded, `LOSSLESS` or `JPEG`.
        taken: When the imagery was taken.
    """
    from rasterio.transform import from_bounds

    height, width = pixels.shape[:2]
    (west, east), (north, south) = tiles.lonlat(
        np.array([tile.x, tile.x + 1]), np.array([tile.y, tile.y + 1]), tile.z
    )
    transform = tuple(from_bounds(west, south, east, north, width, height))[:6]
    return encoded_on(Grid(LONLAT, transform, height, width), pixels, valid, coding, taken)


def encoded_on(
    grid: Grid,
    pixels: Array,
    valid: Array | None = None,
    coding: Mapping[str, object] = LOSSLESS,
    taken: Period | None = None,
) -> bytes:
    """A GeoTIFF on a grid. See `encoded`.

    Args:
        grid: Its pixels and where they lie.
        pixels: uint8, shape (height, width, 3).
        valid: Which are imagery.
        coding: How pixels are coded.
        taken: When the imagery was taken.
    """
    import rasterio
    from rasterio.io import MemoryFile

    profile = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": 3,
        "dtype": "uint8",
        "crs": grid.crs,
        "transform": rasterio.Affine(*grid.transform),
        **coding,
    }
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as file:
        with file.open(**profile) as chip:
            if taken is not None:
                chip.update_tags(**acquisition.as_tags(taken))
            chip.write(np.moveaxis(pixels, -1, 0))
            if valid is not None and not valid.all():
                chip.write_mask(valid)
        return bytes(file.getbuffer())
