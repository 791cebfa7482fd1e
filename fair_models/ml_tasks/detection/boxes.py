"""Boxes as arrays: (x_min, y_min, x_max, y_max) in pixels, x to the right and y downwards. Numpy only."""

from __future__ import annotations

import numpy as np

from fair_models.types import Array


def areas(boxes: Array) -> Array:
    """Area of each box in square pixels, shape (n,)."""
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1))


def overlaps(some: Array, others: Array) -> Array:
    """Intersection over union of each of some boxes with each of the others.

    Args:
        some: Shape (n, 4).
        others: Shape (m, 4).

    Returns:
        In [0, 1], shape (n, m); 0 where two boxes share nothing.
    """
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    either = areas(some)[:, None] + areas(others)[None] - shared
    return np.asarray(np.divide(shared, either, out=np.zeros_like(shared), where=either > 0))


def suppress(boxes: Array, scores: Array, classes: Array, overlap: float) -> Array:
    """Leave out what a better box of the same class overlaps too much (non-maximum suppression).

    Args:
        boxes: Shape (n, 4).
        scores: Shape (n,). Of equal ones the first is the better.
        classes: Index of each one's class, shape (n,).
        overlap: Boxes whose IoU with a better one is above this are left out, 0 to 1.

    Returns:
        Positions of those that stay, the best first, int64.
    """
    order = np.argsort(-scores, kind="stable")
    too_much = overlaps(boxes[order], boxes[order]) > overlap
    too_much &= classes[order][:, None] == classes[order][None]
    stays = np.ones(len(order), bool)
    for position in range(len(order)):
        if stays[position]:
            stays[position + 1 :] &= ~too_much[position, position + 1 :]
    return order[stays]
