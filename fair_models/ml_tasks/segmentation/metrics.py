"""How well a mask agrees with the truth. Numpy and scipy only.

Pixels whose truth is `IGNORE` count nowhere. All metrics follow from counts that are summed over the samples,
so that any choice of samples can be measured from what each adds (`statistics`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fair_models.data.samples import IGNORE
from fair_models.ml_tasks.averages import mean, ratio
from fair_models.ml_tasks.evaluation import Measurement
from fair_models.ml_tasks.segmentation import boundaries, objects
from fair_models.types import Array

_EVERYTHING = "everything is "


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
    both = confusion(predicted, truth, len(classes))
    return {name: _iou(both, index) for index, name in enumerate(classes)}


def confusion(predicted: Array, truth: Array, class_count: int) -> Array:
    """Pixels by class of the truth (rows) and class predicted (columns), shape (class_count, class_count)."""
    counted = truth != IGNORE
    pairs = truth[counted].astype(np.int64) * class_count + predicted[counted]
    return np.bincount(pairs, minlength=class_count**2).reshape(class_count, class_count)


def statistics(predicted: Array, truth: Array, class_count: int) -> Array:
    """What each sample adds to the metrics.

    Args:
        predicted: Class index of each pixel, shape (n, h, w).
        truth: Same shape, same indices.
        class_count: Number of classes, the background included.

    Returns:
        Float64, shape (n, class_count ** 2 + (4 + boundaries.COUNTS) * (class_count - 1)): the confusion of
        the pixels, then of each class but the background how many objects matched, were found and were
        wanted, and the sum of the matches' IoU; then what `boundaries.statistics` gives of each.
    """
    rows = [_sample(*each, class_count) for each in zip(predicted, truth, strict=True)]
    width = class_count**2 + (4 + boundaries.COUNTS) * (class_count - 1)
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)


def summarise(sums: Array, classes: Sequence[str]) -> Measurement:
    """All metrics of a segmentation from the sum of `statistics` over the samples.

    Args:
        sums: Shape (k,).
        classes: Class names; the position is the index, 0 the background.

    Returns:
        `fair:<class>_iou` for each class but the background, `fair:mean_iou` over all classes that occur,
        `fair:object_f1`, `fair:panoptic_quality`, `fair:precision`, `fair:recall`, and as means over the
        classes but the background `fair:boundary_f1_1px` and `fair:boundary_f1_3px`; in [0, 1], or None where
        there was nothing. Of each class `iou`, `precision`, `recall`; and but for the background `object_f1`,
        `panoptic_quality`, `boundary_f1_1px` and `boundary_f1_3px`.
    """
    both, matches, edges = _parted(sums, len(classes))
    by_class = {name: _pixel_figures(both, index) for index, name in enumerate(classes)}
    for name, found, edge in zip(classes[1:], matches, edges, strict=True):
        by_class[name] |= {"object_f1": _object_f1(found), "panoptic_quality": _panoptic_quality(found)}
        by_class[name] |= boundaries.f1(edge)
    hits = np.trace(both) - both[0, 0]
    metrics = {
        **{f"fair:{name}_iou": by_class[name]["iou"] for name in classes[1:]},
        "fair:mean_iou": mean([by_class[name]["iou"] for name in classes]),
        "fair:object_f1": _object_f1(matches.sum(axis=0)),
        "fair:panoptic_quality": mean([by_class[name]["panoptic_quality"] for name in classes[1:]]),
        "fair:precision": ratio(hits, both[:, 1:].sum()),
        "fair:recall": ratio(hits, both[1:].sum()),
        **{
            f"fair:{key}": mean([by_class[name][key] for name in classes[1:]])
            for key in boundaries.f1(edges.sum(axis=0))
        },
    }
    return Measurement(metrics, by_class)


def measure(predicted: Array, truth: Array, classes: Sequence[str]) -> Measurement:
    """All metrics of some samples.

    Args:
        predicted: Class index of each pixel, shape (n, h, w).
        truth: Same shape; `IGNORE` counts nowhere.
        classes: Class names; the position is the index, 0 the background.

    Returns:
        As `summarise` does.
    """
    return summarise(statistics(predicted, truth, len(classes)).sum(axis=0), classes)


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
    return np.full_like(truth, index), guess_name(classes[index])


def guesses(sums: Array, truth: Array, classes: Sequence[str]) -> dict[str, Measurement]:
    """What is reached if every pixel is taken for one class, for each that occurs: the most frequent first.

    Args:
        sums: Sum of `statistics` over the samples, of any prediction: what they hold is taken from it.
        truth: Class index of each pixel, shape (n, h, w).
        classes: Class names; the position is the index, 0 the background.

    Returns:
        Metrics by what the guess is in words, e.g. "everything is building". The background comes last.
    """
    count = len(classes)
    pixels = _parted(sums, count)[0].sum(axis=1)
    mapped = 1 + np.argsort(-pixels[1:], kind="stable")
    by_size = [*mapped[pixels[mapped] > 0], 0]
    return {
        guess_name(classes[index]): summarise(_guessed(sums, truth, index, count), classes)
        for index in by_size
    }


def guess_name(name: str) -> str:
    """What it is called that every pixel is taken for a class."""
    return f"{_EVERYTHING}{name}"


def guessed_class(guess: str) -> str:
    """The class that every pixel is taken for, by what the guess is called."""
    return guess.removeprefix(_EVERYTHING)


def _parted(sums: Array, count: int) -> tuple[Array, Array, Array]:
    """Confusion of the pixels, matches of objects and counts of boundaries in a sum of `statistics`."""
    both, others = sums[: count**2].reshape(count, count), sums[count**2 :]
    matches, edges = others[: 4 * (count - 1)], others[4 * (count - 1) :]
    return both, matches.reshape(count - 1, 4), edges.reshape(count - 1, boundaries.COUNTS)


def _guessed(sums: Array, truth: Array, index: int, count: int) -> Array:
    """Sum of `statistics` if every pixel was taken for one class; only its own objects need a look."""
    all_pixels, all_matches, all_edges = _parted(sums, count)
    pixels = np.zeros((count, count))
    pixels[:, index] = all_pixels.sum(axis=1)
    matches = np.zeros((count - 1, 4))
    matches[:, 2] = all_matches[:, 2]
    edges = np.zeros((count - 1, boundaries.COUNTS))
    edges[:, 1] = all_edges[:, 1]  # a mask of one class has no boundary
    if index:
        own = [objects.match(chip != IGNORE, chip == index) for chip in truth]
        matches[index - 1] = np.sum(
            [(each.matched, each.found, each.wanted, each.iou_sum) for each in own], 0
        )
    return np.concatenate([pixels.ravel(), matches.ravel(), edges.ravel()])


def _sample(predicted: Array, truth: Array, class_count: int) -> Array:
    counted = truth != IGNORE
    matches = [
        objects.match((predicted == index) & counted, truth == index) for index in range(1, class_count)
    ]
    found = [(each.matched, each.found, each.wanted, each.iou_sum) for each in matches]
    edges = [
        boundaries.statistics(predicted == index, truth == index, counted) for index in range(1, class_count)
    ]
    return np.concatenate(
        [confusion(predicted, truth, class_count).ravel(), np.ravel(found), np.ravel(edges)]
    )


def _pixel_figures(both: Array, index: int) -> dict[str, float | None]:
    """IoU; precision is None where the class was never predicted, recall where it does not occur."""
    hit = both[index, index]
    return {
        "iou": _iou(both, index),
        "precision": ratio(hit, both[:, index].sum()),
        "recall": ratio(hit, both[index].sum()),
    }


def _iou(both: Array, index: int) -> float | None:
    return ratio(both[index, index], both[index].sum() + both[:, index].sum() - both[index, index])


def _object_f1(found: Array) -> float | None:
    """F1 of objects, matched above an IoU of one half; None where neither side has an object."""
    matched, predicted, wanted, _ = found
    return ratio(2 * matched, predicted + wanted)


def _panoptic_quality(found: Array) -> float | None:
    """Mean IoU of the matches times their F1 (https://arxiv.org/abs/1801.00868); None as for F1."""
    _, predicted, wanted, iou_sum = found
    return ratio(2 * iou_sum, predicted + wanted)
