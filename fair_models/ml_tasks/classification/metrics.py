"""How often the class of a sample is right. Numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fair_models.types import Array


def accuracy(predicted: Array, truth: Array) -> float | None:
    """Share of the samples whose class is right.

    Args:
        predicted: Class index of each sample, shape (n,).
        truth: Same shape, same indices.

    Returns:
        Accuracy in [0, 1]; `None` where there is no sample.
    """
    return _ratio(int((predicted == truth).sum()), len(truth))


def precision(predicted: Array, truth: Array, index: int) -> float | None:
    """Share of the samples taken for a class that are of it; `None` where none was taken for it."""
    return _ratio(_hits(predicted, truth, index), int((predicted == index).sum()))


def recall(predicted: Array, truth: Array, index: int) -> float | None:
    """Share of the samples of a class that were taken for it; `None` where there is none of it."""
    return _ratio(_hits(predicted, truth, index), int((truth == index).sum()))


def f1(predicted: Array, truth: Array, index: int) -> float | None:
    """Harmonic mean of precision and recall of a class.

    Returns:
        F1 in [0, 1]; `None` where neither array has the class: an absent class is not a class scored zero.
    """
    both = int((predicted == index).sum()) + int((truth == index).sum())
    return _ratio(2 * _hits(predicted, truth, index), both)


def measure(predicted: Array, truth: Array, classes: Sequence[str]) -> dict[str, float | None]:
    """All metrics of a classification, by the keys that items use.

    Args:
        predicted: Class index of each sample, shape (n,).
        truth: Same shape, same indices.
        classes: Class names; the position is the index, 0 the background.

    Returns:
        `fair:accuracy`, `fair:mean_f1` over all classes that occur, and `fair:<class>_precision`,
        `fair:<class>_recall`, `fair:<class>_f1` for each class; in [0, 1], or None where there was nothing.
    """
    by_class: dict[str, float | None] = {}
    for index, name in enumerate(classes):
        by_class[f"fair:{name}_precision"] = precision(predicted, truth, index)
        by_class[f"fair:{name}_recall"] = recall(predicted, truth, index)
        by_class[f"fair:{name}_f1"] = f1(predicted, truth, index)
    known = [value for name in classes if (value := by_class[f"fair:{name}_f1"]) is not None]
    return {
        "fair:accuracy": accuracy(predicted, truth),
        "fair:mean_f1": float(np.mean(known)) if known else None,
        **by_class,
    }


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


def _hits(predicted: Array, truth: Array, index: int) -> int:
    return int(((predicted == index) & (truth == index)).sum())


def _ratio(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None
