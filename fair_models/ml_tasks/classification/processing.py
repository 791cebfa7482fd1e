"""Pixels in, one probability of each class out. Numpy only.

Registered items call these functions by name. What they compute never changes: another computation gets
another name, so that an old item keeps predicting as it did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fair_models.inference.parts import Part, Scores, Window
from fair_models.ml_tasks.scaling import scale_to_unit, softmax
from fair_models.types import Array

__all__ = ["OUTPUT", "class_scores", "scale_to_unit"]

OUTPUT = "logits"
"""Name of the network's output, in ONNX and in `postprocess`."""

Postprocess = Callable[[Mapping[str, Array], Window, Mapping[str, Any]], Sequence[Part]]


def class_scores(classes: Sequence[str]) -> Postprocess:
    """Make the post-processing of a network that tells these classes apart.

    Args:
        classes: Class names as in the item; the position is the index, 0 the background.

    Returns:
        A function that turns `logits` (float32, shape (classes,), any range) into one `Scores`: the
        probability of each class by name (softmax), in [0, 1]; they sum to 1. Thresholds are applied after
        the parts are joined, not here.
    """
    names = tuple(classes)

    def postprocess(
        outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        probabilities = softmax(np.asarray(outputs[OUTPUT], dtype=np.float32))
        return [Scores({name: float(value) for name, value in zip(names, probabilities, strict=True)})]

    return postprocess
