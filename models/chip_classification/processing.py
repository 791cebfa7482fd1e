"""RGB chips in, the probability of each class out. Numpy only."""

from collections.abc import Mapping, Sequence
from typing import Any

from fair_models.sdk import Array, Part, Window, classification

CLASSES = ("background", "building")

preprocess = classification.scale_to_unit


def postprocess(
    outputs: Mapping[str, Array],
    window: Window,
    params: Mapping[str, Any],
    classes: Sequence[str] = CLASSES,
) -> Sequence[Part]:
    """One probability of each class for a chip; the classes are those that the model was trained on."""
    return classification.class_scores(classes)(outputs, window, params)
