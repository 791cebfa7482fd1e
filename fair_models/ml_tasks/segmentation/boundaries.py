"""How well the boundary of a class is drawn. Numpy only.

F-score of the boundary at a tolerance (Csurka et al. 2013, https://doi.org/10.5244/C.27.32): precision is the
share of the predicted boundary that lies no further than the tolerance from the true one, recall the share of
the true one that lies as near to the predicted one. Boundary pixels, and distances, are those of DAVIS
(Perazzi et al. 2016, https://doi.org/10.1109/CVPR.2016.85): a pixel is on the boundary where the one on its
right, below it or between the two is on the other side; the edge of an image is no boundary.
"""

from __future__ import annotations

import numpy as np

from fair_models.ml_tasks.averages import ratio
from fair_models.types import Array

TOLERANCES_PX = (1, 3)
"""How far two boundaries may lie apart, in pixels."""

COUNTS = 2 + 2 * len(TOLERANCES_PX)
"""Numbers that `statistics` gives."""


def statistics(predicted: Array, truth: Array, counted: Array) -> Array:
    """What one sample adds.

    Args:
        predicted: Which pixels were predicted as the class, bool, shape (height, width).
        truth: Which pixels are of it, same shape.
        counted: Which pixels count; there is no boundary to one that does not.

    Returns:
        int64, shape (COUNTS,): pixels of the predicted boundary and of the true one; then for each of
        `TOLERANCES_PX` how many of the first lie near the true one, and of the second near the predicted one.
    """
    ours, theirs = boundary(predicted, counted), boundary(truth, counted)
    near = [
        int(np.count_nonzero(one & _near(other, tolerance)))
        for tolerance in TOLERANCES_PX
        for one, other in ((ours, theirs), (theirs, ours))
    ]
    return np.array([np.count_nonzero(ours), np.count_nonzero(theirs), *near], np.int64)


def f1(counts: Array) -> dict[str, float | None]:
    """F-scores from sums of `statistics`.

    Returns:
        `boundary_f1_1px` and `boundary_f1_3px`, in [0, 1]; None where neither side has a boundary, 0 where
        one has none.
    """
    ours, theirs = float(counts[0]), float(counts[1])
    scores: dict[str, float | None] = {}
    for number, tolerance in enumerate(TOLERANCES_PX):
        precision, recall = (
            ratio(near, all_of_it) or 0.0
            for near, all_of_it in zip(counts[2 + 2 * number :], (ours, theirs), strict=False)
        )
        score = ratio(2 * precision * recall, precision + recall) or 0.0
        scores[f"boundary_f1_{tolerance}px"] = score if ours or theirs else None
    return scores


def boundary(mask: Array, counted: Array) -> Array:
    """Pixels on the boundary of a mask, bool, same shape. Arguments as for `statistics`."""
    found = np.zeros(mask.shape, bool)
    height, width = mask.shape
    for down, right in ((0, 1), (1, 0), (1, 1)):
        here, there = np.s_[: height - down, : width - right], np.s_[down:, right:]
        found[here] |= (mask[here] != mask[there]) & counted[here] & counted[there]
    return found


def _near(pixels: Array, tolerance: int) -> Array:
    """Pixels no further than a distance from some."""
    height, width = pixels.shape
    framed = np.pad(pixels, tolerance)
    near = np.zeros(pixels.shape, bool)
    for down in range(-tolerance, tolerance + 1):
        for right in range(-tolerance, tolerance + 1):
            if down**2 + right**2 <= tolerance**2:
                row, column = tolerance + down, tolerance + right
                near |= framed[row : row + height, column : column + width]
    return near
