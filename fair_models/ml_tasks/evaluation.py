"""Metrics of a model as a whole and of each class, with their intervals, whatever the ML task. Numpy only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from fair_models.data.samples import Samples
from fair_models.ml_tasks import calibration, intervals
from fair_models.ml_tasks.results import ClassRow, Evaluation, Interval
from fair_models.types import Array

CALIBRATION_ERROR = "fair:calibration_error"
"""Key of the expected calibration error."""

Values = Mapping[str, float | None]

T = TypeVar("T")


@dataclass(frozen=True)
class Measurement:
    """What was measured on some samples; None where nothing was.

    metrics: By the keys that items use, e.g. {"fair:mean_iou": 0.8}.
    classes: By class, then by measure, e.g. {"building": {"iou": 0.74}}.
    """

    metrics: Values
    classes: Mapping[str, Values] = field(default_factory=dict)


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of `Measurement`, under the same names; None where there is none."""

    metrics: Mapping[str, Interval | None]
    classes: Mapping[str, Mapping[str, Interval | None]]


@dataclass(frozen=True)
class Guess:
    """What can be reached without looking at an image: each metric by the simple guess that is best at it.

    measurement: Under the same keys as the model's.
    names: Of each metric that has a value, which guess that is, e.g. "everything is building".
    """

    measurement: Measurement
    names: Mapping[str, str]


def joined(one: Measurement, other: Measurement) -> Measurement:
    """Both as one; the classes of the first come first."""
    return Measurement({**one.metrics, **other.metrics}, _rows(one.classes, other.classes))


def both_intervals(one: Intervals, other: Intervals) -> Intervals:
    """Those of two measurements as `joined` makes one of them."""
    return Intervals({**one.metrics, **other.metrics}, _rows(one.classes, other.classes))


def best_guess(guesses: Mapping[str, Measurement], lower_is_better: Collection[str] = ()) -> Guess:
    """Take of each metric, and of each measure of a class, the best of several simple guesses.

    One guess for all would be easy to beat where it is bad: "everything is road" has a building IoU of 0.

    Args:
        guesses: By what they are in words, all with the same keys. Of equally good ones the first counts.
        lower_is_better: Keys of metrics of which less is better.
    """
    metrics: dict[str, float | None] = {}
    names: dict[str, str] = {}
    classes: dict[str, dict[str, float | None]] = {}
    for guess, found in guesses.items():
        for key, value in found.metrics.items():
            best = _better(metrics.get(key), value, lower=key in lower_is_better)
            if value is not None and best != metrics.get(key):
                names[key] = guess
            metrics[key] = best
        for name, values in found.classes.items():
            row = classes.setdefault(name, {})
            row.update({key: _better(row.get(key), value) for key, value in values.items()})
    return Guess(Measurement(metrics, classes), names)


def with_sums(statistics: Array, summarise: Callable[[Array], Measurement]) -> Intervals:
    """Intervals of metrics that follow from sums over the samples.

    Args:
        statistics: What each sample adds, shape (n, k).
        summarise: From the sum over samples, shape (k,).
    """
    return _named(intervals.bootstrap(statistics, lambda sums: _flat(summarise(sums))))


def with_samples(count: int, summarise: Callable[[Array], Measurement]) -> Intervals:
    """Intervals of metrics that need the samples themselves.

    Args:
        count: How many samples there are.
        summarise: From positions of samples, some of them more than once, int64, shape (count,).
    """
    return _named(intervals.resample(count, lambda positions: _flat(summarise(positions))))


def with_calibration(summarise: Callable[[Array], Measurement]) -> Callable[[Array], Measurement]:
    """Add the calibration error to metrics.

    Args:
        summarise: From the sum over samples, shape (k,).

    Returns:
        The same from sums of shape (k + 3 * BINS,), of which the last are those of `calibration.bins_of`.
    """

    def both(sums: Array) -> Measurement:
        found = summarise(sums[: -3 * calibration.BINS])
        error = calibration.expected_error(sums[-3 * calibration.BINS :])
        return Measurement({**found.metrics, CALIBRATION_ERROR: error}, found.classes)

    return both


def assemble(
    samples: Samples,
    measured: Measurement,
    ends: Intervals,
    guess: Guess,
    *,
    baseline_name: str,
    pictures: Mapping[str, Array],
    curves: Mapping[str, Sequence[tuple[float, float]]],
    by_sample: Sequence[Values],
    confusion: Mapping[str, Mapping[str, int]] | None = None,
    ceiling: Values | None = None,
) -> Evaluation:
    """The record of an evaluation, from what a task measures.

    Args:
        samples: The held-out samples.
        measured: Metrics of the model over all of them.
        ends: Intervals of these metrics.
        guess: The simplest guesses. They give no scores, so they have no calibration error.
        baseline_name: The guess that the main metric is compared with, in words.
        pictures: As in `Evaluation`.
        curves: As in `Evaluation`.
        by_sample: The main metrics of each sample, in the order of the samples.
        confusion: As in `Evaluation`. None: the task counts none.
        ceiling: As in `Evaluation`. None: the task knows none.
    """
    return Evaluation(
        metrics=measured.metrics,
        baseline={**guess.measurement.metrics, CALIBRATION_ERROR: None},
        baseline_name=baseline_name,
        baseline_names=guess.names,
        sample_count=len(samples),
        pictures=pictures,
        intervals=ends.metrics,
        classes=class_rows(measured, guess.measurement, ends),
        confusion=confusion or {},
        curves=curves,
        samples=dict(zip(samples.names, by_sample, strict=True)),
        ceiling=ceiling or {},
    )


def class_rows(measured: Measurement, baseline: Measurement, ends: Intervals) -> list[ClassRow]:
    """One row for each class: each measure with its interval and the simplest guess's value beside it.

    Returns:
        E.g. [{"class": "building", "iou": 0.74, "iou_low": 0.7, "iou_high": 0.78, "iou_baseline": 0.2}].
    """
    return [
        {"class": name, **_columns(name, values, baseline, ends)} for name, values in measured.classes.items()
    ]


def confusion(both: Array, classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Counts by class of the truth (rows) and class predicted (columns) under the names of the classes."""
    return {
        truth: {name: int(count) for name, count in zip(classes, row, strict=True)}
        for truth, row in zip(classes, both, strict=True)
    }


def _rows(
    one: Mapping[str, Mapping[str, T]], other: Mapping[str, Mapping[str, T]]
) -> dict[str, dict[str, T]]:
    """Rows of classes with the columns of both."""
    return {name: {**one.get(name, {}), **other.get(name, {})} for name in dict.fromkeys([*one, *other])}


def _better(one: float | None, other: float | None, *, lower: bool = False) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return (min if lower else max)(known, default=None)


def _columns(name: str, values: Values, baseline: Measurement, ends: Intervals) -> dict[str, float | None]:
    columns: dict[str, float | None] = {}
    for key, value in values.items():
        low, high = ends.classes.get(name, {}).get(key) or (None, None)
        guessed = baseline.classes.get(name, {}).get(key)
        columns |= {key: value, f"{key}_low": low, f"{key}_high": high, f"{key}_baseline": guessed}
    return columns


_BETWEEN = "\0"
"""Between a class and a measure; no name has it."""


def _flat(measurement: Measurement) -> dict[str, float | None]:
    of_classes = {
        f"{name}{_BETWEEN}{key}": value
        for name, values in measurement.classes.items()
        for key, value in values.items()
    }
    return {**measurement.metrics, **of_classes}


def _named(ends: Mapping[str, Interval | None]) -> Intervals:
    metrics = {key: interval for key, interval in ends.items() if _BETWEEN not in key}
    classes: dict[str, dict[str, Interval | None]] = {}
    for key, interval in ends.items():
        name, between, measure = key.partition(_BETWEEN)
        if between:
            classes.setdefault(name, {})[measure] = interval
    return Intervals(metrics, classes)
