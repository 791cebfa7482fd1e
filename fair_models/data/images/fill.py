"""White or black fill that nothing marks as without data: rims of rotated mosaics, padded chips.

Fill is what is within a few grey values of white, or of black, in all bands and mostly exactly so, hangs
together over edges of pixels, is at least 1 % of its image, and lies along the image's border for at least a
quarter of a side. Inside an image nothing is fill, nor where a side cuts off a small part: sunlit roofs are
white too. It is decided once for an image, before anything is cut out of it, so that windows, strips and
shards agree. In images that are too large to be held it is found on a small view, and applied pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from fair_models.types import Array

MIN_SHARE = 0.01
"""Part of an image that fill is at least."""

MIN_BORDER = 0.25
"""Length of the border that fill has at least, in sides of the image, around its corners.

What a straight edge cuts off is at least so long: a triangle at a corner with 1 % of the image has 0.28.
"""

TOLERANCE = 4
"""Grey values that fill may differ from white or black."""

RINGING = 40
"""Grey values that pixels beside fill may differ where they were coded with losses."""

_BLOCK_PX = 8
"""How far a JPEG's coding of an edge reaches."""

_PURE = 0.5
"""Part of the pixels of fill that are white or black to the last bit (but one, where coded with losses)."""

VIEW_PX = 2048
"""Longest side of the small view."""

EXACT_PX = 1024 * 1024
"""Up to so many pixels an image is looked at as it is, whatever overviews it has."""

WHOLE_PX = 4096 * 4096
"""The same of images without overviews."""

_MIN_VIEW_PX = 128
Look = Callable[[int, int], tuple[Array, Array]]
"""Gives the whole image at a height and width: pixels, and which are imagery."""


def find(pixels: Array, valid: Array, lossy: bool = False) -> Array | None:
    """Which pixels of an image are fill.

    Args:
        pixels: The whole image, uint8, shape (bands, height, width).
        valid: Which pixels are imagery by the file's own word, bool, shape (height, width).
        lossy: Whether it was coded with losses (JPEG, WebP): then fill grows into the ringing at its rim.

    Returns:
        bool, shape (height, width). None where there is none, as in most images: that takes no time.
    """
    found = None
    for white in (True, False):
        one = of_colour(pixels, valid, white, lossy)
        if one is not None:
            found = one if found is None else found | one
    return found


def of_colour(pixels: Array, valid: Array, white: bool, lossy: bool) -> Array | None:
    """The same, of white fill or of black alone."""
    if not any(near(line, white).any() for line in _rim(pixels)):
        return None
    close = near(pixels, white) & valid
    min_pixels = MIN_SHARE * close.size
    if close.sum() < min_pixels:
        return None
    parts = _parts(close)
    counts = np.bincount(parts.reshape(-1))
    pure = np.bincount(parts.reshape(-1), near(pixels, white, int(lossy)).reshape(-1))
    is_fill = (counts >= min_pixels) & (pure >= _PURE * counts) & (_border(parts, len(counts)) >= MIN_BORDER)
    is_fill[0] = False
    if not is_fill.any():
        return None
    found = is_fill[parts]
    return _grown(found, near(pixels, white, RINGING) & valid) if lossy else found


def reaches_rim(pixels: Array) -> bool:
    """Whether any pixel at the border of an image could be fill."""
    return any(near(line, white).any() for line in _rim(pixels) for white in (True, False))


def _rim(pixels: Array) -> tuple[Array, ...]:
    return pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1]


def near(pixels: Array, white: bool, tolerance: int = TOLERANCE) -> Array:
    """Pixels within the tolerance of white, or of black; the first axis is that of the bands."""
    found: Array = pixels.min(axis=0) >= 255 - tolerance if white else pixels.max(axis=0) <= tolerance
    return found


def _parts(close: Array) -> Array:
    """Number of the connected part that each pixel belongs to, 0 for none."""
    from scipy.ndimage import label

    return np.asarray(label(close)[0])


def _border(parts: Array, count: int) -> Array:
    """How long each part lies along the border, in sides of the image, shape (count,)."""
    sides = (parts[0], parts[-1], parts[:, 0], parts[:, -1])
    length: Array = np.sum([np.bincount(side, minlength=count) / len(side) for side in sides], axis=0)
    return length


def _grown(found: Array, ringing: Array) -> Array:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(found, np.ones((3, 3)), _BLOCK_PX, ringing)) | found


@dataclass(frozen=True)
class FillMap:
    """Where an image has fill, once for all windows.

    height, width: Of the image, in pixels.
    white, black: Cells of the small view where fill of that colour is, or is near; the whole image's pixels
        where it is small enough (`is_exact`). None: none.
    pixels: Pixels of the image that are fill; of a large one about.
    is_exact: Whether cells are pixels.
    lossy: Whether the image was coded with losses.
    """

    height: int
    width: int
    white: Array | None
    black: Array | None
    pixels: int
    is_exact: bool
    lossy: bool

    def inside(self, row: int, column: int, pixels: Array) -> Array:
        """Which pixels of a window of the image are fill.

        Args:
            row: Its first row.
            column: Its first column.
            pixels: Its pixels as they are stored, uint8, shape (bands, height, width).
        """
        found = np.zeros(pixels.shape[1:], dtype=bool)
        for cells, white in ((self.white, True), (self.black, False)):
            if cells is not None:
                found |= self._inside(cells, white, row, column, pixels)
        return found

    def smaller(self, row: int, column: int, height: int, width: int, pixels: Array) -> Array:
        """The same, of a rectangle of the image that was read at another size.

        Args:
            row: First row of the rectangle.
            column: Its first column.
            height: Its height in the image.
            width: Its width there.
            pixels: It at the other size.
        """
        found = np.zeros(pixels.shape[1:], dtype=bool)
        rows = row + (np.arange(pixels.shape[1]) * height + height // 2) // pixels.shape[1]
        columns = column + (np.arange(pixels.shape[2]) * width + width // 2) // pixels.shape[2]
        for cells, white in ((self.white, True), (self.black, False)):
            if cells is not None:
                there = cells[
                    (rows * cells.shape[0] // self.height)[:, None], columns * cells.shape[1] // self.width
                ]
                found |= there if self.is_exact else there & near(pixels, white, self._tolerance)
        return found

    @property
    def _tolerance(self) -> int:
        return RINGING if self.lossy else TOLERANCE

    def _inside(self, cells: Array, white: bool, row: int, column: int, pixels: Array) -> Array:
        height, width = pixels.shape[1:]
        if self.is_exact:
            return cells[row : row + height, column : column + width]
        rows = (np.arange(row, row + height) * cells.shape[0] // self.height)[:, None]
        columns = np.arange(column, column + width) * cells.shape[1] // self.width
        inside: Array = cells[rows, columns] & near(pixels, white, self._tolerance)
        return inside


def scan(height: int, width: int, look: Look, lossy: bool, overviews: Sequence[int] = ()) -> FillMap | None:
    """Look for fill in an image; None where there is none.

    A small image, or one of medium size without overviews, is looked at as it is. Of others it is a view
    whose cells are means of pixels: fill is what a cell of fill, or one near it, has of pixels of that
    colour. The smallest overview says quickly that there is none: 1 % of an image is some cells wide there.

    Args:
        height: The image's height in pixels.
        width: Its width.
        look: Gives it at another size.
        lossy: Whether it was coded with losses.
        overviews: How many times smaller its overviews are.
    """
    small = [times for times in overviews if max(height, width) / times >= _MIN_VIEW_PX]
    is_exact = height * width <= (EXACT_PX if small else WHOLE_PX)
    if is_exact:
        shape = height, width
    else:
        if small and not reaches_rim(look(*_smaller(height, width, max(small)))[0]):
            return None
        fitting = [times for times in small if max(height, width) / times <= VIEW_PX]
        shape = _smaller(height, width, min(fitting) if fitting else max(height, width) / VIEW_PX)
    pixels, valid = look(*shape)
    white, black = (of_colour(pixels, valid, each, lossy and is_exact) for each in (True, False))
    if white is None and black is None:
        return None
    count = sum(int(each.sum()) for each in (white, black) if each is not None)
    if not is_exact:
        white, black = (None if each is None else _widened(each) for each in (white, black))
        count = round(count * height * width / (shape[0] * shape[1]))
    return FillMap(height, width, white, black, count, is_exact, lossy)


def _smaller(height: int, width: int, times: float) -> tuple[int, int]:
    return max(1, ceil(height / times)), max(1, ceil(width / times))


def _widened(cells: Array) -> Array:
    """The cells and those beside them: the rim of fill lies in cells that are partly fill."""
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(cells, np.ones((3, 3)), 2))
