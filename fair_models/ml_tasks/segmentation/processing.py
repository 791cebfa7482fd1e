"""Pixels in, probabilities out. Numpy only.

Registered items call these functions by name. What they compute never changes: another computation gets
another name, so that an old item keeps predicting as it did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fair_models.inference.parts import InstancePart, Part, RasterPart, Window
from fair_models.ml_tasks.scaling import scale_to_unit, sigmoid, softmax
from fair_models.types import Array

__all__ = ["OUTPUT", "class_and_interior", "class_probabilities", "scale_to_unit"]

OUTPUT = "logits"
"""Name of the network's output, in ONNX and in `postprocess`."""


def class_probabilities(
    outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
) -> Sequence[Part]:
    """Turn scores of each class into probabilities (softmax over the classes).

    Args:
        outputs: `logits`: float32, shape (classes, height, width), any range.
        window: Where the pixels lie; not needed here.
        params: Inference parameters; thresholds are applied after the windows are joined, not here.

    Returns:
        One `RasterPart`, float32, shape (classes, height, width), in [0, 1]; each pixel sums to 1.
    """
    logits = np.asarray(outputs[OUTPUT], dtype=np.float32)
    return [RasterPart(softmax(logits))]


def class_and_interior(
    outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
) -> Sequence[Part]:
    """Turn scores of each class, of boundaries and of contacts of objects into probabilities.

    An interior is what of a class is neither boundary nor contact: the probability that a pixel is no
    background, times that it is neither of the two, of which the greater counts. It is averaged over 3 x 3
    pixels, so that single pixels make no objects of their own.

    Args:
        outputs: `logits`: float32, shape (classes + 2, height, width), any range; the last two are of
            boundaries and of contacts.
        window: Where the pixels lie; not needed here.
        params: Inference parameters; thresholds are applied after the windows are joined, not here.

    Returns:
        One `InstancePart`: probabilities of each class, float32, shape (classes, height, width), which sum to
        1 in each pixel; and of interiors, float32, shape (height, width); all in [0, 1].
    """
    logits = np.asarray(outputs[OUTPUT], dtype=np.float32)
    classes, between = softmax(logits[:-2]), sigmoid(logits[-2:].max(axis=0))
    return [InstancePart(classes, _averaged((1 - classes[0]) * (1 - between)))]


def _averaged(values: Array) -> Array:
    """Mean of the 3 x 3 pixels around each, those at the edge counted twice where one is missing."""
    padded = np.pad(values, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    sums = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    averaged: Array = sums * np.float32(1 / 9)
    return np.minimum(averaged, np.float32(1), out=averaged)
