"""How well a mask agrees with the truth. Numpy and scipy only.

Pixels whose truth is `IGNORE` count nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fair_models.data.samples import IGNORE
from fair_models.types import Array

SMALLEST_OBJECT_PX = 16
"""Connected pixels fewer than this are no object: slivers where a chip's edge cuts a building."""


def per_class_iou(predicted: Array, truth: Array, classes: Sequence[str]) -> dict[str, float | None]:
    """Intersection over union of each class.

    Args:
        predicted: Class index of each pixel, shape (n, h, w).
        truth: Same shape, same indices.
        classes: Class names; the position is the index.

    Returns:
        IoU in [0, 1] by class name. `None` where neither array has the class:
        an absent class is not a class scored zero.
    """
    both = _confusion(predicted, truth, len(classes))
    hits = np.diag(both)
    unions = both.sum(axis=0) + both.sum(axis=1) - hits
    return {name: _ratio(hit, union) for name, hit, union in zip(classes, hits, unions, strict=True)}


def foreground_precision(predicted: Array, truth: Array, class_count: int) -> float | None:
    """Share of the pixels predicted as a class other than the background that are of that class.

    Args:
        predicted: Class index of each pixel, shape (n, h, w).
        truth: Same shape, same indices.
        class_count: Number of classes, the background included.

    Returns:
        Precision in [0, 1]; `None` where nothing but background was predicted.
    """
    both = _confusion(predicted, truth, class_count)
    return _ratio(np.diag(both)[1:].sum(), both[:, 1:].sum())


def foreground_recall(predicted: Array, truth: Array, class_count: int) -> float | None:
    """Share of the pixels of a class other than the background that were predicted as that class.

    Args:
        predicted: Class index of each pixel, shape (n, h, w).
        truth: Same shape, same indices.
        class_count: Number of classes, the background included.

    Returns:
        Recall in [0, 1]; `None` where the truth is background alone.
    """
    both = _confusion(predicted, truth, class_count)
    return _ratio(np.diag(both)[1:].sum(), both[1:].sum())


def object_f1(predicted: Array, truth: Array, class_count: int) -> float | None:
    """F1 of objects: connected pixels of one class, matched where their IoU is above one half.

    Above one half a match is unique (Kirillov et al. 2019, https://arxiv.org/abs/1801.00868), so nothing is
    matched twice. Buildings that touch are one object on either side, and each sample counts for itself.

    Args:
        predicted: Class index of each pixel, shape (n, h, w).
        truth: Same shape, same indices.
        class_count: Number of classes, the background included.

    Returns:
        F1 in [0, 1]; `None` where neither side has an object.
    """
    matched = found = wanted = 0
    for one_predicted, one_truth in zip(predicted, truth, strict=True):
        ignored = one_truth == IGNORE
        for index in range(1, class_count):
            match = _match_objects((one_predicted == index) & ~ignored, one_truth == index)
            matched, found, wanted = matched + match.matched, found + match.found, wanted + match.wanted
    return _ratio(2 * matched, found + wanted)


def measure(predicted: Array, truth: Array, classes: Sequence[str]) -> dict[str, float | None]:
    """All metrics of a segmentation, by the keys that items use.

    Args:
        predicted: Class index of each pixel, shape (n, h, w).
        truth: Same shape; `IGNORE` counts nowhere.
        classes: Class names; the position is the index, 0 the background.

    Returns:
        `fair:<class>_iou` for each class but the background, `fair:mean_iou` over all classes that occur,
        `fair:object_f1`, `fair:precision`, `fair:recall`; in [0, 1], or None where there was nothing.
    """
    ious = per_class_iou(predicted, truth, classes)
    known = [iou for iou in ious.values() if iou is not None]
    return {
        **{f"fair:{name}_iou": ious[name] for name in classes[1:]},
        "fair:mean_iou": float(np.mean(known)) if known else None,
        "fair:object_f1": object_f1(predicted, truth, len(classes)),
        "fair:precision": foreground_precision(predicted, truth, len(classes)),
        "fair:recall": foreground_recall(predicted, truth, len(classes)),
    }


def simplest_guess(truth: Array, classes: Sequence[str]) -> tuple[Array, str]:
    """Everything is the most frequent class that is not the background.

    Args:
        truth: Class index of each pixel, shape (n, h, w).
        classes: Class names; the position is the index, 0 the background.

    Returns:
        The guess, of the same shape, and what it is in words, e.g. "everything is building".
    """
    counts = [int(np.count_nonzero(truth == index)) for index in range(1, len(classes))]
    index = 1 + int(np.argmax(counts))
    return np.full_like(truth, index), f"everything is {classes[index]}"


@dataclass(frozen=True)
class _Match:
    matched: int
    found: int
    wanted: int


def _match_objects(predicted: Array, truth: Array) -> _Match:
    predicted_labels, found = _objects(predicted)
    truth_labels, wanted = _objects(truth)
    pairs = np.bincount(
        (predicted_labels.astype(np.int64) * (wanted + 1) + truth_labels).ravel(),
        minlength=(found + 1) * (wanted + 1),
    ).reshape(found + 1, wanted + 1)
    unions = pairs.sum(axis=1, keepdims=True) + pairs.sum(axis=0, keepdims=True) - pairs
    return _Match(int((pairs[1:, 1:] * 2 > unions[1:, 1:]).sum()), found, wanted)


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


def _confusion(predicted: Array, truth: Array, class_count: int) -> Array:
    """Pixels by class of the truth (rows) and class predicted (columns)."""
    counted = truth != IGNORE
    pairs = truth[counted].astype(np.int64) * class_count + predicted[counted]
    return np.bincount(pairs, minlength=class_count**2).reshape(class_count, class_count)


def _ratio(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None
