"""Pictures of a segmentation for people. Numpy only."""

from __future__ import annotations

import numpy as np

from fair_models.ml_tasks.pictures import as_rgb, tint
from fair_models.types import Array

GAP_PX = 4


def side_by_side(image: Array, truth: Array, predicted: Array) -> Array:
    """Put a chip, its truth and its prediction beside each other.

    Args:
        image: uint8, shape (bands, height, width); the first three bands are shown.
        truth: Class index of each pixel, shape (height, width).
        predicted: Same shape.

    Returns:
        RGB, uint8, shape (height, 3 * width + 2 * GAP_PX, 3).
    """
    chip = as_rgb(image)
    gap = np.full((chip.shape[0], GAP_PX, 3), 255, dtype=np.uint8)
    return np.concatenate([chip, gap, _tint(chip, truth), gap, _tint(chip, predicted)], axis=1)


def _tint(chip: Array, mask: Array) -> Array:
    """Colour the classes, with a line along their edges."""
    picture = chip.astype(np.float32)
    edge = np.zeros(mask.shape, dtype=bool)
    edge[1:] |= mask[1:] != mask[:-1]
    edge[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    for index in range(1, int(mask[mask != 255].max(initial=0)) + 1):
        inside = mask == index
        picture[inside] = 0.6 * picture[inside] + 0.4 * np.array(tint(index), dtype=np.float32)
    picture[edge] = (255, 255, 0)
    return picture.round().astype(np.uint8)
