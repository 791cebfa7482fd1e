"""Items of fine-tuned models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pystac import Item

from fair_models.catalog.items import agreement, assets, building, edited, guesses, model_classes, pins
from fair_models.catalog.items.agreement import Agreement
from fair_models.catalog.items.versions import item_id
from fair_models.catalog.schemas import extensions
from fair_models.imagery_rules import FIELD as RULES
from fair_models.imagery_rules import OLD, ImageryRules
from fair_models.params import HyperparameterValue
from fair_models.store.protocol import StoredFile
from fair_models.types import LOCAL_MODELS, Json

_NOT_INHERITED = frozenset({"mlm:name", "mlm:hyperparameters", "mlm:pretrained", "mlm:pretrained_source"})
_INHERITED = (
    "keywords",
    "license",
    "providers",
    "bands",
    "gsd",
    "fair:metrics_spec",
    "fair:hyperparameters_spec",
    "fair:resampling",
    "fair:sample_size_px",
    model_classes.LAYERS,
    model_classes.THINGS,
)

FIELDS = frozenset(
    {
        *(name for name in _INHERITED if name.startswith("fair:")),
        RULES,
        "fair:base_model_id",
        "fair:dataset_id",
        guesses.BASELINE,
        guesses.NAMES,
        "fair:held_out_count",
        "fair:training_seconds",
        "fair:split_spec",
        "fair:zenml",
        "fair:gate",
        "fair:class_metrics",
        "fair:confusion",
        "fair:metric_ceilings",
        agreement.FIELD,
        "fair:archived",
        "fair:tombstone",
        pins.FIELD,
        "fair:seen_by_parents",
        edited.TAGS,
        edited.METADATA,
        edited.EDITED,
    }
)
"""Our own fields of these items besides the metrics; no metric may be called like one."""


@dataclass(frozen=True)
class LocalModelFacts:
    """What is known of a run that is published.

    name: The model's name, e.g. "banepa-roofs".
    version: The version's number, the same as the run's in ZenML.
    base, dataset: The exact items that it derives from, with absolute asset hrefs.
    base_href, dataset_href: Addresses of these items, for the links derived_from.
    files: What the registry holds, by key: "checkpoint" and "model" (the ONNX); others, e.g. "run-config",
        and "model-int8" where the agreement of the network in 8 bits is high enough.
    hyperparameters: The values really used, by full key; inference values as they were evaluated.
    metrics: Held-out values by key of the base model's `fair:metrics_spec`; None where nothing was measured.
    baseline: The same keys for the simplest guess; `baseline_name` says in words what that is.
    baseline_names: What it is for each metric that has one; empty where it is one guess for all.
    held_out_count: How many held-out samples were measured.
    training_seconds: Wall time of the training.
    split: The dataset's `fair:split_spec`.
    run_id: The run's id in ZenML.
    created: When the version is published.
    software: Versions of what trained it, by name, e.g. {"torch": "2.13.0"}.
    agreement: How well quicker ways to run the ONNX agree with it. None: not measured.
    intervals: 95 % interval of each metric over other draws of held-out samples; None where there is none.
    classes: One row for each class: its name ("class"), labels on either side ("train", "held_out"), metrics.
    confusion: How many are of the first class and were taken for the second.
    ceiling: What a perfect mask reaches on the same samples, by the keys of the metrics that this bounds.
    parent, parent_href: The exact local model whose weights it started from, and its address. None: it
        started from those of the base model.
    seen_by_parents: Held-out samples that a local model before it in this line was trained on, at least; they
        favour it. None: not known, or there is none before it.
    pin: Why it is kept, where it was pinned before it was published.
    rules: By which rules it learnt to read imagery, as its run config says.
    gate: `fair:gate`: what it had to reach, and what was overridden for which reason. Empty: not recorded.
    """

    name: str
    version: int
    title: str
    description: str
    base: Item
    dataset: Item
    base_href: str
    dataset_href: str
    files: Mapping[str, StoredFile]
    hyperparameters: Mapping[str, HyperparameterValue]
    metrics: Mapping[str, float | None]
    baseline: Mapping[str, float | None]
    baseline_name: str
    held_out_count: int
    training_seconds: float
    split: Json
    run_id: str
    created: datetime
    software: Mapping[str, str] = field(default_factory=dict)
    gate: Json = field(default_factory=dict)
    agreement: Agreement | None = None
    intervals: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    classes: Sequence[Mapping[str, float | int | str | None]] = ()
    confusion: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    pin: pins.Pin | None = None
    parent: Item | None = None
    parent_href: str = ""
    seen_by_parents: int | None = None
    rules: ImageryRules = OLD
    baseline_names: Mapping[str, str] = field(default_factory=dict)
    ceiling: Mapping[str, float | None] = field(default_factory=dict)


def build(facts: LocalModelFacts) -> Item:
    """The item of one published version: it alone says all that is needed to train on or to predict.

    Code, runtimes, processing, keywords and licence are the base model's; the place is the dataset's.
    """
    links = [
        building.link("derived_from", facts.base_href, f"Base model {facts.base.id}"),
        building.link("derived_from", facts.dataset_href, f"Dataset {facts.dataset.id}"),
        *_parent(facts),
        *(link.to_dict() for link in facts.base.links if link.rel in {"license", "cite-as"}),
    ]
    named = [address for address in facts.base.stac_extensions if extensions.is_official(address)]
    named += [extensions.MLM, extensions.VERSION, extensions.CLASSIFICATION, extensions.FILE]
    if facts.software:
        named.append(extensions.PROCESSING)
    return building.item(
        LOCAL_MODELS,
        item_id(facts.name, facts.version),
        (_geometry(facts.dataset), facts.dataset.bbox or building.WORLD_BBOX),
        _properties(facts),
        (_assets(facts), links, extensions.one_version_each(named)),
    )


def _geometry(dataset: Item) -> Json:
    return deepcopy(dataset.geometry) or building.WORLD


def _parent(facts: LocalModelFacts) -> list[Json]:
    """The link to the local model that it was trained further from, if any."""
    if facts.parent is None:
        return []
    return [building.link("derived_from", facts.parent_href, f"Local model {facts.parent.id}")]


def _properties(facts: LocalModelFacts) -> Json:
    base = facts.base.properties
    inherited = {
        key: value for key, value in base.items() if key.startswith("mlm:") and key not in _NOT_INHERITED
    }
    inherited |= {key: base[key] for key in _INHERITED if key in base}
    moment = building.timestamp(facts.created)
    started = facts.parent or facts.base
    default = f"{started.id} fine-tuned on {facts.dataset.id}."
    own: dict[str, Any] = {
        "datetime": moment,
        "created": moment,
        "title": facts.title,
        "description": facts.description or default,
        "version": str(facts.version),
        "deprecated": False,
        "mlm:name": facts.name,
        "mlm:pretrained": True,
        "mlm:pretrained_source": started.id,
        "mlm:hyperparameters": dict(facts.hyperparameters),
        RULES: facts.rules.model_dump(),
        "fair:base_model_id": facts.base.id,
        "fair:dataset_id": facts.dataset.id,
        **facts.metrics,
        guesses.BASELINE: {**facts.baseline, "name": facts.baseline_name},
        "fair:held_out_count": facts.held_out_count,
        "fair:training_seconds": round(facts.training_seconds, 3),
        "fair:split_spec": deepcopy(facts.split),
        "fair:zenml": {"run_id": facts.run_id, "model_version": facts.version},
    }
    if facts.intervals and "fair:metrics_spec" in inherited:
        own["fair:metrics_spec"] = _with_intervals(inherited["fair:metrics_spec"], facts.intervals)
    if facts.baseline_names:
        own[guesses.NAMES] = dict(facts.baseline_names)
    if facts.classes:
        own["fair:class_metrics"] = [dict(row) for row in facts.classes]
    if facts.confusion:
        own["fair:confusion"] = {truth: dict(row) for truth, row in facts.confusion.items()}
    if ceilings := {key: value for key, value in facts.ceiling.items() if value is not None}:
        own["fair:metric_ceilings"] = ceilings
    if facts.gate:
        own["fair:gate"] = deepcopy(facts.gate)
    if facts.agreement is not None:
        own[agreement.FIELD] = facts.agreement.to_json()
    if facts.seen_by_parents is not None:
        own["fair:seen_by_parents"] = facts.seen_by_parents
    if facts.pin is not None:
        own[pins.FIELD] = facts.pin.to_json()
    if facts.software:
        own["processing:software"] = dict(facts.software)
    return {**deepcopy(inherited), **own}


def _with_intervals(spec: Sequence[Json], intervals: Mapping[str, tuple[float, float] | None]) -> list[Json]:
    """`fair:metrics_spec` with the interval of each metric that was measured; null where there is none.

    A base model that is a local model has intervals of its own, which go.
    """
    own = [{key: value for key, value in entry.items() if key != "interval"} for entry in spec]
    ends = {key: None if interval is None else list(interval) for key, interval in intervals.items()}
    return [entry | {"interval": ends[entry["key"]]} if entry["key"] in ends else entry for entry in own]


def _assets(facts: LocalModelFacts) -> dict[str, Json]:
    shared = (assets.SOURCE_CODE, assets.TRAINING_RUNTIME, assets.INFERENCE_RUNTIME)
    found = {assets.KEYS[role]: assets.by_role(facts.base, role).to_dict() for role in shared}
    own = {key: building.file_asset(key, file) for key, file in facts.files.items()}
    model = assets.KEYS[assets.MODEL]
    if model in own and "bands" in facts.base.properties:
        own[model]["bands"] = deepcopy(facts.base.properties["bands"])
    quantized = assets.KEYS[assets.QUANTIZED]
    if quantized in own and facts.agreement is not None:
        own[quantized][agreement.MASK_IOU] = facts.agreement.int8_mask_iou
    return {**own, **deepcopy(found)}
