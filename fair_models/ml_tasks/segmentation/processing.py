"""Pixels in, probabilities out. Numpy only.

Registered items call these functions by name. What they compute never changes: another computation gets
another name, so that an old item keeps predicting as it did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fair_models.inference.parts import Part, RasterPart, Window
from fair_models.ml_tasks.scaling import scale_to_unit, softmax
from fair_models.types import Array

__all__ = ["OUTPUT", "class_probabilities", "scale_to_unit"]

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
