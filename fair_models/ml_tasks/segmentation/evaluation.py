"""Holds the probabilities of held-out chips against the truth, chip by chip. Numpy and scipy only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fair_models.data.samples import IGNORE, Samples
from fair_models.ml_tasks import calibration, evaluation
from fair_models.ml_tasks.pictures import worst_median_best
from fair_models.ml_tasks.results import Evaluation
from fair_models.ml_tasks.segmentation import metrics, pictures
from fair_models.types import Array


def evaluate(samples: Samples, likely: Iterable[Array], threshold: float | None) -> Evaluation:
    """Everything that is measured of a segmentation.

    Args:
        samples: The held-out chips; `IGNORE` counts nowhere.
        likely: Probabilities of each class, shape (classes, height, width), in the order of the samples.
        threshold: Least probability of a class but the background, as predictions use it. None: the most
            probable class is predicted.
    """
    chips = [
        _measured(probabilities, truth, threshold)
        for probabilities, truth in zip(likely, samples.targets, strict=True)
    ]
    classes = samples.classes
    predicted = np.stack([chip.predicted for chip in chips])
    counts = metrics.statistics(predicted, samples.targets, len(classes))
    statistics = np.hstack([counts, np.stack([chip.bins for chip in chips])])
    guess = evaluation.best_guess(metrics.guesses(counts.sum(axis=0), samples.targets, classes))
    summarise = evaluation.with_calibration(lambda sums: metrics.summarise(sums, classes))
    measured, ends = summarise(statistics.sum(axis=0)), evaluation.with_sums(statistics, summarise)
    each = [summarise(one).metrics for one in statistics]
    return evaluation.assemble(
        samples,
        measured,
        ends,
        guess,
        baseline_name=guess.names.get(f"fair:{classes[1]}_iou", f"everything is {classes[0]}"),
        pictures=_pictures(samples, predicted, [one[f"fair:{classes[1]}_iou"] for one in each]),
        curves=_curves(chips, classes),
        by_sample=each,
        confusion=evaluation.confusion(_pixels(counts, len(classes)), classes),
    )


def best_threshold(samples: Samples, likely: Iterable[Array]) -> float | None:
    """The threshold with which most pixels of `samples` would be right: the one of the best F1.

    Args:
        samples: Chips; not those that are held out.
        likely: As for `evaluate`.

    Returns:
        None where no pixel would be found with any.
    """
    above = np.zeros((2, len(calibration.THRESHOLDS)))
    wanted = 0
    for probabilities, truth in zip(likely, samples.targets, strict=True):
        counted = truth != IGNORE
        best, confidence = _foreground(probabilities)
        above += calibration.above_thresholds(confidence[counted], (best == truth)[counted])
        wanted += int(((truth > 0) & counted).sum())
    return calibration.best_threshold(above, wanted)


@dataclass(frozen=True)
class _Chip:
    """One chip: its mask, its part of the calibration error, and of the curve of each class.

    above: As `calibration.above_thresholds`, for each class but the background.
    wanted: Pixels of each class but the background.
    """

    predicted: Array
    bins: Array
    above: Array
    wanted: Array


def _measured(probabilities: Array, truth: Array, threshold: float | None) -> _Chip:
    counted = truth != IGNORE
    likeliest = probabilities.argmax(axis=0)
    confidence = probabilities.max(axis=0)
    return _Chip(
        predicted=_mask(probabilities, likeliest, threshold),
        bins=calibration.bins_of(confidence[counted], (likeliest == truth)[counted]),
        above=np.stack(
            [
                calibration.above_thresholds(one[counted], (truth == index)[counted])
                for index, one in enumerate(probabilities[1:], start=1)
            ]
        ),
        wanted=np.array([(truth == index).sum() for index in range(1, len(probabilities))]),
    )


def _mask(probabilities: Array, likeliest: Array, threshold: float | None) -> Array:
    if threshold is None:
        exact: Array = likeliest.astype(np.uint8)
        return exact
    best, confidence = _foreground(probabilities)
    return np.where(confidence >= threshold, best, 0).astype(np.uint8)


def _foreground(probabilities: Array) -> tuple[Array, Array]:
    """The best class but the background of each pixel, and its probability: as predictions see it."""
    foreground = probabilities[1:]
    return 1 + foreground.argmax(axis=0), foreground.max(axis=0)


def _pixels(counts: Array, class_count: int) -> Array:
    """Confusion of the pixels of all samples, from their `metrics.statistics`."""
    both: Array = counts[:, : class_count**2].sum(axis=0).reshape(class_count, class_count)
    return both


def _curves(chips: Sequence[_Chip], classes: Sequence[str]) -> Mapping[str, Sequence[tuple[float, float]]]:
    above = np.sum([chip.above for chip in chips], axis=0)
    wanted = np.sum([chip.wanted for chip in chips], axis=0)
    return {
        f"precision_recall:{name}": list(_points(above[index][0], above[index][1], wanted[index]))
        for index, name in enumerate(classes[1:])
    }


def _points(found: Array, right: Array, wanted: int) -> Iterator[tuple[float, float]]:
    """Recall and precision at each threshold with which something is found."""
    for count, hits in zip(found, right, strict=True):
        if count and wanted:
            yield float(hits / wanted), float(hits / count)


def _pictures(samples: Samples, predicted: Array, scores: Sequence[float | None]) -> Mapping[str, Array]:
    return {
        samples.names[index]: pictures.side_by_side(
            samples.images[index], samples.targets[index], predicted[index]
        )
        for index in worst_median_best(scores)
    }
