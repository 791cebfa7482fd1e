"""One picture in every layout of bands that people keep imagery in, written by the test."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.transform import from_bounds

from fair_models.data.images.tiles import Tile

TILE = Tile(386690, 220241, 19)
SIZE = 64

Layout = Callable[[Path], Path]


def picture(size: int = SIZE) -> np.ndarray:
    """Four quarters of one colour each, shape (size, size, 3), far from white and black."""
    half = size // 2
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[:half, :half], pixels[:half, half:] = (200, 60, 30), (40, 180, 90)
    pixels[half:, :half], pixels[half:, half:] = (70, 50, 210), (120, 130, 60)
    return pixels


def geotiff(path: Path, bands: np.ndarray, *meanings: ColorInterp, **options: object) -> Path:
    """A GeoTIFF on the tile with bands of shape (bands, height, width) that mean what is said."""
    count, height, width = bands.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": bands.dtype}
    transform = from_bounds(*TILE.bounds_mercator(), width, height)
    with rasterio.open(path, "w", **profile, crs="EPSG:3857", transform=transform, **options) as file:
        file.write(bands)
        if meanings:
            file.colorinterp = meanings
    return path


def interpreted(*names: str) -> Layout:
    """A GeoTIFF whose bands have these meanings, in this order. nir is dark, alpha opaque."""
    rgb = np.moveaxis(picture(), -1, 0)
    others = {"nir": np.full_like(rgb[0], 20), "alpha": np.full_like(rgb[0], 255)}
    by_name = dict(zip(("red", "green", "blue"), rgb, strict=True)) | others
    bands = np.stack([by_name[name] for name in names])
    return lambda folder: geotiff(
        folder / f"{TILE.name}.tif", bands, *(ColorInterp[name] for name in names), photometric="minisblack"
    )


def nir_as_alpha(folder: Path) -> Path:
    """As many NAIP files are: near infrared with grey values, flagged alpha."""
    ramp = (np.arange(SIZE * SIZE).reshape(SIZE, SIZE) % 160).astype(np.uint8)
    bands = np.concatenate([np.moveaxis(picture(), -1, 0), ramp[None]])
    meanings = ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha
    return geotiff(folder / f"{TILE.name}.tif", bands, *meanings)


def undefined(count: int) -> Layout:
    """Bands that say nothing of what they are."""
    rgb = np.moveaxis(picture(), -1, 0)
    bands = np.concatenate([rgb, rgb])[:count]
    return lambda folder: geotiff(folder / f"{TILE.name}.tif", bands, photometric="minisblack")


def pillow(mode: str, ending: str, **options: object) -> Layout:
    """A file without a place, written by Pillow in one of its modes."""

    def write(folder: Path) -> Path:
        path = folder / f"{TILE.name}.{ending}"
        path.write_bytes(encoded(mode, ending, **options))
        return path

    return write


def encoded(mode: str, ending: str, **options: object) -> bytes:
    """The picture as a file of Pillow's."""
    image = Image.fromarray(picture())
    if mode == "P":
        image = image.convert("P", palette=Image.Palette.ADAPTIVE)
    elif mode != "RGB":
        image = image.convert(mode)
    return to_bytes(image, ending, **options)


def to_bytes(image: Image.Image, ending: str, **options: object) -> bytes:
    """A Pillow image in a format, at its best quality."""
    kinds = {
        "jpg": ("JPEG", {"quality": 100, "subsampling": 0}),
        "png": ("PNG", {}),
        "webp": ("WEBP", {"lossless": True}),
    }
    kind, best = kinds[ending]
    if image.mode == "CMYK":
        best = {"quality": 100}
    buffer = BytesIO()
    image.save(buffer, kind, **best, **options)
    return buffer.getvalue()


def turned(orientation: int, ending: str = "jpg") -> Layout:
    """The picture as a camera keeps it that was held otherwise; its EXIF says so."""

    def write(folder: Path) -> Path:
        path = folder / f"{TILE.name}.{ending}"
        path.write_bytes(turned_bytes(orientation, ending))
        return path

    return write


def turned_bytes(orientation: int, ending: str = "jpg", image: Image.Image | None = None) -> bytes:
    """The stored pixels from which turning by the orientation gives the picture (or another one)."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    image = image or Image.fromarray(picture())
    exif = Image.Exif()
    exif[0x0112] = orientation
    return to_bytes(image if undo is None else image.transpose(undo), ending, exif=exif.tobytes())
