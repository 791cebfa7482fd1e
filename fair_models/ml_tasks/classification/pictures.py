"""Pictures of a classification for people. Numpy only."""

from __future__ import annotations

import numpy as np

from fair_models.ml_tasks.pictures import as_rgb, tint
from fair_models.types import Array

FRAME_PX = 8
_BACKGROUND = (150, 150, 150)


def framed(image: Array, truth: int, predicted: int) -> Array:
    """Put a frame around a chip, above in the colour of its true class, below of the predicted one.

    Args:
        image: uint8, shape (bands, height, width); the first three bands are shown.
        truth: Class index; the background's colour is grey.
        predicted: Class index.

    Returns:
        RGB, uint8, shape (height + 2 * FRAME_PX, width + 2 * FRAME_PX, 3).
    """
    chip = as_rgb(image)
    height, width = chip.shape[0] + 2 * FRAME_PX, chip.shape[1] + 2 * FRAME_PX
    picture = np.empty((height, width, 3), dtype=np.uint8)
    picture[: height // 2] = _colour(truth)
    picture[height // 2 :] = _colour(predicted)
    picture[FRAME_PX:-FRAME_PX, FRAME_PX:-FRAME_PX] = chip
    return picture


def _colour(index: int) -> tuple[int, int, int]:
    return tint(index) if index else _BACKGROUND
