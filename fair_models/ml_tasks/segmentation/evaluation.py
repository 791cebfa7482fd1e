"""Holds the probabilities of held-out chips against the truth, chip by chip. Numpy and scipy only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fair_models.data.samples import IGNORE, Samples
from fair_models.inference.parts import InstancePart, RasterPart
from fair_models.ml_tasks import calibration, evaluation
from fair_models.ml_tasks.pictures import worst_median_best
from fair_models.ml_tasks.results import Evaluation
from fair_models.ml_tasks.segmentation import instance_metrics, metrics, pictures
from fair_models.ml_tasks.segmentation.instance_metrics import SampleMatches
from fair_models.ml_tasks.segmentation.instances import InstanceRule
from fair_models.ml_tasks.segmentation.true_objects import TrueObjects
from fair_models.types import Array

Likely = Array | RasterPart | InstancePart
"""What a network says of a sample: what `postprocess` gives, or the probabilities alone, (classes, h, w)."""

MARKER_THRESHOLDS = np.arange(6, 19) / 20
"""Thresholds of interiors that are chosen from: 0.3, 0.35, ..., 0.9."""

_AS_GOOD = 0.005
"""F1 of objects that is no more below the best than this is as good: few chips do not tell more apart."""


def evaluate(
    samples: Samples,
    parts: Iterable[Likely],
    threshold: float | None,
    instances: InstanceRule | None = None,
) -> Evaluation:
    """Everything that is measured of a segmentation.

    Where the samples number their objects, those of the prediction are held against them too: what its
    interiors grow into where it has some, else connected pixels of a class. Where there are interiors and the
    samples number nothing, these metrics are None.

    Args:
        samples: The held-out chips; `IGNORE` counts nowhere.
        parts: What the network says of each, in the order of the samples.
        threshold: Least probability of a class but the background, as predictions use it. None: the most
            probable class is predicted.
        instances: How objects are made, and which count. Default: `InstanceRule()`.
    """
    true = TrueObjects(samples, instances or InstanceRule())
    chips = [_measured(samples, at, part, threshold, true) for at, part in enumerate(parts)]
    classes = samples.classes
    predicted = np.stack([chip.predicted for chip in chips])
    counts = metrics.statistics(predicted, samples.targets, len(classes))
    statistics = np.hstack([counts, np.stack([chip.bins for chip in chips])])
    guesses = metrics.guesses(counts.sum(axis=0), samples.targets, classes)
    summarise = evaluation.with_calibration(lambda sums: metrics.summarise(sums, classes))
    measured, ends = summarise(statistics.sum(axis=0)), evaluation.with_sums(statistics, summarise)
    each = [dict(summarise(one).metrics) for one in statistics]
    ceiling: evaluation.Values = {}
    has_interior = any(chip.has_interior for chip in chips)
    if true.things or has_interior:
        matched = true.by_class([chip.matches for chip in chips if chip.matches is not None])
        measured = evaluation.joined(measured, instance_metrics.summarise(matched))
        ends = evaluation.both_intervals(ends, instance_metrics.ends(matched, len(samples)))
        guesses = {
            name: evaluation.joined(guess, true.guessed(classes.index(metrics.guessed_class(name))))
            for name, guess in guesses.items()
        }
        for at, one in enumerate(each):
            own = {name: found.of_sample(at) for name, found in matched.items()}
            one.update(instance_metrics.summarise(own).metrics)
        ceiling = true.ceiling(with_interiors=has_interior).metrics
    guess = evaluation.best_guess(guesses)
    return evaluation.assemble(
        samples,
        measured,
        ends,
        guess,
        baseline_name=guess.names.get(f"fair:{classes[1]}_iou", metrics.guess_name(classes[0])),
        pictures=_pictures(samples, chips, [one[f"fair:{classes[1]}_iou"] for one in each]),
        curves=_curves(chips, classes),
        by_sample=each,
        confusion=evaluation.confusion(_pixels(counts, len(classes)), classes),
        ceiling=ceiling,
    )


def best_threshold(samples: Samples, parts: Iterable[Likely]) -> float | None:
    """The threshold with which most pixels of `samples` would be right: the one of the best F1.

    Args:
        samples: Chips; not those that are held out.
        parts: As for `evaluate`.

    Returns:
        None where no pixel would be found with any.
    """
    above = np.zeros((2, len(calibration.THRESHOLDS)))
    wanted = 0
    for part, truth in zip(parts, samples.targets, strict=True):
        counted = truth != IGNORE
        best, confidence = _foreground(_probabilities(part))
        above += calibration.above_thresholds(confidence[counted], (best == truth)[counted])
        wanted += int(((truth > 0) & counted).sum())
    return calibration.best_threshold(above, wanted)


def best_marker_threshold(
    samples: Samples, parts: Iterable[Likely], threshold: float | None, rule: InstanceRule
) -> float | None:
    """The threshold of interiors with which most objects of `samples` would be right: the one of the best F1.

    Args:
        samples: Chips whose objects are numbered; not those that are held out.
        parts: As for `evaluate`. Those without interiors say nothing.
        threshold: As for `evaluate`.
        rule: How objects are made; its own `marker_threshold` is not looked at.

    Returns:
        One of `MARKER_THRESHOLDS`: of those that are as good as the best the one nearest to one half. None
        where no object would be right with any, or none is numbered.
    """
    true = TrueObjects(samples, rule)
    pairs, either = np.zeros((2, len(MARKER_THRESHOLDS)))
    for at, part in enumerate(parts):
        if not true.things or not isinstance(part, InstancePart):
            continue
        mask = mask_of(part.probabilities, part.probabilities.argmax(axis=0), threshold)
        for place, least in enumerate(MARKER_THRESHOLDS):
            objects = true.found(at, mask, part.probabilities, part.interior, float(least))
            found = true.match(at, objects)
            pairs[place] += np.count_nonzero(found.ious > instance_metrics.PAIR)
            either[place] += len(found.ious) + found.wanted[true.things].sum()
    if not pairs.any():
        return None
    scores = 2 * pairs / np.maximum(either, 1)
    good = MARKER_THRESHOLDS[scores >= scores.max() - _AS_GOOD]
    return float(good[np.abs(good - 0.5).argmin()])


@dataclass(frozen=True)
class _Chip:
    """One chip: its mask, its part of the calibration error, and of the curve of each class.

    above: As `calibration.above_thresholds`, for each class but the background.
    wanted: Pixels of each class but the background.
    matches: Its objects; None where none are told apart.
    numbers: Number of the object of each pixel, for pictures; None likewise.
    has_interior: Whether the network says where interiors are.
    """

    predicted: Array
    bins: Array
    above: Array
    wanted: Array
    matches: SampleMatches | None
    numbers: Array | None
    has_interior: bool


def _measured(samples: Samples, at: int, part: Likely, threshold: float | None, true: TrueObjects) -> _Chip:
    probabilities, truth = _probabilities(part), samples.targets[at]
    counted = truth != IGNORE
    likeliest = probabilities.argmax(axis=0)
    confidence = probabilities.max(axis=0)
    mask = mask_of(probabilities, likeliest, threshold)
    interior = part.interior if isinstance(part, InstancePart) else None
    objects = true.found(at, mask, probabilities, interior) if true.things else None
    return _Chip(
        predicted=mask,
        bins=calibration.bins_of(confidence[counted], (likeliest == truth)[counted]),
        above=np.stack(
            [
                calibration.above_thresholds(one[counted], (truth == index)[counted])
                for index, one in enumerate(probabilities[1:], start=1)
            ]
        ),
        wanted=np.array([(truth == index).sum() for index in range(1, len(probabilities))]),
        matches=true.match(at, objects) if objects else None,
        numbers=objects.numbers.astype(np.uint16) if objects else None,
        has_interior=interior is not None,
    )


def _probabilities(part: Likely) -> Array:
    return part.probabilities if isinstance(part, RasterPart | InstancePart) else part


def mask_of(probabilities: Array, likeliest: Array, threshold: float | None) -> Array:
    """Class of each pixel, uint8, shape (height, width), as a prediction takes it.

    Args:
        probabilities: Probability of each class, shape (classes, height, width).
        likeliest: The most probable class of each pixel, shape (height, width).
        threshold: As for `evaluate`.
    """
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


def _pictures(
    samples: Samples, chips: Sequence[_Chip], scores: Sequence[float | None]
) -> Mapping[str, Array]:
    return {
        samples.names[index]: pictures.side_by_side(
            samples.images[index],
            samples.targets[index],
            chips[index].predicted,
            None if samples.instances is None else samples.instances[index],
            chips[index].numbers,
        )
        for index in worst_median_best(scores)
    }
