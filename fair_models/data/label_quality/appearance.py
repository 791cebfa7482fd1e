"""What a place looks like: colour, brightness, texture and edges of each pixel and of what lies around it."""

from __future__ import annotations

import numpy as np

from fair_models.types import Array

COLUMNS = 29
"""Numbers that describe a pixel."""

_MEANS_PX = (3, 9, 21)
_EDGES_PX = (5, 15)
_HATS_PX = (7, 15, 31)
_AROUND_PX = 41
_SHADOW_PX = 9
_DARK = 30.0
"""What is added to the sum of the colours before it divides: the hue of the dark is noise."""


def describe(pixels: Array) -> Array:
    """Describe the pixels of a picture, float32, shape (COLUMNS, height, width).

    Sizes are in pixels, for objects of some ten pixels: houses at half a metre.

    Args:
        pixels: Red, green and blue, uint8, shape (3, height, width).
    """
    from scipy import ndimage

    def mean(values: Array, size: int) -> Array:
        return np.asarray(ndimage.uniform_filter(values, size, mode="reflect"))

    red, green, blue = pixels.astype(np.float32)
    light = (red + green + blue) / 3
    total = red + green + blue + _DARK
    reddish, greenish = 255 * red / total, 255 * green / total
    found = [red, green, blue, reddish, greenish]
    for size in _MEANS_PX:
        around = mean(light, size)
        rough = np.sqrt(np.maximum(mean(light * light, size) - around**2, 0))
        found += [around, rough, mean(reddish, size), mean(greenish, size)]
    across, down = ndimage.sobel(light, 1), ndimage.sobel(light, 0)
    for size in _EDGES_PX:  # the structure tensor: how strong edges are, and whether they run one way
        xx, yy, xy = mean(across * across, size), mean(down * down, size), mean(across * down, size)
        found += [np.sqrt(xx + yy), 100 * np.sqrt((xx - yy) ** 2 + 4 * xy * xy) / (xx + yy + 1)]
    for size in _HATS_PX:  # bright, and dark, things that are narrower
        found += [light - ndimage.grey_opening(light, (size, size))]
        found += [ndimage.grey_closing(light, (size, size)) - light]
    found += [-ndimage.minimum_filter(light, _SHADOW_PX), light - mean(light, _AROUND_PX)]
    return np.stack(found).astype(np.float32, copy=False)
