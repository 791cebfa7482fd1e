"""Evaluates a run: are its metrics what they say, and how does it do beside the current version?

Champion and challenger are compared on the same chips, those that the challenger's dataset holds out. Where
the champion's item has its metric of these very chips, by the same code, that one counts; otherwise the
champion is measured on them now, which needs torch.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pystac import Item

from fair_models import settings
from fair_models.catalog.items import assets, guesses
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.protocol import Catalog
from fair_models.data.images import antimeridian
from fair_models.data.splits import Split
from fair_models.errors import Corrupted, IncompatibleDataset, Invalid, NotFound, TrainingFailed
from fair_models.params import Gate
from fair_models.publishing.gate import NEXT, Champion, Measured, doubts
from fair_models.publishing.gate import evaluate as evaluate_gate
from fair_models.store.protocol import Store
from fair_models.training.config.run_config import FileRef, RunConfig
from fair_models.training.ledger import ModelVersion
from fair_models.training.phases import sample_cache
from fair_models.types import DATASETS, Json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A version that may be published.

    version: What the ledger has of it.
    config: Its run config.
    base, dataset: The exact items that it derives from, with absolute asset hrefs.
    """

    version: ModelVersion
    config: RunConfig
    base: ModelItem
    dataset: DatasetItem


def evaluate(
    gate: Gate, candidate: Candidate, current: ModelItem | None, catalog: Catalog, store: Store
) -> Json:
    """Evaluate a candidate against a gate.

    The current version is measured only where the gate asks for the comparison and the candidate has metrics.

    Args:
        gate: What the caller asks for.
        candidate: The version.
        current: The item that would be replaced, with absolute asset hrefs. None where there is none.
        catalog: Where the current version's dataset is looked up.
        store: Where the files of models and datasets lie.

    Returns:
        `fair:gate`, for the candidate's item.

    Raises:
        Invalid: The gate names a metric that the model does not have, or one where lower is better.
        GateFailed: It is not good enough, or its metrics are none; lists every reason.
        Unavailable: The store does not answer.
    """
    measured = measured_of(candidate)
    champion = None
    if current is not None and gate.not_worse_by is not None and not doubts(measured, candidate.base):
        champion = champion_of(candidate, current, catalog, store)
    record = evaluate_gate(gate, measured, candidate.base, champion)
    if not record["passed"]:
        logger.warning(
            "%s passes by an override (%s), although %s",
            measured.subject,
            gate.override_reason,
            "; ".join(record["reasons"]),
        )
    return record


def require_gate(gate: Gate, published: ModelItem) -> None:
    """Hold a version that is active already against a gate: by what its item says, of which nothing changes.

    Args:
        gate: What the caller asks for. Where it asks for nothing, the item's own gate stands.
        published: Its item.

    Raises:
        Invalid: The gate names a metric that the model does not have, or one where lower is better.
        GateFailed: It is not good enough.
    """
    if gate == Gate():
        return
    main = published.main_metric["key"]
    measured = Measured(
        subject=published.id,
        metrics=published.metrics,
        held_out_count=published.held_out_count,
        dataset_id=str(published.dataset_id),
        guess_value=published.baseline.get(main),
        guess=published.baseline_name(main),
    )
    record = evaluate_gate(gate, measured, published, None)
    if not record["passed"]:
        logger.warning(
            "%s stays active, although %s; the reason given is not kept, since its item does not change",
            published.id,
            "; ".join(record["reasons"]),
        )


def measured_of(candidate: Candidate) -> Measured:
    """What a candidate's run says that it reached, and what speaks against that."""
    version, main = candidate.version, candidate.base.main_metric["key"]
    guess = version.baseline.get(main)
    return Measured(
        subject=version.id,
        metrics=version.metrics,
        held_out_count=version.held_out_count,
        dataset_id=candidate.dataset.id,
        doubts=[*_other_files(candidate), *_too_many(candidate)],
        guess_value=guess,
        guess="" if guess is None else version.baseline_names.get(main, version.baseline_name),
    )


def warn_of(version: ModelVersion, base: ModelItem) -> str | None:
    """Say in the log, and hand back, why a version cannot be published as it is. None where it can.

    It is no better than guessing, or it was not measured.

    Args:
        version: One that completed.
        base: Its base model, with the metrics of the classes that it was trained on.
    """
    main = base.main_metric
    key = main["key"]
    name = version.baseline_names.get(key, version.baseline_name)
    doubt = guesses.doubt(main, version.metrics.get(key), version.baseline.get(key), name)
    if version.metrics.get(key) is None:
        warning = (
            f"its main metric {key} was not measured on the {version.held_out_count} held-out samples. "
            "promote refuses it: train on a dataset whose held-out chips hold what the model maps"
        )
    elif doubt is None:
        return None
    else:
        warning = f"{doubt}. promote refuses it without an override reason: {NEXT}"
    logger.warning("%s: %s", version.id, warning)
    return warning


def champion_of(candidate: Candidate, current: ModelItem, catalog: Catalog, store: Store) -> Champion:
    """The current version's main metric on the candidate's held-out chips, or why there is none."""
    from fair_models.training.phases import (
        measurement,  # brings torch, which few promotions need
    )

    main, dataset = candidate.base.main_metric, candidate.dataset
    problem = _other_metric(main, current)
    if problem:
        return Champion(current.id, problem=problem)
    if _recorded_holds(current, candidate):
        value = current.metrics.get(main["key"])
        unknown = "" if value is not None else f"the current {current.id} did not measure it"
        return Champion(current.id, value, "recorded", seen=0, problem=unknown)
    logger.info("measuring the current %s on the held-out chips of %s", current.id, dataset.id)
    try:
        evaluation = measurement.measure(current.item, dataset.item, store, settings.current().cache_folder)
    except IncompatibleDataset as error:
        reasons = "; ".join(error.reasons)
        return Champion(current.id, problem=f"the current {current.id} does not fit {dataset.id}: {reasons}")
    except (NotFound, Corrupted, Invalid, TrainingFailed) as error:
        return Champion(
            current.id, problem=f"the current {current.id} cannot be measured on {dataset.id}: {error}"
        )
    value = evaluation.metrics.get(main["key"])
    unknown = f"the current {current.id} gives no value on {dataset.id}" if value is None else ""
    count = seen(current.id, str(current.dataset_id), dataset, catalog, store)
    return Champion(current.id, value, "now", count, unknown)


@dataclass(frozen=True)
class Learnt:
    """Chips of a dataset that a model has learnt from.

    split: The dataset's.
    names: Of the chips, on whichever side of the dataset they are.
    """

    split: Split
    names: frozenset[str]

    @property
    def held_out(self) -> int:
        """How many of the held-out chips there are among them."""
        return len(self.names.intersection(self.split.held_out))


def learnt(trained_on: str, dataset: DatasetItem, catalog: Catalog, store: Store) -> Learnt | None:
    """Which chips of a dataset a model was trained on: of the same name, in the same place.

    Args:
        trained_on: Exact id of the dataset that it learnt from.
        dataset: The dataset whose chips are asked about.
        catalog: Where both datasets are.
        store: Where their files lie.

    Returns:
        None where that is not known: the dataset that it learnt from is gone.
    """
    try:
        theirs = DatasetItem(catalog.get(DATASETS, trained_on))
        known, ours = split_of(theirs, store), split_of(dataset, store)
    except (NotFound, Corrupted, Invalid):
        return None
    names = frozenset(known.train) if _overlap(theirs.item, dataset.item) else frozenset()
    return Learnt(ours, names)


def seen(model: str, trained_on: str, dataset: DatasetItem, catalog: Catalog, store: Store) -> int | None:
    """How many held-out chips of a dataset a model was trained on: of the same name, in the same place.

    Args:
        model: Its exact id.
        trained_on: Exact id of the dataset that it learnt from.
        dataset: The dataset whose held-out chips are asked about.
        catalog: Where both datasets are.
        store: Where their files lie.

    Returns:
        None where that is not known: the dataset that it learnt from is gone.
    """
    found = learnt(trained_on, dataset, catalog, store)
    if found is None:
        return None
    if found.held_out:
        logger.warning(
            "%s was trained on %d of the %d held-out chips of %s, which favours it",
            model,
            found.held_out,
            len(found.split.held_out),
            dataset.id,
        )
    return found.held_out


def _other_files(candidate: Candidate) -> Iterator[str]:
    """A run config can be written by hand: that it names a dataset does not say that it was read."""
    data, dataset = candidate.config.data, candidate.dataset
    read: Mapping[str, FileRef] = {
        assets.CHIPS: data.chips,
        assets.LABELS: data.labels,
        assets.SPLIT: data.split,
    }
    other = [assets.KEYS[role] for role, ref in read.items() if ref.checksum != dataset.file(role)[1]]
    if other:
        yield (
            f"its run read other files than those of {dataset.id} ({', '.join(other)}), so that its metrics "
            "are not of that dataset; train on the dataset as it is registered"
        )


def _too_many(candidate: Candidate) -> Iterator[str]:
    """More samples than are held out were not measured on these alone. Told where they are decoded still."""
    names = sample_cache.held_out_names(candidate.config, settings.current().cache_folder)
    said = candidate.version.held_out_count
    if names is not None and said > len(names):
        yield (
            f"it says that it was measured on {said} held-out samples, {candidate.dataset.id} has "
            f"{len(names)} for it; let its evaluate measure the samples that it is given"
        )


def _other_metric(main: Json, current: ModelItem) -> str:
    """Why a model with another main metric cannot be compared; empty where it can."""
    spec = {entry["key"]: entry for entry in current.metrics_spec}
    theirs = spec.get(main["key"])
    if theirs is None:
        return f"the current {current.id} has no such metric, it has {', '.join(spec)}"
    if theirs.get("higher_is_better", True) != main.get("higher_is_better", True):
        return f"for the current {current.id} the opposite direction is better"
    return ""


def _recorded_holds(current: ModelItem, candidate: Candidate) -> bool:
    """Whether the current version was measured on these very chips by the same code."""
    dataset = candidate.dataset
    return bool(
        current.dataset_id == dataset.id
        and current.split == dataset.split
        and current.file(assets.SOURCE_CODE)[1] == candidate.config.code.archive.checksum
    )


def split_of(dataset: DatasetItem, store: Store) -> Split:
    """Which chips of a dataset are on which side. Raises as `Store.fetch` and `Split.read` do."""
    return Split.read(store.fetch(*dataset.file(assets.SPLIT)))


def _overlap(one: Item, other: Item) -> bool:
    """Whether the boxes of two items share a place. Chips that are only named alike are others."""
    if one.bbox is None or other.bbox is None:
        return False
    west, south, east, north = one.bbox
    other_west, other_south, other_east, other_north = other.bbox
    return antimeridian.share((west, south, east, north), (other_west, other_south, other_east, other_north))
