"""Holds boxes found on held-out chips against the truth, chip by chip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from fair_models.data.samples import Samples
from fair_models.ml_tasks import calibration, evaluation
from fair_models.ml_tasks.average_precision import IOU_THRESHOLDS
from fair_models.ml_tasks.detection import metrics, pictures
from fair_models.ml_tasks.detection.metrics import Boxes, Matches
from fair_models.ml_tasks.detection.targets import ignored, listed
from fair_models.ml_tasks.evaluation import Guess, Measurement
from fair_models.ml_tasks.pictures import worst_median_best
from fair_models.ml_tasks.results import Evaluation
from fair_models.types import Array

_MIN_IGNORED = 0.5
"""Share of a box on ground to ignore from which on it counts neither way."""


def evaluate(samples: Samples, found: Sequence[Boxes], threshold: float) -> Evaluation:
    """Everything that is measured of a detection.

    Args:
        samples: The held-out chips.
        found: Boxes of all scores, in the order of the samples.
        threshold: Least score of a box that predictions keep.
    """
    truth, names = true_boxes(samples), samples.classes[1:]
    found = _counting(samples, found, truth)
    matched = metrics.matches(truth, found, len(names))
    measured = metrics.summarise(matched, names, threshold)
    ends = evaluation.with_samples(len(samples), _resampled(matched, names, threshold))
    guess, guess_name = metrics.simplest_guess(truth, samples.images.shape[-1])
    baseline = metrics.summarise(metrics.matches(truth, guess, len(names)), names, threshold)
    each = [metrics.summarise(matched, names, threshold, one).metrics for one in np.eye(len(samples))]
    return evaluation.assemble(
        samples,
        measured,
        ends,
        Guess(baseline, {}),
        baseline_name=guess_name,
        pictures=_pictures(samples, truth, found, threshold, [one["fair:map_50"] for one in each]),
        curves={
            f"precision_recall:{name}": list(_points(one)) for name, one in zip(names, matched, strict=True)
        },
        by_sample=each,
    )


def best_threshold(samples: Samples, found: Sequence[Boxes]) -> float | None:
    """The threshold with the best F1 over all classes.

    Args:
        samples: Chips; not those that are held out.
        found: As for `evaluate`.

    Returns:
        None where nothing right would be found with any.
    """
    truth = true_boxes(samples)
    matched = metrics.matches(truth, _counting(samples, found, truth), len(samples.classes) - 1)
    above = np.sum([calibration.above_thresholds(one.scores, one.right[0]) for one in matched], axis=0)
    return calibration.best_threshold(above, int(sum(one.wanted.sum() for one in matched)))


def true_boxes(samples: Samples) -> list[Boxes]:
    """The boxes that samples should have."""
    both = [listed(np.asarray(target)) for target in samples.targets]
    return [Boxes(geometries, classes, np.ones(len(classes))) for geometries, classes in both]


def _counting(samples: Samples, found: Sequence[Boxes], truth: Sequence[Boxes]) -> list[Boxes]:
    """What was found, without what lies on ground to ignore and is no true box either."""
    return [
        boxes.select(~_on_ignored(boxes.geometries, ignored(np.asarray(target)), true.geometries))
        for boxes, target, true in zip(found, samples.targets, truth, strict=True)
    ]


def _on_ignored(boxes: Array, places: Array, truth: Array) -> Array:
    """Which boxes lie with more than half of their area on places to ignore, and on no true box."""
    import shapely

    if not len(boxes) or not len(places):
        return np.zeros(len(boxes), dtype=bool)
    own = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    ground = shapely.union_all(shapely.box(*places.T))
    inside = shapely.area(shapely.intersection(shapely.box(*boxes.T), ground)) > _MIN_IGNORED * own
    if not len(truth):
        return np.asarray(inside)
    shared, theirs = _shared(boxes, truth), (truth[:, 2:] - truth[:, :2]).prod(axis=1)
    either = own[:, None] + theirs - shared
    return np.asarray(inside & ~(shared >= IOU_THRESHOLDS[0] * either).any(axis=1))


def _shared(boxes: Array, others: Array) -> Array:
    """Area that each of some boxes shares with each of others, shape (n, m)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.asarray((high - low).clip(min=0).prod(axis=2))


def _resampled(
    matched: Sequence[Matches], names: Sequence[str], threshold: float
) -> Callable[[Array], Measurement]:
    def summarise(positions: Array) -> Measurement:
        weights = np.bincount(positions, minlength=len(positions)).astype(np.float64)
        return metrics.summarise(matched, names, threshold, weights)

    return summarise


def _points(matched: Matches) -> Iterator[tuple[float, float]]:
    """Recall and precision at each threshold with which something is found."""
    wanted = int(matched.wanted.sum())
    for count, hits in zip(*calibration.above_thresholds(matched.scores, matched.right[0]), strict=True):
        if count and wanted:
            yield float(hits / wanted), float(hits / count)


def _pictures(
    samples: Samples,
    truth: Sequence[Boxes],
    found: Sequence[Boxes],
    threshold: float,
    scores: Sequence[float | None],
) -> Mapping[str, Array]:
    return {
        samples.names[at]: pictures.side_by_side(
            samples.images[at], truth[at], found[at].select(found[at].scores >= threshold)
        )
        for at in worst_median_best(scores)
    }
