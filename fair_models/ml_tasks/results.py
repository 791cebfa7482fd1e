"""What training and evaluation report, whatever the ML task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fair_models.types import Array


@dataclass(frozen=True)
class Epoch:
    """One pass over the training samples.

    number: 1 to `total`.
    values: Figures of this epoch by name, e.g. {"loss": 0.41, "validation_loss": 0.52}.
    """

    number: int
    total: int
    values: Mapping[str, float]


Report = Callable[[Epoch], None]
"""Called after each epoch; draws progress and keeps the curves. May raise to stop the training."""


@dataclass(frozen=True)
class Evaluation:
    """How a model does on samples that it has not learnt from.

    metrics: Value by key of `fair:metrics_spec`, e.g. {"fair:building_iou": 0.74}. None where nothing
        was measured: an absent class is not a class scored zero.
    baseline: The same keys for the simplest guess, e.g. "everything is a building".
    baseline_name: What that guess is, in words.
    pictures: RGB images for people by file stem, uint8, shape (height, width, 3).
    sample_count: How many held-out samples were measured.
    """

    metrics: Mapping[str, float | None]
    baseline: Mapping[str, float | None]
    baseline_name: str
    sample_count: int
    pictures: Mapping[str, Array] = field(default_factory=dict)
