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
    hits, all_found = np.cumsum(right * weights, axis=1), np.cumsum(weights)
    precision = np.divide(hits, all_found, out=np.zeros(hits.shape), where=all_found > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    envelope = np.hstack([envelope, np.zeros((len(envelope), 1))])
    at = [np.searchsorted(row, _RECALLS, side="left") for row in hits / wanted]
    return np.array([row[position].mean() for row, position in zip(envelope, at, strict=True)])
