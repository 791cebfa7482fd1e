"""How often the class of a sample is right. Numpy only.

All metrics follow from counts that are summed over the samples, so that any choice of samples can be measured
from what each adds (`statistics`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fair_models.ml_tasks.averages import mean, ratio
from fair_models.ml_tasks.evaluation import Measurement
from fair_models.types import Array


def statistics(predicted: Array, truth: Array, class_count: int) -> Array:
    """What each sample adds to the metrics.

    Args:
        predicted: Class index of each sample, shape (n,).
        truth: Same shape, same indices.
        class_count: Number of classes, the background included.

    Returns:
        Float64, shape (n, class_count ** 2): one at the pair of its class (rows) and the one predicted
        (columns), zero elsewhere.
    """
    pairs = truth.astype(np.int64) * class_count + predicted
    return np.eye(class_count**2)[pairs]


def summarise(sums: Array, classes: Sequence[str]) -> Measurement:
    """All metrics of a classification from the sum of `statistics` over the samples.

    Args:
        sums: Shape (class_count ** 2,).
        classes: Class names; the position is the index, 0 the background.

    Returns:
        `fair:accuracy`, `fair:mean_f1` over all classes that occur, and `fair:<class>_precision`,
        `fair:<class>_recall`, `fair:<class>_f1` for each class; in [0, 1], or None where there was nothing:
        an absent class is not a class scored zero. The last three of each class too.
    """
    both = sums.reshape(len(classes), len(classes))
    by_class = {name: _figures_of(both, index) for index, name in enumerate(classes)}
    metrics = {
        "fair:accuracy": ratio(np.trace(both), both.sum()),
        "fair:mean_f1": mean([each["f1"] for each in by_class.values()]),
        **{f"fair:{name}_{key}": value for name, each in by_class.items() for key, value in each.items()},
    }
    return Measurement(metrics, by_class)


def measure(predicted: Array, truth: Array, classes: Sequence[str]) -> Measurement:
    """All metrics of some samples.

    Args:
        predicted: Class index of each sample, shape (n,).
        truth: Same shape, same indices.
        classes: Class names; the position is the index, 0 the background.

    Returns:
        As `summarise` does.
    """
    return summarise(statistics(predicted, truth, len(classes)).sum(axis=0), classes)


def simplest_guess(truth: Array, classes: Sequence[str]) -> tuple[Array, str]:
    """Every sample is of the most frequent class, the first one where several are.

    Args:
        truth: Class index of each sample, shape (n,).
        classes: Class names; the position is the index, 0 the background.

    Returns:
        The guess, of the same shape, and what it is in words, e.g. "every chip is building".
    """
    index = int(np.bincount(truth, minlength=len(classes)).argmax())
    return np.full_like(truth, index), f"every chip is {classes[index]}"


def guesses(sums: Array, classes: Sequence[str]) -> dict[str, Measurement]:
    """What is reached if every sample is taken for one class, for each that occurs: the most frequent first.

    Args:
        sums: Sum of `statistics` over the samples, of any prediction: it says how many are of each class.
        classes: Class names; the position is the index, 0 the background.

    Returns:
        Metrics by what the guess is in words, e.g. "every chip is building".
    """
    truth = sums.reshape(len(classes), len(classes)).sum(axis=1)
    found = {}
    for index in np.argsort(-truth, kind="stable")[: np.count_nonzero(truth)]:
        both = np.zeros((len(classes), len(classes)))
        both[:, index] = truth
        found[f"every chip is {classes[index]}"] = summarise(both.ravel(), classes)
    return found


def _figures_of(both: Array, index: int) -> dict[str, float | None]:
    """Precision is None where no sample was taken for the class, recall where there is none of it."""
    hits, taken, there = both[index, index], both[:, index].sum(), both[index].sum()
    return {
        "precision": ratio(hits, taken),
        "recall": ratio(hits, there),
        "f1": ratio(2 * hits, taken + there),
    }
