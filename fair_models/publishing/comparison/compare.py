"""Versions side by side on the same held-out chips, measured now, by the same code as at the gates."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pystac import Item

from fair_models.catalog.items import versions
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.protocol import Catalog
from fair_models.errors import (
    Corrupted,
    FairModelsError,
    IncompatibleDataset,
    Invalid,
    NotFound,
    TrainingFailed,
)
from fair_models.ml_tasks import intervals
from fair_models.ml_tasks.results import Evaluation
from fair_models.params import CompareParams
from fair_models.publishing.candidate import Learnt, learnt, seen
from fair_models.publishing.comparison import area_chips
from fair_models.publishing.comparison.area_chips import AreaChips
from fair_models.publishing.comparison.contenders import Measurable, find
from fair_models.publishing.dataset_facts import mapped_areas
from fair_models.reports.comparison import Contender, Ground, Sample, Side
from fair_models.store.protocol import Store
from fair_models.training.ledger import Ledger
from fair_models.types import DATASETS, Array

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
"""Takes how many measurements are done, how many there are, and what is being done."""

_AT_ONCE = 3
"""Samples whose pictures are asked for together: an evaluation shows the worst, the median and the best."""


def compare(
    params: CompareParams,
    catalog: Catalog,
    store: Store,
    ledger: Ledger,
    progress: Progress = lambda done, total, doing: None,
) -> list[Ground]:
    """Measure versions on the held-out chips of a dataset, and of slices, and find where they differ.

    Args:
        params: Which versions, on what.
        catalog: Where datasets and published versions are.
        store: Where their files lie.
        ledger: Where versions are that were not published.
        progress: Told before each measurement.

    Returns:
        One for the dataset, then one for each slice in the order given.

    Raises:
        NotFound: A version or dataset is not there; names the nearest.
        Invalid: A version's training did not complete; no version says what to measure on; areas are asked
            for and no dataset has any; or none can be measured on the dataset, or has a value of the metric
            there. Says why for each. A slice that fits none is told beside the others.
    """
    contenders = [find(reference, catalog, store, ledger) for reference in dict.fromkeys(params.versions)]
    grounds = [
        versions.resolve(catalog, DATASETS, reference)
        for reference in dict.fromkeys([_dataset(params, contenders), *params.slices])
    ]
    total = len(grounds) * len(contenders)
    if params.by == "area":
        mapped_areas.require_recorded(grounds)
    made: list[Ground] = []
    for number, dataset in enumerate(grounds):
        of_area = area_chips.of_dataset(dataset, contenders, catalog, store) if params.by == "area" else {}
        bench = _Bench(dataset, catalog, store, of_area)
        found = []
        for place, contender in enumerate(contenders):
            progress(number * len(contenders) + place, total, f"measuring {contender.id} on {dataset.id}")
            found.append(bench.measure(contender))
        sides = [each.whole for each in found]
        if made and not any(side.evaluation for side in sides):
            made.append(Ground(dataset, made[0].metric, sides))
            continue
        ground = _ground(dataset, sides, contenders, 0 if made else params.pictures)
        made.append(replace(ground, areas=list(_of_areas(ground, found, of_area))))
    _require_value(made[0])
    return made


def _of_areas(whole: Ground, found: Sequence[_Measured], areas: Mapping[str, AreaChips]) -> Iterator[Ground]:
    """The versions side by side on each area."""
    for name, chosen in areas.items():
        sides = [each.areas[name] for each in found]
        ground = Ground(whole.dataset, whole.metric, sides, area=name, is_whole_area=chosen.are_all)
        yield _beside_each_other(ground)


def _require_value(ground: Ground) -> None:
    """Versions of which nothing was measured cannot be told apart."""
    if ground.best is None:
        names = ", ".join(side.contender.id for side in ground.measured)
        raise Invalid(
            f"Nothing can be compared on {ground.dataset.id}: {ground.key} has no value there for {names}. "
            "Name a dataset whose held-out chips hold what they map: --dataset, see fair-models list datasets"
        )


@dataclass(frozen=True)
class _Measured:
    """A version on a dataset as a whole, and on each of its areas by name."""

    whole: Side
    areas: Mapping[str, Side]


class _Bench:
    """One dataset, the chips of its areas, and who is measured on it."""

    def __init__(self, dataset: Item, catalog: Catalog, store: Store, areas: Mapping[str, AreaChips]) -> None:
        self._dataset, self._catalog, self._store = dataset, catalog, store
        self._areas = areas

    def measure(self, contender: Measurable) -> _Measured:
        try:
            measuring = contender.open_on(self._dataset)
            evaluation = measuring.all()
            of_areas = {name: measuring.of_chips(own.names) for name, own in self._areas.items()}
        except IncompatibleDataset as error:
            return self._without(contender, f"the dataset does not fit it: {'; '.join(error.reasons)}")
        except (NotFound, Corrupted, Invalid, TrainingFailed) as error:
            return self._without(contender, str(error))
        if problem := _nothing_measured(evaluation):
            return self._without(contender, problem)
        known = self._learnt(contender) if self._areas else None
        return _Measured(
            Side(contender, evaluation, seen=self._seen(contender)),
            {name: self._of_area(contender, name, each, known) for name, each in of_areas.items()},
        )

    def _of_area(
        self, contender: Contender, area: str, evaluation: Evaluation | None, known: Learnt | None
    ) -> Side:
        problem = _nothing_measured(evaluation) if evaluation else "its chips make no sample"
        if problem:
            return Side(contender, problem=problem)
        if known is None:
            return Side(contender, evaluation)
        own = known.names.intersection(known.split.areas[area])
        return Side(contender, evaluation, seen=len(own & self._areas[area].names), seen_in_area=len(own))

    def _without(self, contender: Contender, problem: str) -> _Measured:
        logger.warning("%s is not measured on %s: %s", contender.id, self._dataset.id, problem)
        side = Side(contender, problem=problem)
        return _Measured(side, dict.fromkeys(self._areas, side))

    def _learnt(self, contender: Contender) -> Learnt | None:
        if contender.trained_on is None:
            return None
        return learnt(contender.trained_on, DatasetItem(self._dataset), self._catalog, self._store)

    def _seen(self, contender: Contender) -> int | None:
        if contender.trained_on is None:
            return None
        dataset = DatasetItem(self._dataset)
        return seen(contender.id, contender.trained_on, dataset, self._catalog, self._store)


def _nothing_measured(evaluation: Evaluation) -> str:
    """Why an evaluation says nothing; empty where it says something."""
    if any(value is not None for value in evaluation.metrics.values()):
        return ""
    return (
        f"none of its metrics has a value on the {evaluation.sample_count} held-out chips: nothing "
        "of its classes is labelled there; choose a dataset or slice with such labels"
    )


def _dataset(params: CompareParams, contenders: Sequence[Contender]) -> str:
    if params.dataset is not None:
        return params.dataset
    for contender in contenders:
        if contender.trained_on is not None:
            return contender.trained_on
    named = ", ".join(contender.id for contender in contenders)
    raise Invalid(
        f"What is {named} to be compared on? A base model was trained on no dataset here: name one with "
        "--dataset (fair-models list datasets)"
    )


def _ground(dataset: Item, sides: Sequence[Side], contenders: Sequence[Measurable], count: int) -> Ground:
    measured = [side for side in sides if side.evaluation is not None]
    if not measured:
        reasons = "; ".join(f"{side.contender.id}: {side.problem}" for side in sides)
        raise Invalid(f"None of the versions can be measured on {dataset.id}. {reasons}")
    ground = _beside_each_other(Ground(dataset, measured[0].contender.metrics_spec[0], sides))
    by_sample = {side.contender.id: _by_sample(side, ground.key) for side in measured}
    names = _most_different(by_sample, ground.sign)[:count]
    return replace(ground, samples=list(_shown(names, by_sample, contenders, dataset)))


def _beside_each_other(ground: Ground) -> Ground:
    """The same with the differences of all versions to the first one that was measured."""
    by_sample = {side.contender.id: _by_sample(side, ground.key) for side in ground.measured}
    first = ground.measured[0] if ground.measured else None
    sides = [
        side
        if first is None or side is first or side.evaluation is None
        else _beside(side, by_sample, by_sample[first.contender.id], ground.sign)
        for side in ground.sides
    ]
    return replace(ground, sides=sides)


def _by_sample(side: Side, key: str) -> dict[str, float]:
    """The main metric of each held-out sample that has one."""
    samples = side.evaluation.samples if side.evaluation is not None else {}
    return {name: value for name, values in samples.items() if (value := values.get(key)) is not None}


def _beside(
    side: Side, by_sample: Mapping[str, Mapping[str, float]], first: Mapping[str, float], better: int
) -> Side:
    """A version beside the first one, sample by sample: chance of the draw that is common to both cancels."""
    own = by_sample[side.contender.id]
    more = better * np.array([own[name] - first[name] for name in first if name in own])
    if not len(more):
        return side
    found = intervals.resample(len(more), lambda drawn: {"": float(more[drawn].mean())})
    return replace(side, difference=float(more.mean()), difference_interval=found[""])


def _most_different(by_sample: Mapping[str, Mapping[str, float]], better: int) -> list[str]:
    """Names of samples, the largest difference between versions first; of one version its worst first.

    Samples that fewer than two versions have a metric for say nothing, nor those on which all agree.
    """
    found: dict[str, list[float]] = {}
    for values in by_sample.values():
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    if len(by_sample) == 1:
        return sorted(found, key=lambda name: (better * found[name][0], name))
    apart = {name: max(values) - min(values) for name, values in found.items()}
    return sorted((name for name in apart if apart[name] > 0), key=lambda name: (-apart[name], name))


def _shown(
    names: Sequence[str],
    by_sample: Mapping[str, Mapping[str, float]],
    contenders: Iterable[Measurable],
    dataset: Item,
) -> Iterator[Sample]:
    drawn: dict[str, dict[str, Array]] = {name: {} for name in names}
    for contender in contenders:
        own = [name for name in names if name in by_sample.get(contender.id, ())]
        for name, picture in _pictures(contender, own, dataset).items():
            drawn[name][contender.id] = picture
    for name in names:
        values = {version: found[name] for version, found in by_sample.items() if name in found}
        yield Sample(name, values, drawn[name])


def _pictures(contender: Measurable, names: Sequence[str], dataset: Item) -> dict[str, Array]:
    """What a version's own evaluation draws of some samples; nothing where its task has no pictures."""
    if not names:
        return {}
    found: dict[str, Array] = {}
    measuring = contender.open_on(dataset)
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        try:
            found.update(measuring.some(some).pictures)
        except FairModelsError as error:  # a task may need more samples than a few to measure anything
            logger.warning("no pictures of %s by %s: %s", ", ".join(some), contender.id, error)
    return {name: picture for name, picture in found.items() if name in names}
