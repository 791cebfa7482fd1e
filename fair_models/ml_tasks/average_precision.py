"""Average precision as COCO defines it, of boxes and of instances alike. Numpy only."""

from __future__ import annotations

import numpy as np

from fair_models.types import Array

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""An object is right from one of these on: AP at 0.5 is with the first, AP the mean over all."""

_RECALLS = np.linspace(0, 1, 101)


def average_precision(right: Array, weights: Array, wanted: float) -> Array | None:
    """Mean precision over 101 recalls, for each row of `right`.

    Args:
        right: Whether each object that was found is right, the best first, bool, shape (thresholds, n).
        weights: How often each counts, shape (n,).
        wanted: How many true objects there are.

    Returns:
        In [0, 1], shape (thresholds,); None where there is nothing to find.
    """
    if not wanted:
        return None
    found = np.cumsum(weights)
    return np.array([_mean_precision(np.flatnonzero(row), weights, found, wanted) for row in right])


def _mean_precision(hits_at: Array, weights: Array, found: Array, wanted: float) -> float:
    """Of one row: precision is largest, and recall grows, at right objects alone: no other is looked at.

    Args:
        hits_at: Positions of the right objects.
        weights: How often each object counts.
        found: Sum of the weights up to each object.
        wanted: How many true objects there are.
    """
    hits, all_found = np.cumsum(weights[hits_at]), found[hits_at]
    precision = np.divide(hits, all_found, out=np.zeros(len(hits)), where=all_found > 0)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(envelope[np.searchsorted(hits / wanted, _RECALLS, side="left")].mean())
