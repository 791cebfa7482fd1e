"""How well boxes are found. Which box is which is told by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fair_models.ml_tasks import calibration
from fair_models.ml_tasks.average_precision import IOU_THRESHOLDS, average_precision
from fair_models.ml_tasks.averages import mean, ratio
from fair_models.ml_tasks.evaluation import CALIBRATION_ERROR, Measurement
from fair_models.types import Array

MAX_DETECTIONS = 1000
"""Boxes of a chip and class that count, the best ones."""


@dataclass(frozen=True)
class Boxes:
    """Boxes of one chip.

    geometries: x_min, y_min, x_max, y_max in pixels, shape (n, 4).
    classes: Index of each one's class, shape (n,).
    scores: Shape (n,); 1 where it is the truth.
    """

    geometries: Array
    classes: Array
    scores: Array

    def __len__(self) -> int:
        return len(self.geometries)

    def select(self, keep: Array) -> Boxes:
        """Those that a boolean mask names."""
        return Boxes(self.geometries[keep], self.classes[keep], self.scores[keep])


@dataclass(frozen=True)
class Matches:
    """Which of the boxes of a class are right, on all chips; the best first.

    chips: Position of the chip of each box, shape (n,).
    scores: Shape (n,).
    right: Whether it is right, for each of `IOU_THRESHOLDS`, bool, shape (10, n).
    wanted: Number of true boxes on each chip, shape (chips,).
    """

    chips: Array
    scores: Array
    right: Array
    wanted: Array


def matches(truth: Sequence[Boxes], found: Sequence[Boxes], class_count: int) -> list[Matches]:
    """Match what was found with the truth, class by class: the best box first, each true box once.

    Args:
        truth: Boxes of each chip.
        found: Boxes of each chip, in the same order.
        class_count: Classes without the background.
    """
    evaluated = coco_evaluation(truth, found, class_count)
    return [
        _matches_of([evaluated.evalImgs[index * len(truth) + chip] for chip in range(len(truth))])
        for index in range(class_count)
    ]


def coco_evaluation(truth: Sequence[Boxes], found: Sequence[Boxes], class_count: int) -> Any:
    """A `pycocotools.cocoeval.COCOeval` that has matched boxes of all sizes and is ready to accumulate."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it tells what it does
        evaluation = COCOeval(_coco(truth, class_count), _coco(found, class_count), "bbox")
        evaluation.params.maxDets = [MAX_DETECTIONS]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.iouThrs = IOU_THRESHOLDS
        evaluation.evaluate()
    return evaluation


def summarise(
    matched: Sequence[Matches], names: Sequence[str], threshold: float, weights: Array | None = None
) -> Measurement:
    """All metrics of a detection.

    Args:
        matched: Of each class but the background.
        names: Class names without the background.
        threshold: Least score of a box that predictions keep; precision, recall and F1 are those with it.
        weights: How often each chip counts, shape (chips,). Default: once.

    Returns:
        `fair:map_50` and `fair:map_50_95` over the classes that occur, `fair:<class>_precision`,
        `fair:<class>_recall`, `fair:<class>_f1` and `fair:calibration_error`; in [0, 1], None where nothing
        was measured. By class the same and its average precision.
    """
    classes = {
        name: _of_class(each, threshold, _weights(each, weights))
        for name, each in zip(names, matched, strict=True)
    }
    named = {
        f"fair:{name}_{key}": values[key]
        for name, values in classes.items()
        for key in ("precision", "recall", "f1")
    }
    error = calibration.expected_error(_bins(matched, threshold, weights))
    return Measurement(
        {
            "fair:map_50": mean([values["ap_50"] for values in classes.values()]),
            "fair:map_50_95": mean([values["ap_50_95"] for values in classes.values()]),
            **named,
            CALIBRATION_ERROR: error,
        },
        classes,
    )


def simplest_guess(truth: Sequence[Boxes], size_px: int) -> tuple[list[Boxes], str]:
    """Boxes of each class's usual size side by side on every chip, all as likely.

    Classes are matched apart from each other, so that one guess is the best of its kind for each of them.

    Args:
        truth: Boxes of each chip.
        size_px: Height and width of a chip.

    Returns:
        The guess, and what it is in words.
    """
    geometries = np.concatenate([each.geometries for each in truth])
    classes = np.concatenate([each.classes for each in truth])
    if not len(classes):
        return [each.select(np.zeros(len(each), bool)) for each in truth], "nothing is anywhere"
    grids = [(index, _side_by_side(geometries[classes == index], size_px)) for index in np.unique(classes)]
    boxes = np.concatenate([grid for _, grid in grids])
    of_class = np.concatenate([np.full(len(grid), index) for index, grid in grids])
    guess = Boxes(boxes, of_class, np.ones(len(boxes)))
    return [guess] * len(truth), "boxes of the usual size side by side"


def _side_by_side(geometries: Array, size_px: int) -> Array:
    """Boxes of the usual size that fill a chip, shape (n, 4)."""
    across, down = (
        max(1, round(size_px / side)) for side in np.median(geometries[:, 2:] - geometries[:, :2], 0)
    )
    columns, rows = (edges.ravel() for edges in np.meshgrid(np.arange(across), np.arange(down)))
    edges = np.column_stack([columns / across, rows / down, (columns + 1) / across, (rows + 1) / down])
    grid: Array = edges * size_px
    return grid


def _of_class(matched: Matches, threshold: float, weights: Array) -> Mapping[str, float | None]:
    chip_weights, box_weights = weights[: len(matched.wanted)], weights[len(matched.wanted) :]
    wanted = float(chip_weights @ matched.wanted)
    precision = average_precision(matched.right, box_weights, wanted)
    kept = box_weights * (matched.scores >= threshold)
    found, hits = float(kept.sum()), float(kept @ matched.right[0])
    return {
        "ap_50": None if precision is None else float(precision[0]),
        "ap_50_95": None if precision is None else float(precision.mean()),
        "precision": ratio(hits, found),
        "recall": ratio(hits, wanted),
        "f1": ratio(2 * hits, found + wanted),
    }


def _weights(matched: Matches, chips: Array | None) -> Array:
    """How often each chip counts, and then how often each box does."""
    chips = np.ones(len(matched.wanted)) if chips is None else chips
    return np.concatenate([chips, chips[matched.chips]])


def _bins(matched: Sequence[Matches], threshold: float, chips: Array | None) -> Array:
    """What boxes that predictions keep add to the calibration error."""
    total = np.zeros(3 * calibration.BINS)
    for each in matched:
        kept = each.scores >= threshold
        counts = np.repeat(np.flatnonzero(kept), _weights(each, chips)[len(each.wanted) :][kept].astype(int))
        total += calibration.bins_of(each.scores[counts], each.right[0][counts])
    return total


def _matches_of(by_chip: Sequence[Mapping[str, Array] | None]) -> Matches:
    """Matches of a class from what COCOeval says of each chip; it says None where there is nothing."""
    said = [(chip, each) for chip, each in enumerate(by_chip) if each is not None]
    wanted = np.zeros(len(by_chip), np.int64)
    for chip, each in said:
        wanted[chip] = len(each["gtIds"])
    chips = np.concatenate(
        [np.empty(0, np.int64), *(np.full(len(each["dtScores"]), chip) for chip, each in said)]
    )
    scores = np.concatenate([np.empty(0), *(np.asarray(each["dtScores"], np.float64) for _, each in said)])
    empty = np.empty((len(IOU_THRESHOLDS), 0), bool)
    right = np.concatenate([empty, *(np.asarray(each["dtMatches"]) > 0 for _, each in said)], axis=1)
    best = np.argsort(-scores, kind="stable")
    return Matches(chips[best], scores[best], right[:, best], wanted)


def _coco(chips: Sequence[Boxes], class_count: int) -> Any:
    from pycocotools.coco import COCO

    annotations = [
        {
            "image_id": chip,
            "category_id": int(index),
            "bbox": [float(left), float(top), float(right - left), float(bottom - top)],
            "area": float((right - left) * (bottom - top)),
            "iscrowd": 0,
            "score": float(score),
        }
        for chip, boxes in enumerate(chips)
        for (left, top, right, bottom), index, score in zip(
            boxes.geometries, boxes.classes, boxes.scores, strict=True
        )
    ]
    made = COCO()
    made.dataset = {
        "images": [{"id": chip} for chip in range(len(chips))],
        "categories": [{"id": index} for index in range(1, class_count + 1)],
        # 0 is what COCOeval calls "matched with nothing": ids begin with 1.
        "annotations": [{"id": number, **each} for number, each in enumerate(annotations, start=1)],
    }
    made.createIndex()
    return made
