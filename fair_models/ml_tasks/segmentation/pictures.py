"""Pictures of a segmentation for people. Numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fair_models.types import Array

TINTS = ((227, 26, 28), (31, 120, 180), (51, 160, 44), (255, 127, 0), (106, 61, 154))
"""Colours of the classes after the background, used again from the start where there are more."""

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
    chip = _rgb(image)
    gap = np.full((chip.shape[0], GAP_PX, 3), 255, dtype=np.uint8)
    return np.concatenate([chip, gap, _tint(chip, truth), gap, _tint(chip, predicted)], axis=1)


def worst_median_best(scores: Sequence[float | None]) -> list[int]:
    """Positions of the worst, the median and the best score, each once; unknown scores are left out."""
    known = sorted((score, position) for position, score in enumerate(scores) if score is not None)
    if not known:
        return []
    positions = (known[0][1], known[len(known) // 2][1], known[-1][1])
    return list(dict.fromkeys(positions))


def _rgb(image: Array) -> Array:
    bands = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    return np.ascontiguousarray(bands.transpose(1, 2, 0))


def _tint(chip: Array, mask: Array) -> Array:
    """Colour the classes, with a line along their edges."""
    picture = chip.astype(np.float32)
    edge = np.zeros(mask.shape, dtype=bool)
    edge[1:] |= mask[1:] != mask[:-1]
    edge[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    for index, tint in enumerate(_tints(int(mask[mask != 255].max(initial=0))), start=1):
        inside = mask == index
        picture[inside] = 0.6 * picture[inside] + 0.4 * np.array(tint, dtype=np.float32)
    picture[edge] = (255, 255, 0)
    return picture.round().astype(np.uint8)


def _tints(count: int) -> list[tuple[int, int, int]]:
    return [TINTS[index % len(TINTS)] for index in range(count)]
