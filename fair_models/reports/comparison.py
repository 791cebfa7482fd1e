"""What a comparison of versions found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pystac import Item

from fair_models.catalog.items import guesses
from fair_models.ml_tasks.results import Evaluation, Interval
from fair_models.params import HyperparameterValue
from fair_models.types import Array, Json


@dataclass(frozen=True)
class Contender:
    """A version that is compared.

    id: Exact, e.g. "banepa-roofs-v3".
    trained_on: Exact id of the dataset that it learnt from; None for a base model.
    metrics_spec: `fair:metrics_spec`, the main metric first.
    hyperparameters: All values that it was trained with.
    """

    id: str
    kind: Literal["base model", "published", "trained"]
    trained_on: str | None
    metrics_spec: list[Json]
    hyperparameters: Mapping[str, HyperparameterValue]


@dataclass(frozen=True)
class Side:
    """One version on one dataset.

    evaluation: What was measured now; None where that was not possible, and `problem` says why.
    seen: How many of the held-out chips it was trained on; None where that is not known.
    difference: How much better its main metric is than the first version's, as the mean over the held-out
        samples where both have one. None for the first, and where there is no such sample.
    difference_interval: 95 % interval of that over other draws of the same samples.
    seen_in_area: On an area: how many of all chips of the area it was trained on; None likewise.
    """

    contender: Contender
    evaluation: Evaluation | None = None
    problem: str = ""
    seen: int | None = None
    difference: float | None = None
    difference_interval: Interval | None = None
    seen_in_area: int | None = None


@dataclass(frozen=True)
class Sample:
    """A held-out sample on which versions differ.

    values: Main metric by version; those without one are not among them.
    pictures: By version: RGB, uint8, shape (height, width, 3), as its evaluation draws them.
    """

    name: str
    values: Mapping[str, float]
    pictures: Mapping[str, Array]


@dataclass(frozen=True)
class Ground:
    """All versions on the held-out chips of one dataset, or of one of its areas.

    metric: Entry of `fair:metrics_spec` that they are compared by: the first one's main metric.
    samples: Those on which they differ most, the largest difference first.
    area: Name of the area; empty for the dataset as a whole.
    is_whole_area: Whether all chips of the area were measured on, for no version has learnt from any.
    areas: The same on each area that has held-out chips, where that was asked for.
    """

    dataset: Item
    metric: Json
    sides: Sequence[Side]
    samples: Sequence[Sample] = field(default_factory=list)
    area: str = ""
    is_whole_area: bool = False
    areas: Sequence[Ground] = ()

    @property
    def key(self) -> str:
        """Key of the metric that they are compared by."""
        return str(self.metric["key"])

    @property
    def sign(self) -> int:
        """1 where more of the metric is better, else -1."""
        return 1 if self.metric.get("higher_is_better", True) else -1

    @property
    def measured(self) -> list[Side]:
        """Those that could be measured."""
        return [side for side in self.sides if side.evaluation is not None]

    @property
    def best(self) -> Side | None:
        """The best by that metric, the first one of several. None where none has a value."""
        known = [side for side in self.measured if value_of(side, self.key) is not None]
        return max(known, key=lambda side: self.sign * (value_of(side, self.key) or 0.0), default=None)

    @property
    def doubts(self) -> dict[str, str]:
        """Why the metric speaks against a version, by its id: it is no better than the simplest guess."""
        return {side.contender.id: doubt for side in self.measured if (doubt := _doubt(side, self.metric))}


def _doubt(side: Side, metric: Json) -> str | None:
    evaluation, key = side.evaluation, str(metric["key"])
    if evaluation is None:
        return None
    name = evaluation.baseline_names.get(key, evaluation.baseline_name)
    return guesses.doubt(metric, evaluation.metrics.get(key), evaluation.baseline.get(key), name)


def value_of(side: Side, key: str) -> float | None:
    """A metric of a version; None where nothing was measured."""
    return side.evaluation.metrics.get(key) if side.evaluation is not None else None
