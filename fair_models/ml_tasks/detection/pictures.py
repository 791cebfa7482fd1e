"""Pictures of a detection for people. Numpy only."""

from __future__ import annotations

import numpy as np

from fair_models.ml_tasks.detection.metrics import Boxes
from fair_models.ml_tasks.pictures import as_rgb, tint
from fair_models.types import Array

GAP_PX = 4


def side_by_side(image: Array, truth: Boxes, found: Boxes) -> Array:
    """Put a chip, the true boxes on it and the boxes found beside each other.

    Args:
        image: uint8, shape (bands, height, width); the first three bands are shown.
        truth: Boxes in pixels.
        found: Boxes in pixels, those that predictions keep.

    Returns:
        RGB, uint8, shape (height, 3 * width + 2 * GAP_PX, 3).
    """
    chip = as_rgb(image)
    gap = np.full((chip.shape[0], GAP_PX, 3), 255, dtype=np.uint8)
    return np.concatenate([chip, gap, _drawn(chip, truth), gap, _drawn(chip, found)], axis=1)


def _drawn(chip: Array, boxes: Boxes) -> Array:
    """Frames of two pixels in the colours of the classes."""
    picture = chip.copy()
    for (left, top, right, bottom), index in zip(
        boxes.geometries.round().astype(int).tolist(), boxes.classes.tolist(), strict=True
    ):
        inside = picture[top:bottom, left:right]
        middle = inside[2:-2, 2:-2].copy()
        inside[:] = tint(index)
        inside[2:-2, 2:-2] = middle
    return picture
