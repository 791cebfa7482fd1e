"""Objects in masks: connected pixels of one class, and which of a prediction are which of the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fair_models.types import Array

SMALLEST_OBJECT_PX = 16
"""Connected pixels fewer than this are no object: slivers where a chip's edge cuts a building."""


@dataclass(frozen=True)
class Match:
    """What was found of the objects of one class in one sample.

    matched: Pairs of a predicted and a true object whose IoU is above one half.
    found: Predicted objects.
    wanted: True objects.
    iou_sum: Sum of the IoU of the pairs.
    """

    matched: int
    found: int
    wanted: int
    iou_sum: float


def match(predicted: Array, truth: Array) -> Match:
    """Pair the objects of two masks.

    Above one half a match is unique (Kirillov et al. 2019, https://arxiv.org/abs/1801.00868), so nothing is
    matched twice. Buildings that touch are one object on either side.

    Args:
        predicted: Which pixels were predicted as the class, bool, shape (h, w).
        truth: Which pixels are of it, same shape.
    """
    predicted_labels, found = _objects(predicted)
    truth_labels, wanted = _objects(truth)
    pairs = np.bincount(
        (predicted_labels.astype(np.int64) * (wanted + 1) + truth_labels).ravel(),
        minlength=(found + 1) * (wanted + 1),
    ).reshape(found + 1, wanted + 1)
    unions = pairs.sum(axis=1, keepdims=True) + pairs.sum(axis=0, keepdims=True) - pairs
    shared, either = pairs[1:, 1:], unions[1:, 1:]
    matched = shared * 2 > either
    return Match(int(matched.sum()), found, wanted, float((shared[matched] / either[matched]).sum()))


def _objects(mask: Array) -> tuple[Array, int]:
    """Number connected pixels from 1, slivers taken out."""
    # scipy costs a third of a second to import, and predictions need none of this.
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    keep = sizes >= SMALLEST_OBJECT_PX
    keep[0] = False
    numbers = np.where(keep, np.cumsum(keep), 0)
    return numbers[labels], int(keep.sum())
