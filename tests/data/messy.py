"""Chips and labels in the forms that people keep them in."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import rasterio
from affine import Affine
from PIL import Image
from rasterio.warp import calculate_default_transform, reproject

from fair_models.data.images import chips, tiles

TILE = tiles.Tile(386690, 220241, 19)


def picture(height: int = 256, width: int = 256) -> np.ndarray:
    """Smooth colours, shape (height, width, 3)."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)


def write_geotiff(
    path: Path, pixels: np.ndarray, crs: str | None, transform: Affine | None, **more: object
) -> Path:
    """A GeoTIFF of pixels with shape (height, width, bands)."""
    height, width, count = pixels.shape
    profile = {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": count,
        "dtype": pixels.dtype,
        **more,
    }
    if crs:
        profile |= {"crs": crs, "transform": transform}
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.moveaxis(pixels, -1, 0))
    return path


def lonlat_transform(tile: tiles.Tile, size_px: int) -> Affine:
    (west, east), (north, south) = tiles.lonlat(
        np.array([tile.x, tile.x + 1]), np.array([tile.y, tile.y + 1]), tile.z
    )
    return Affine((east - west) / size_px, 0, west, 0, (south - north) / size_px, north)


def jpeg_named_tif(folder: Path, tile: tiles.Tile = TILE) -> Path:
    """512 px, JPEG inside, its place only in the `.aux.xml` beside it."""
    path = folder / f"{tile.name}.tif"
    Image.fromarray(picture(512, 512)).save(path, "JPEG")
    numbers = ", ".join(f"{value:.16e}" for value in lonlat_transform(tile, 512).to_gdal())
    path.with_name(f"{path.name}.aux.xml").write_text(
        f"<PAMDataset><SRS>EPSG:4326</SRS><GeoTransform>{numbers}</GeoTransform></PAMDataset>"
    )
    return path


def png_without_place(folder: Path, tile: tiles.Tile = TILE) -> Path:
    """256 px, only its name tells the place."""
    path = folder / f"{tile.name}.png"
    Image.fromarray(picture()).save(path, "PNG")
    return path


def jpeg_named_png(folder: Path, tile: tiles.Tile = TILE) -> Path:
    path = folder / f"{tile.name}.png"
    Image.fromarray(picture()).save(path, "JPEG")
    return path


def rgba(folder: Path, tile: tiles.Tile = TILE) -> Path:
    """A PNG whose left quarter is transparent."""
    alpha = np.full((256, 256, 1), 255, dtype=np.uint8)
    alpha[:, :64] = 0
    path = folder / f"{tile.name}.png"
    Image.fromarray(np.concatenate([picture(), alpha], axis=-1)).save(path, "PNG")
    return path


def in_utm(folder: Path, tile: tiles.Tile = TILE) -> Path:
    """A GeoTIFF in EPSG:32645."""
    left, bottom, right, top = tile.bounds_mercator()
    transform, width, height = calculate_default_transform(
        "EPSG:3857", "EPSG:32645", 256, 256, left=left, bottom=bottom, right=right, top=top
    )
    source = np.moveaxis(picture(), -1, 0)
    warped = np.zeros((3, height, width), dtype=np.uint8)
    reproject(
        source,
        warped,
        src_transform=Affine(*tile.transform(256, 256)),
        src_crs="EPSG:3857",
        dst_transform=transform,
        dst_crs="EPSG:32645",
    )
    return write_geotiff(folder / "hilltop.tif", np.moveaxis(warped, 0, -1), "EPSG:32645", transform)


def square(west: float, south: float, size: float, **properties: object) -> dict[str, object]:
    """A feature: a square of so many degrees."""
    ring = [
        [west, south],
        [west + size, south],
        [west + size, south + size],
        [west, south + size],
        [west, south],
    ]
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def write_features(path: Path, features: list[object], **more: object) -> Path:
    path.write_bytes(orjson.dumps({"type": "FeatureCollection", "features": features, **more}))
    return path


def placed(x: int, y: int, z: int = 19, name: str | None = None) -> chips.Chip:
    """A chip of a tile, without a file."""
    tile = tiles.Tile(x, y, z)
    transform = tile.transform(256, 256)
    gsd_m = chips.Grid("EPSG:3857", transform, 256, 256).gsd_m
    return chips.Chip(Path("nowhere"), name or tile.name, "EPSG:3857", transform, 256, 256, 3, gsd_m, tile)


FORMS: dict[str, Callable[[Path], Path]] = {
    "a 512 px JPEG named .tif with .aux.xml": jpeg_named_tif,
    "a 256 px PNG without georeference": png_without_place,
    "a JPEG named .png": jpeg_named_png,
    "RGBA": rgba,
    "another reference system": in_utm,
}
