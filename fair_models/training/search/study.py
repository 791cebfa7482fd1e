"""A search for hyperparameters: which trials there are, what became of each, and which one is best.

Trials are compared on chips that are taken from the training side of the dataset: what is held out chooses
nothing, so that it can measure the winner. Each is a version like any other, told apart by its tags.
"""

from __future__ import annotations

import hashlib
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import orjson
from pystac import Item

from fair_models import imagery_rules
from fair_models.catalog.items import assets
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.items.hyperparameters import Values
from fair_models.catalog.items.model import ModelItem
from fair_models.data import area_splits, splits
from fair_models.data.images import chips
from fair_models.data.splits import Split
from fair_models.data.vectors import labels
from fair_models.errors import NotFound, TrainingFailed
from fair_models.params import FinetuneParams, SearchParams
from fair_models.store.archive import unpack
from fair_models.store.protocol import Store
from fair_models.training.config import overrides
from fair_models.training.config.registered import SEARCHES
from fair_models.training.config.run_config import FileRef, RunConfig, StopRule
from fair_models.training.finetune_plan import TITLE_LENGTH, plan_run
from fair_models.training.ledger import Ledger, ModelVersion

EPOCH_METRIC = "loss"
"""Metric of an epoch that bad trials are known by; lower is better."""

MIN_TO_STOP = 3
"""Completed trials that the median rule needs."""

_TRIAL = "trial:"

_LIMITS = ("most_trials", "most_minutes", "patience", "title", "finish")
"""What does not make another search: it may be asked for again with other limits, and goes on."""


@dataclass(frozen=True)
class Trial:
    """One set of values, and what came of it.

    number: 1, 2, 3, ...
    version: The version; None where its training failed or was cancelled, and `problem` says why.
    stopped: Whether it was ended early, as worse than the median.
    cancelled: Whether somebody cancelled its training.
    """

    number: int
    values: Values
    version: ModelVersion | None = None
    stopped: bool = False
    cancelled: bool = False
    problem: str = ""

    @property
    def failed(self) -> bool:
        """Whether its training failed."""
        return self.version is None and not self.cancelled

    @property
    def state(self) -> Literal["completed", "stopped early", "failed", "cancelled"]:
        """What became of it, for people."""
        if self.version is None:
            return "cancelled" if self.cancelled else "failed"
        return "stopped early" if self.stopped else "completed"


@dataclass(frozen=True)
class Search:
    """A search that is planned.

    id: Digest of what is searched, 10 hex digits: the same request is the same search.
    base, dataset: Exact items, with absolute hrefs.
    split: The split that trials are trained and measured with.
    """

    id: str
    params: SearchParams
    base: Item
    dataset: Item
    split: FileRef

    @property
    def tag(self) -> str:
        """What all of its versions are found by."""
        return f"search:{self.id}"

    @property
    def metric(self) -> str:
        """Key of the model's main metric."""
        return str(ModelItem(self.base).main_metric["key"])

    @property
    def sign(self) -> int:
        """1 where more of the metric is better, else -1."""
        return 1 if ModelItem(self.base).main_metric.get("higher_is_better", True) else -1

    def trial(self, number: int, values: Values, stop: StopRule | None = None) -> RunConfig:
        """The run config of a trial: on the split that chooses, without what only published versions need."""
        config = self._config(f"trial {number}", str(number), values)
        data = config.data.model_copy(update={"split": self.split, "class_counts": {}})
        return config.model_copy(update={"data": data, "stop": stop, "quicken": False})

    def final(self, best: Trial) -> RunConfig:
        """The run config of the final training, with the best trial's values on the dataset's own split."""
        return self._config(f"best (trial {best.number})", final_of(best), best.values)

    def _config(self, what: str, mark: str, values: Values) -> RunConfig:
        title = f"{self.params.title or self.params.model_name}: {what} of search {self.id}"
        request = FinetuneParams(
            base_model=self.base.id,
            dataset=self.dataset.id,
            model_name=self.params.model_name,
            title=title[:TITLE_LENGTH],
            overrides={**self.params.overrides, **values},
            seed=self.params.seed,
        )
        config = plan_run(self.base, self.dataset, request)
        return config.model_copy(update={"tags": [self.tag, f"{_TRIAL}{mark}"]})

    def done(self, ledger: Ledger) -> dict[str, ModelVersion]:
        """Trainings that completed, by "1", "2", ..., or "final-2": they are not done again."""
        try:
            known = ledger.versions(self.params.model_name)
        except NotFound:
            return {}
        found: dict[str, ModelVersion] = {}
        for version in known:
            if version.status != "completed":
                continue
            try:
                tags = ledger.config(version.model, version.number).tags
            except NotFound:
                continue
            numbers = [tag.removeprefix(_TRIAL) for tag in tags if tag.startswith(_TRIAL)]
            if self.tag in tags and numbers:
                found.setdefault(numbers[0], version)
        return found

    def value(self, trial: Trial) -> float | None:
        """The main metric of a trial on the validation chips."""
        return trial.version.metrics.get(self.metric) if trial.version is not None else None

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        """The best trial, the first one of several. None where none has a value."""
        known = [trial for trial in trials if self.value(trial) is not None]
        return max(known, key=lambda trial: self.sign * (self.value(trial) or 0.0), default=None)

    def require_value(self, trials: Sequence[Trial]) -> None:
        """A search is for something.

        Raises:
            TrainingFailed: No trial has a value of the metric; says why not.
        """
        if trials and self.best(trials) is None:
            problems = dict.fromkeys(trial.problem or "nothing was measured" for trial in trials)
            raise TrainingFailed(
                f"None of {len(trials)} trials of search {self.id} has a value of {self.metric}: "
                f"{'; '.join(problems)}. Look at the dataset's labels, or train once: fair-models finetune"
            )

    def fruitless(self, trials: Sequence[Trial]) -> int:
        """How many trials came after the best one."""
        best = self.best(trials)
        return len(trials) if best is None else len(trials) - 1 - list(trials).index(best)


def final_of(best: Trial) -> str:
    """How the final training with the values of a trial is marked."""
    return f"final-{best.number}"


def plan(base: Item, dataset: Item, params: SearchParams, store: Store) -> Search:
    """Plan a search: its id, and the split that chooses.

    Raises:
        InvalidHyperparameters: One is to be varied and to stay as it is at once.
        Invalid: The training side has too few chips to choose on some of them.
        NotFound, Corrupted: A file of the dataset is gone, or is another one.
    """
    overrides.refuse_both(base, params)
    request = {**params.model_dump(mode="json", exclude=set(_LIMITS)), "base": base.id, "on": dataset.id}
    digest = hashlib.sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()[:10]
    with tempfile.TemporaryDirectory(prefix="fair-search-") as folder:
        split = choosing_split(dataset, store, params.seed, Path(folder))
        path = Path(folder) / "choosing.json"
        split.write(path)
        stored = store.put(f"{SEARCHES}{digest}/split.json", path)
    return Search(digest, params, base, dataset, FileRef(href=stored.href, checksum=stored.checksum))


def choosing_split(dataset: Item, store: Store, seed: int, folder: Path) -> Split:
    """Split the training side of a dataset once more, in the way and the ratio of the dataset's own split.

    Of a split by whole areas areas are taken where two with labels are left to learn from, else a block.

    Args:
        dataset: The exact item.
        store: Where its files lie.
        seed: Chooses which part.
        folder: An empty one to work in.
    """
    split = Split.read(store.fetch(*assets.file_ref(dataset, assets.SPLIT)))
    if split.method == "image":
        return splits.by_image(split.train, split.held_out_ratio, seed)
    unpack(store.fetch(*assets.file_ref(dataset, assets.CHIPS)), folder / "chips")
    train = set(split.train)
    rules = imagery_rules.of(dataset.properties, dataset.id)
    found = [chip for chip in chips.find(folder / "chips", rules=rules) if chip.name in train]
    how = split.held_out_ratio, seed, split.buffer_m
    areas = _areas_left(split)
    if split.method == "whole-areas":
        known = labels.read_stored(
            store.fetch(*assets.file_ref(dataset, assets.LABELS)), DatasetItem(dataset).classes
        )
        labelled = {chip.name for chip in found if len(known.touching(chip.grid))}
        if sum(not labelled.isdisjoint(own) for own in areas.values()) > 1:
            return area_splits.by_whole_areas(found, areas, *how, labelled=labelled)
    return replace(splits.by_area(found, *how), areas=areas)


def _areas_left(split: Split) -> dict[str, tuple[str, ...]]:
    """The training chips of each area that has some."""
    train = set(split.train)
    left = {area: tuple(name for name in own if name in train) for area, own in split.areas.items()}
    return {area: own for area, own in left.items() if own}


def stop_rule(epoch: int | None, curves: Sequence[Sequence[Mapping[str, float]]]) -> StopRule | None:
    """When a trial is worse than the median of those before it.

    Args:
        epoch: After which one that is looked at; None: never.
        curves: Metrics of each epoch of the trials before.
    """
    known = [
        rows[epoch - 1][EPOCH_METRIC]
        for rows in curves
        if epoch and len(rows) >= epoch and EPOCH_METRIC in rows[0]
    ]
    if epoch is None or len(known) < MIN_TO_STOP:
        return None
    return StopRule(epoch=epoch, figure=EPOCH_METRIC, most=statistics.median(known))
