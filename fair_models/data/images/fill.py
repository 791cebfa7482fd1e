"""White or black fill that nothing marks as without data: rims of rotated mosaics, padded chips.

Fill is what is within a few grey values of white, or of black, in all bands and mostly exactly so, hangs
together over edges of pixels, is at least 1 % of its image, and lies along the image's border for at least a
quarter of a side. Inside an image nothing is fill, nor where a side cuts off a small part: sunlit roofs are
white too. It is decided once for an image, before anything is cut out of it, so that windows, strips and
shards agree.
"""

from __future__ import annotations

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
