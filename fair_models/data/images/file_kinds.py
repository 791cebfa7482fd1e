"""What an image file is, by its first bytes. Names and endings do not count."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from fair_models.types import Array

MAX_PIXELS = 64_000_000
"""The largest chip that is decoded, in pixels."""

CHANGED = "it has changed since it was looked at; start again"
"""Why an image is not read that is no longer the one that was described."""

MAX_BANDS = 64
"""The most bands of an image that is opened."""

# Chips without a georeference are common and get their place from the tile name: no warning for each.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

GDAL_ERRORS = (RasterioError, CPLE_BaseError, ValueError)
"""What rasterio raises over a broken file: its own errors, GDAL's as they are, and text that is no UTF-8."""

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\x00", "GTiff"),
    (b"MM\x00*", "GTiff"),
    (b"II+\x00", "GTiff"),
    (b"MM\x00+", "GTiff"),
    (b"\x00\x00\x00\x0cjP  ", "JP2OpenJPEG"),
)
_IMAGE_ENDINGS = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp", ".jp2", ".gif", ".bmp"})
_BESIDE_IMAGES = frozenset({".ovr", ".msk"})
_LOSSY = frozenset({"JPEG", "WEBP", "JP2OpenJPEG", "jpeg", "webp"})
_PNG_END = b"IEND"
_MAX_ASIDE = 5_000_000

GDAL = {
    # TRUE asks for the files beside an image by name. EMPTY_DIR, a common tuning, would lose `.aux.xml`.
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GDAL_PAM_ENABLED": "YES",
    # No file that is read here may have GDAL ask the network.
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
}
"""How GDAL is set where images of others are opened."""


def format_of(path: Path) -> str | None:
    """GDAL's name of the image format that the first bytes tell, e.g. "JPEG"; None for what is no image."""
    with path.open("rb") as file:
        return format_of_start(file.read(16))


def format_of_start(start: bytes) -> str | None:
    """The same, of the first 16 bytes or more."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    return next((driver for signature, driver in _SIGNATURES if start.startswith(signature)), None)


def is_meant_as_image(path: Path) -> bool:
    """Whether a file in a folder of chips is one of them: by its content, or a broken one by its ending."""
    if path.name.startswith(".") or not path.is_file() or path.suffix.lower() in _BESIDE_IMAGES:
        return False
    try:
        return path.suffix.lower() in _IMAGE_ENDINGS or format_of(path) is not None
    except OSError:
        return True  # whoever opens it will say why that is not possible


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A rasterio dataset of an image, by the driver of its content and no other.

    Raises:
        OSError: The file cannot be read, is no image, is cut off, or has too many pixels; the message is a
            reason with its remedy, without the file's name.
    """
    driver = format_of(path)
    if driver is None:
        raise OSError("it is no image (GeoTIFF, JPEG, PNG, WebP or JPEG 2000); convert it or take it away")
    if driver == "PNG" and _PNG_END not in _tail(path):
        raise OSError("its end is missing; copy or download it again")
    check_aside(path)
    with rasterio.Env(**GDAL):
        try:
            with rasterio.open(path, driver=driver) as dataset:
                if dataset.width * dataset.height > MAX_PIXELS:
                    raise OSError(
                        f"it has {dataset.width} x {dataset.height} pixels, more than {MAX_PIXELS:,} are not "
                        "read at once; cut it into chips"
                    )
                if dataset.count > MAX_BANDS:
                    raise OSError(f"it has {dataset.count} bands, more than {MAX_BANDS}; keep those needed")
                yield dataset
        except GDAL_ERRORS as error:
            reason = str(error.__cause__ or error).replace(str(path), path.name)
            raise OSError(f"it cannot be decoded ({reason}); copy or download it again") from error


def is_lossy(dataset: Any) -> bool:
    """Whether pixels were coded with losses."""
    compression = dataset.compression
    return dataset.driver in _LOSSY or (compression is not None and compression.name in _LOSSY)


def decode_jpeg(path: Path, height: int, width: int) -> Array:
    """Pixels of a JPEG in red, green and blue: uint8, shape (3, height, width).

    By Pillow, whose decoder needs a third of the time of the one in rasterio's wheels.

    Raises:
        OSError: It is not as said, or cannot be decoded; the message is a reason with its remedy.
    """
    try:
        with Image.open(path, formats=["JPEG"]) as image:
            changed = (image.height, image.width, image.mode) != (height, width, "RGB")
            pixels = None if changed else np.asarray(image)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        reason = str(error).replace(str(path), path.name)
        raise OSError(f"it cannot be decoded ({reason}); copy or download it again") from error
    if pixels is None:
        raise OSError(CHANGED)
    return np.ascontiguousarray(np.moveaxis(pixels, 2, 0))


def check_aside(path: Path) -> None:
    """Refuse an `.aux.xml` beside an image that would have GDAL open further files.

    Raises:
        OSError: It does, or is too large to be one.
    """
    aside = path.with_name(path.name + ".aux.xml")
    if not aside.is_file():
        return
    with aside.open("rb") as file:
        text = file.read(_MAX_ASIDE + 1)
    if len(text) > _MAX_ASIDE or b"overview_file" in text.lower():
        raise OSError(
            f"{aside.name} beside it names further files, or is larger than {_MAX_ASIDE:,} bytes; "
            "take it away or write it anew with gdal_translate"
        )


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        return file.read()
