"""Whether scores mean what they say, and from which score on something is taken for found. Numpy only."""

from __future__ import annotations

import numpy as np

from fair_models.types import Array

BINS = 15
"""Bins of equal width between 0 and 1 in which confidence is held against truth (Guo et al. 2017)."""

THRESHOLDS = np.arange(5, 96) / 100
"""Thresholds that are chosen from: 0.05, 0.06, ..., 0.95."""

_AS_GOOD = 0.002
"""F1 that is no more below the best than this is as good: training chips do not tell more apart."""


def bins_of(confidence: Array, correct: Array) -> Array:
    """What samples add to the calibration error, so that it can be summed over chips.

    Args:
        confidence: Probability of the answer that was given, in [0, 1], shape (n,).
        correct: Whether the answer is right, bool, shape (n,).

    Returns:
        Float64, shape (3 * BINS,): for each bin the number of samples, then the sums of their confidences,
        then the numbers of right ones.
    """
    number = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return np.concatenate(
        [
            np.bincount(number, minlength=BINS),
            np.bincount(number, weights=confidence, minlength=BINS),
            np.bincount(number, weights=correct, minlength=BINS),
        ]
    ).astype(np.float64)


def expected_error(bins: Array) -> float | None:
    """Expected calibration error: how far confidence and share of right answers lie apart, mean over samples.

    Args:
        bins: Sum of what `bins_of` gave, shape (3 * BINS,).

    Returns:
        In [0, 1], 0 is best; `None` where there is no sample.
    """
    count, confidence, correct = bins.reshape(3, BINS)
    total = count.sum()
    return float(np.abs(confidence - correct).sum() / total) if total else None


def above_thresholds(confidence: Array, correct: Array) -> Array:
    """How much would be found, and rightly, with each of `THRESHOLDS`, so that it can be summed over chips.

    Args:
        confidence: Probability of the best class that is not the background, in [0, 1], shape (n,).
        correct: Whether that class is the true one, bool, shape (n,).

    Returns:
        Int64, shape (2, len(THRESHOLDS)): how many reach the threshold, and how many of them are right.
    """
    # Number of thresholds that a confidence reaches; the prediction compares float32 with `>=` as well.
    reached = np.searchsorted(THRESHOLDS.astype(confidence.dtype), confidence, side="right")
    steps = len(THRESHOLDS) + 1
    counts = [np.bincount(reached, minlength=steps), np.bincount(reached[correct], minlength=steps)]
    return np.stack([each[::-1].cumsum()[::-1][1:] for each in counts])


def best_threshold(above: Array, wanted: int) -> float | None:
    """The threshold whose F1 is best; of those that are as good, the one nearest to one half.

    Args:
        above: Sum of what `above_thresholds` gave.
        wanted: How many there are in truth that should be found.

    Returns:
        One of `THRESHOLDS`. `None` where nothing right would be found with any: then none is better.
    """
    found, right = above
    if not wanted or not right.any():
        return None
    scores = 2 * right / (found + wanted)
    good = THRESHOLDS[scores >= scores.max() - _AS_GOOD]
    return float(good[np.abs(good - 0.5).argmin()])
