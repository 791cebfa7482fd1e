"""Cards of models and datasets, and all that a run shows of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pystac import Item

from fair_models.catalog.items import assets, guesses
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.items.item import RegistryItem
from fair_models.catalog.items.model import ModelItem
from fair_models.numbers import compared
from fair_models.reports import label_findings, markdown, metrics, version_changes
from fair_models.reports.artifacts import Artifact, Card, Table
from fair_models.store.protocol import Store
from fair_models.types import Json

_OF_A_DATASET = (
    "fair:chip_count",
    "gsd",
    "license",
    "label:classes",
    "fair:class_counts",
    "fair:split_spec",
    "fair:repairs",
)


_AGREEMENT = "Quicker engines against the exact one: {}."


def of_local_model(item: Item, store: Store) -> Iterator[Artifact]:
    """What a run shows of a version that it published: its metrics, its classes, its card."""
    yield from metrics.of_item(ModelItem(item)).artifacts()
    yield of_model(item, store)


def of_model(item: Item, store: Store) -> Card:
    """The card of a model."""
    return Card("model-card", model_card(item, store), f"Model card of {item.id}")


def of_dataset(item: Item) -> Card:
    """The card of a dataset: what it holds, what was repaired and left out, and what its labels are like."""
    values = {name: item.properties.get(name) for name in _OF_A_DATASET}
    data = DatasetItem(item)
    found = label_findings.rows(data)
    about_labels = [
        *([f"## {label_findings.TITLE}"] if data.label_report is not None else []),
        *(f"- {each}." for each in label_findings.sentences(data)),
        *([markdown.table(found)] if found else []),
        *([markdown.table(left_out)] if (left_out := label_findings.left_out(data)) else []),
    ]
    fields = markdown.fields(values, "Field")
    text = "\n\n".join([_heading(item), *_areas(data), *_changes(data), fields, *about_labels])
    return Card("dataset-card", text, f"What {item.id} holds")


def _areas(data: DatasetItem) -> list[str]:
    """The areas that were looked at."""
    return ["## Areas", markdown.table(data.areas)] if data.areas else []


def _changes(data: DatasetItem) -> list[str]:
    """What is new since the version before."""
    told = version_changes.sentences(data.changes) if data.changes else []
    return ["## What is new", "\n".join(f"- {each}." for each in told)] if told else []


def of_ingest(item: Item) -> Iterator[Artifact]:
    """What a run shows of a dataset that it published: its card, and what is the matter with its labels."""
    yield of_dataset(item)
    if found := label_findings.rows(DatasetItem(item)):
        yield Table("label-report", found, f"{label_findings.TITLE} ({item.id})")


def model_card(item: Item, store: Store) -> str:
    """The item's own card where it has one, else one made of its fields: what was measured comes first."""
    card = item.assets.get("readme")
    if card is not None:
        checksum = card.extra_fields.get("file:checksum")
        return store.fetch(assets.address(card), checksum).read_text(encoding="utf-8")
    model = ModelItem(item)
    measured = metrics.of_item(model)
    parts = [
        _heading(item),
        f"Base model `{model.base_model_id}`, dataset `{model.dataset_id}`.",
        measured.told,
        *_doubt(item.properties),
        *([f"Gate {gate(model.gate)}."] if model.gate is not None else []),
        *([_AGREEMENT.format(model.agreement.sentence)] if model.agreement is not None else []),
        measured.markdown(),
        *(markdown.table(rows) for _, rows in measured.tables()),
    ]
    if values := model.hyperparameters:
        parts.append(markdown.fields({name: str(value) for name, value in values.items()}, "Hyperparameter"))
    return "\n\n".join(part for part in parts if part)


def gate(record: Json) -> str:
    """A `fair:gate` in words, e.g. "passed: fair:building_iou 0.74 on 12 held-out samples of town-v2"."""
    key, least = record["metric"], record["minimum"].get(record["metric"])
    told = f"{key} {compared(record['challenger_value'])}"
    if least is not None:
        told += f" (at least {least:g})"
    told += f" on {record['held_out_count']} held-out samples of {record['measured_on']}"
    if "champion_value" in record:
        told += f", {record['champion']} {compared(record['champion_value'])}"
        told += f" (at most {record['not_worse_by']:g} worse)"
    if record["passed"]:
        return f"passed: {told}"
    return f"overridden ({record['override_reason']}): {'; '.join(record['reasons'])}"


def _doubt(properties: Mapping[str, Any]) -> list[str]:
    """What a reader has to know before all metrics."""
    told = guesses.doubt_of_item(dict(properties))
    return [f"**No better than guessing.** {told}."] if told else []


def _heading(item: Item) -> str:
    said = RegistryItem(item)
    return f"# {said.title or said.id}\n\n`{said.id}`\n\n{said.description}"
