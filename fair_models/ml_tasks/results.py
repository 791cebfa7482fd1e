"""What training and evaluation report, whatever the ML task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fair_models.types import Array


@dataclass(frozen=True)
class Epoch:
    """One pass over the training samples.

    number: 1 to `total`.
    values: Metrics of this epoch by name, e.g. {"loss": 0.41, "validation_loss": 0.52}.
    """

    number: int
    total: int
    values: Mapping[str, float]


Interval = tuple[float, float]
"""Lower and upper end."""

ClassRow = Mapping[str, float | int | str | None]
"""Metrics of one class: its name in "class", and what was measured of it; None where nothing was."""

Report = Callable[[Epoch], None]
"""Called after each epoch; draws progress and keeps the curves. May raise to stop the training."""


@dataclass(frozen=True)
class Evaluation:
    """How a model does on samples that it has not learnt from.

    metrics: Value by key of `fair:metrics_spec`, e.g. {"fair:building_iou": 0.74}. None where nothing
        was measured: an absent class is not a class scored zero.
    baseline: The same keys for the simplest guess, e.g. "everything is a building": of each metric the guess
        that is best at it.
    baseline_name: What that guess is, in words; of the main metric where they differ.
    baseline_names: What it is for each metric that has one. Empty: one guess for all metrics.
    sample_count: How many held-out samples were measured.
    pictures: RGB images for people by file stem, uint8, shape (height, width, 3).
    intervals: 95 % interval of each metric over other draws of held-out samples, by the same keys; None
        where there is none. See `ml_tasks.intervals`.
    classes: One row for each class, e.g. {"class": "building", "iou": 0.74}. A training adds how many labels
        of it the dataset has ("train", "held_out").
    confusion: How many are of the first class and were taken for the second, e.g.
        {"background": {"background": 9, "building": 1}, ...}: pixels, chips or objects, as the task counts.
    curves: Points (x, y) in order by name, e.g. "precision_recall:building": recall, precision.
    samples: The main metrics of each held-out sample by its name.
    ceiling: What a perfect mask reaches on the same samples where its objects are told apart in the same way,
        by the keys of the metrics that this bounds.
    """

    metrics: Mapping[str, float | None]
    baseline: Mapping[str, float | None]
    baseline_name: str
    sample_count: int
    pictures: Mapping[str, Array] = field(default_factory=dict)
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    classes: Sequence[ClassRow] = ()
    confusion: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    baseline_names: Mapping[str, str] = field(default_factory=dict)
    ceiling: Mapping[str, float | None] = field(default_factory=dict)
