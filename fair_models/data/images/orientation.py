"""How a picture is to be turned by the orientation in its EXIF (1 to 8), as browsers and labelling tools do.

All eight are: swap rows and columns (5 to 8), then turn rows or columns around.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fair_models.types import Array

UPRIGHT = 1
_TAG = 0x0112
_ROWS_TURNED = frozenset({3, 4, 7, 8})
_COLUMNS_TURNED = frozenset({2, 3, 6, 7})
_SWAPPED = frozenset({5, 6, 7, 8})
_PILLOW = {"JPEG": "JPEG", "PNG": "PNG", "WEBP": "WEBP", "GTiff": "TIFF"}


def of_file(path: Path, driver: str) -> int:
    """The orientation that a file says, from its header; 1 where it says none or nonsense.

    Args:
        path: The file.
        driver: GDAL's name of its format.
    """
    if driver not in _PILLOW or (driver == "PNG" and b"eXIf" not in path.read_bytes()):
        return UPRIGHT  # Pillow would decode all of a PNG to look for it
    try:
        with Image.open(path, formats=[_PILLOW[driver]]) as image:
            return of_picture(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return UPRIGHT  # whoever decodes it says what is wrong


def of_picture(image: Image.Image) -> int:
    """The orientation that an opened picture says."""
    said = image.getexif().get(_TAG, UPRIGHT)
    return said if isinstance(said, int) and 1 <= said <= 8 else UPRIGHT


def size(height: int, width: int, orientation: int) -> tuple[int, int]:
    """Height and width after the turn, or before it: it is the same."""
    return (width, height) if orientation in _SWAPPED else (height, width)


def upright(pixels: Array, orientation: int) -> Array:
    """Turn an image; its last two axes are rows and columns."""
    if orientation == UPRIGHT:
        return pixels
    if orientation in _SWAPPED:
        pixels = np.swapaxes(pixels, -1, -2)
    if orientation in _ROWS_TURNED:
        pixels = pixels[..., ::-1, :]
    if orientation in _COLUMNS_TURNED:
        pixels = pixels[..., ::-1]
    return np.ascontiguousarray(pixels)


def stored(
    rectangle: tuple[int, int, int, int], whole: tuple[int, int], orientation: int
) -> tuple[int, int, int, int]:
    """Where a rectangle of the upright image lies in the file, both as row, column, height, width.

    Args:
        rectangle: Of the upright image.
        whole: Height and width of the upright image.
        orientation: The file's.
    """
    row, column, height, width = rectangle
    if orientation in _ROWS_TURNED:
        row = whole[0] - row - height
    if orientation in _COLUMNS_TURNED:
        column = whole[1] - column - width
    return (column, row, width, height) if orientation in _SWAPPED else (row, column, height, width)


def contradiction(orientation: int) -> str:
    """Why a file that is turned and has a place of its own is not read, with its remedy."""
    return (
        f"its EXIF says that it is to be turned (orientation {orientation}) and its georeference "
        "says where its pixels lie as they are stored; where that is right write it anew, without EXIF: "
        "`gdal_translate -co COMPRESS=JPEG IN OUT.tif`"
    )
