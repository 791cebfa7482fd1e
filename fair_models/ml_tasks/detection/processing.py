"""Pixels in, boxes with scores out. Numpy only.

Registered items call these functions by name. What they compute never changes: another computation gets
another name, so that an old item keeps predicting as it did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fair_models.inference.parts import FeaturePart, Part, Window
from fair_models.ml_tasks.detection import boxes
from fair_models.ml_tasks.scaling import scale_to_unit
from fair_models.types import Array

__all__ = ["OUTPUT", "found_objects", "scale_to_unit"]

OUTPUT = "heads"
"""Name of the network's output, in ONNX and in `postprocess`."""

STRIDE = 4
"""Pixels of a window for each cell of the output, along either axis."""

USUAL_PX = 32
"""Side of a box for which the network says 0."""

MIN_SCORE = 0.05
"""What is less likely than this is not looked at."""

MAX_PEAKS = 2000
"""Peaks of one window that are looked at, the best ones: 1024 x 1024 px have room for no more buildings."""

OVERLAP = 0.5
"""Default of `nms_iou`."""

_LARGEST_LOG = 4.0
"""Boxes are at most 32 * exp(4) = 1747 px long: more than any window."""


def found_objects(outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]) -> Sequence[Part]:
    """Say where objects are: peaks of the map of centres, with the size that was found there.

    Args:
        outputs: `heads`: float32, shape (classes - 1 + 4, rows, columns), a cell for every 4 x 4 pixels.
            First the score of a centre for each class but the background, any range (sigmoid); then how far
            the centre lies from the cell's middle, to the right and down, in cells; then the logarithms of
            width and height as multiples of 32 px.
        window: Where the pixels lie; boxes end at its edges.
        params: Inference parameters. `nms_iou`: boxes of a class whose IoU with a better one is above this
            are left out (0 to 1; 0.5). The threshold is applied later, not here; so is `output`, which makes
            points of boxes: what neighbouring windows found is compared as boxes.

    Returns:
        One `FeaturePart`, the best first: boxes (n, 4), scores from `MIN_SCORE` to 1.
    """
    heads = np.asarray(outputs[OUTPUT], dtype=np.float32)
    scores, classes, rows, columns = _peaks(heads[:-4])
    found = _boxes(heads[-4:, rows, columns], rows, columns, window)
    keep = boxes.suppress(found, scores, classes, float(params.get("nms_iou", OVERLAP)))
    return [FeaturePart(found[keep], scores[keep], classes[keep])]


def _peaks(logits: Array) -> tuple[Array, Array, Array, Array]:
    """Score, class, row and column of the cells that are no less likely than the eight around them."""
    likely = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    height, width = likely.shape[1:]
    around = np.pad(likely, ((0, 0), (1, 1), (1, 1)))
    highest = np.max(
        [around[:, row : row + height, column : column + width] for row in range(3) for column in range(3)],
        axis=0,
    )
    channels, rows, columns = np.nonzero((likely == highest) & (likely >= MIN_SCORE))
    scores = likely[channels, rows, columns]
    best = np.argsort(-scores, kind="stable")[:MAX_PEAKS]
    return scores[best], channels[best] + 1, rows[best], columns[best]


def _boxes(sizes: Array, rows: Array, columns: Array, window: Window) -> Array:
    x, y = (columns + 0.5 + sizes[0]) * STRIDE, (rows + 0.5 + sizes[1]) * STRIDE
    width, height = USUAL_PX * np.exp(np.clip(sizes[2:], -_LARGEST_LOG, _LARGEST_LOG))
    made = np.column_stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    limits = np.array([window.width, window.height, window.width, window.height])
    return np.asarray(np.clip(made, 0, limits), np.float32)
