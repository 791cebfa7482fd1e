"""Holds the probabilities of held-out chips against their classes. Needs scikit-learn for curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fair_models.data.samples import Samples
from fair_models.ml_tasks import calibration, evaluation
from fair_models.ml_tasks.classification import metrics, pictures
from fair_models.ml_tasks.pictures import worst_median_best
from fair_models.ml_tasks.results import Evaluation
from fair_models.types import Array

MAX_POINTS = 100
"""Most points of a curve, spread evenly."""


def evaluate(samples: Samples, likely: Array, threshold: float | None) -> Evaluation:
    """Everything that is measured of a classification.

    Args:
        samples: The held-out chips.
        likely: Probabilities of each class, shape (n, classes), in the order of the samples.
        threshold: Least probability of a class but the background, as predictions use it. None: the most
            probable class is predicted.
    """
    truth, classes = samples.targets, samples.classes
    predicted = _classes(likely, threshold)
    counts = metrics.statistics(predicted, truth, len(classes))
    right = likely.argmax(axis=1) == truth
    bins = [
        calibration.bins_of(*each) for each in zip(likely.max(axis=1)[:, None], right[:, None], strict=True)
    ]
    statistics = np.hstack([counts, np.stack(bins)])
    guess = evaluation.best_guess(metrics.guesses(counts.sum(axis=0), classes))
    summarise = evaluation.with_calibration(lambda sums: metrics.summarise(sums, classes))
    measured, ends = summarise(statistics.sum(axis=0)), evaluation.with_sums(statistics, summarise)
    return evaluation.assemble(
        samples,
        measured,
        ends,
        guess,
        baseline_name=guess.names["fair:accuracy"],
        pictures=_pictures(samples, likely, predicted),
        curves=_curves(likely, truth, classes),
        by_sample=[{"fair:accuracy": float(one)} for one in predicted == truth],
        confusion=evaluation.confusion(counts.sum(axis=0).reshape(len(classes), len(classes)), classes),
    )


def best_threshold(samples: Samples, likely: Array) -> float | None:
    """The threshold with which most chips of `samples` would be right: the one of the best F1.

    Args:
        samples: Chips; not those that are held out.
        likely: As for `evaluate`.

    Returns:
        None where no chip of a class but the background would be found with any.
    """
    best, confidence = _foreground(likely)
    above = calibration.above_thresholds(confidence, best == samples.targets)
    return calibration.best_threshold(above, int((samples.targets > 0).sum()))


def _classes(likely: Array, threshold: float | None) -> Array:
    if threshold is None:
        best: Array = likely.argmax(axis=1)
        return best.astype(np.uint8)
    best, confidence = _foreground(likely)
    return np.where(confidence >= threshold, best, 0).astype(np.uint8)


def _foreground(likely: Array) -> tuple[Array, Array]:
    """The best class but the background of each chip, and its probability: as predictions see it."""
    return 1 + likely[:, 1:].argmax(axis=1), likely[:, 1:].max(axis=1)


def _curves(likely: Array, truth: Array, classes: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    """Recall and precision of each class but the background, as the threshold falls."""
    from sklearn.metrics import precision_recall_curve

    curves = {}
    for index, name in enumerate(classes[1:], start=1):
        if not (truth == index).any():
            continue
        precision, recall, _ = precision_recall_curve(truth == index, likely[:, index])
        chosen = np.unique(np.linspace(0, len(recall) - 1, MAX_POINTS).astype(int))[::-1]
        curves[f"precision_recall:{name}"] = [(float(recall[at]), float(precision[at])) for at in chosen]
    return curves


def _pictures(samples: Samples, likely: Array, predicted: Array) -> Mapping[str, Array]:
    found = likely[np.arange(len(samples)), samples.targets]
    return {
        _caption(samples, index, int(predicted[index])): pictures.framed(
            samples.images[index], int(samples.targets[index]), int(predicted[index])
        )
        for index in worst_median_best([float(each) for each in found])
    }


def _caption(samples: Samples, index: int, predicted: int) -> str:
    """The chip, what it is and what it was taken for, as a file stem."""
    truth = samples.classes[int(samples.targets[index])]
    return f"{samples.names[index]}-{truth}-seen-as-{samples.classes[predicted]}"
