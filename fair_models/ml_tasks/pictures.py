"""What pictures of an evaluation have in common, whatever the ML task. Numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fair_models.types import Array

_TINTS = ((227, 26, 28), (31, 120, 180), (51, 160, 44), (255, 127, 0), (106, 61, 154))


def tint(index: int) -> tuple[int, int, int]:
    """Colour of a class after the background (1 and on); the first comes again where there are many."""
    return _TINTS[(index - 1) % len(_TINTS)]


def as_rgb(image: Array) -> Array:
    """A sample as a picture: its first three bands, or its first one in grey.

    Args:
        image: uint8, shape (bands, height, width).

    Returns:
        uint8, shape (height, width, 3).
    """
    bands = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    return np.ascontiguousarray(bands.transpose(1, 2, 0))


def worst_median_best(scores: Sequence[float | None]) -> list[int]:
    """Positions of the worst, the median and the best score, each once; unknown scores are left out."""
    known = sorted((score, position) for position, score in enumerate(scores) if score is not None)
    if not known:
        return []
    positions = (known[0][1], known[len(known) // 2][1], known[-1][1])
    return list(dict.fromkeys(positions))
