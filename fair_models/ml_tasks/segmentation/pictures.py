"""Pictures of a segmentation for people. Numpy only."""

from __future__ import annotations

import numpy as np

from fair_models.ml_tasks.pictures import as_rgb, tint
from fair_models.types import Array

GAP_PX = 4


def side_by_side(
    image: Array,
    truth: Array,
    predicted: Array,
    true_objects: Array | None = None,
    found_objects: Array | None = None,
) -> Array:
    """Put a chip, its truth and its prediction beside each other, with a line around each object.

    Args:
        image: uint8, shape (bands, height, width); the first three bands are shown.
        truth: Class index of each pixel, shape (height, width).
        predicted: Same shape.
        true_objects: Number of the true object of each pixel, same shape. None: lines go around classes.
        found_objects: Likewise of the prediction.

    Returns:
        RGB, uint8, shape (height, 3 * width + 2 * GAP_PX, 3).
    """
    chip = as_rgb(image)
    gap = np.full((chip.shape[0], GAP_PX, 3), 255, dtype=np.uint8)
    return np.concatenate(
        [chip, gap, _tint(chip, truth, true_objects), gap, _tint(chip, predicted, found_objects)], axis=1
    )


def _tint(chip: Array, mask: Array, objects: Array | None) -> Array:
    """Colour the classes, with a line along their edges and those of their objects."""
    picture = chip.astype(np.float32)
    edge = np.zeros(mask.shape, dtype=bool)
    for apart in (mask,) if objects is None else (mask, objects):
        edge[1:] |= apart[1:] != apart[:-1]
        edge[:, 1:] |= apart[:, 1:] != apart[:, :-1]
    for index in range(1, int(mask[mask != 255].max(initial=0)) + 1):
        inside = mask == index
        picture[inside] = 0.6 * picture[inside] + 0.4 * np.array(tint(index), dtype=np.float32)
    picture[edge] = (255, 255, 0)
    return picture.round().astype(np.uint8)
