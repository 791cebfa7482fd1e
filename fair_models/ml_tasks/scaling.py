"""Pixels as networks take them, whatever the ML task. Numpy only.

Registered items call these functions by name. What they compute never changes: another computation gets
another name, so that an old item keeps predicting as it did.
"""

from __future__ import annotations

import numpy as np

from fair_models.types import Array


def scale_to_unit(window: Array) -> Array:
    """Scale pixels from 0 to 255 to the range 0 to 1.

    Args:
        window: uint8, shape (bands, height, width).

    Returns:
        float32, same shape, in [0, 1].
    """
    return np.multiply(window, np.float32(1 / 255), dtype=np.float32)


def softmax(scores: Array) -> Array:
    """Scores of each class as probabilities.

    Args:
        scores: float32, classes on the first axis, any range.

    Returns:
        float32, same shape, in [0, 1]; they sum to 1 over the classes.
    """
    # Without the shift the exponential overflows for scores above 88.
    powers = np.exp(scores - scores.max(axis=0, keepdims=True))
    probabilities: Array = powers / powers.sum(axis=0, keepdims=True)
    return probabilities


def sigmoid(scores: Array) -> Array:
    """Scores as probabilities of what may be so or not, each by itself.

    Args:
        scores: float32, any shape, any range.

    Returns:
        float32, same shape, in [0, 1].
    """
    # Of a negative number only: the exponential overflows for scores below -88.
    small = np.exp(-np.abs(scores))
    probabilities: Array = np.where(scores < 0, small, np.float32(1)) / (1 + small)
    return probabilities
