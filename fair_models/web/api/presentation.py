"""Items as documents of the JSON API. What an item says oddly is left out, never refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pystac import Asset, Item

from fair_models.catalog.items import assets, edited, guesses, model_classes, pins
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.items.item import RegistryItem
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.items.search_fields import search_fields_of
from fair_models.ownership import OWNER, PRIVATE, VISIBILITY
from fair_models.reports import cards
from fair_models.reports import metrics as reported
from fair_models.store.digests import PREFIX
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId
from fair_models.web import links
from fair_models.web.api import documents

KINDS: Mapping[CollectionId, documents.Kind] = {
    BASE_MODELS: "base-model",
    LOCAL_MODELS: "local-model",
    DATASETS: "dataset",
}


def model_entry(item: Item, base: str) -> documents.ModelEntry:
    """What a list says of a model. `base` is the root of the service."""
    return documents.ModelEntry(**_entry(item, base), **_of_model(item))


def dataset_entry(item: Item, base: str) -> documents.DatasetEntry:
    """What a list says of a dataset."""
    return documents.DatasetEntry(**_entry(item, base), **_of_dataset(item))


def model_document(item: Item, base: str) -> documents.ModelDocument:
    """All that is said of a model."""
    model = ModelItem(item)
    return documents.ModelDocument(
        **_entry(item, base),
        **_of_model(item),
        hyperparameters=_object(model.properties.get("mlm:hyperparameters")),
        classes=model_classes.of_properties(model.properties)[0],
        metrics=metrics_of(model),
        gate=cards.gate(model.gate) if model.gate else None,
        doubt=guesses.doubt_of_item(model.properties),
        metadata=_object(model.properties.get(edited.METADATA)),
        files=files_of(item, base),
    )


def dataset_document(item: Item, base: str) -> documents.DatasetDocument:
    """All that is said of a dataset."""
    data = DatasetItem(item)
    return documents.DatasetDocument(
        **_entry(item, base),
        **_of_dataset(item),
        class_counts={side: dict(counts) for side, counts in data.class_counts.items()},
        split=_object(data.properties.get("fair:split_spec")) or None,
        slice_of=data.slice_of,
        metadata=_object(data.properties.get(edited.METADATA)),
        files=files_of(item, base),
    )


def files_of(item: Item, base: str) -> list[documents.File]:
    """All assets of an item."""
    return [documents.File(**file_fields(item, key, asset, base)) for key, asset in item.assets.items()]


def files_document(item: Item, base: str) -> documents.FilesDocument:
    """All files of an item, and where all of them are in one zip."""
    found = files_of(item, base)
    archive = addresses(item, base).get("archive")
    return documents.FilesDocument(
        id=item.id, size=sum(each.size or 0 for each in found), archive=archive, files=found
    )


def file_fields(item: Item, key: str, asset: Asset, base: str) -> dict[str, Any]:
    """What is said of one asset."""
    said = asset.extra_fields
    href, checksum, size = assets.address(asset), said.get("file:checksum"), said.get("file:size")
    name = links.filename_of(href)
    is_file = assets.RUNTIMES.isdisjoint(asset.roles or ())
    return {
        "key": key,
        "name": name,
        "title": asset.title,
        "type": asset.media_type,
        "roles": list(asset.roles or ()),
        "size": size if isinstance(size, int) else None,
        "sha256": sha256_of(checksum),
        "href": links.asset(base, str(item.collection_id), item.id, key, name) if is_file else None,
        "stored": is_file and assets.is_held(href, asset.roles or ()),
    }


def sha256_of(checksum: object) -> str | None:
    """The hex digits of a sha-256 multihash; None for anything else."""
    is_one = isinstance(checksum, str) and len(checksum) == 68 and checksum.startswith(PREFIX)
    return cast(str, checksum)[len(PREFIX) :] if is_one else None


def metrics_of(model: ModelItem) -> list[documents.Metric]:
    """All metrics of a model, the main one first."""
    spec = {entry["key"]: entry for entry in model.metrics_spec}
    return [_metric(each, spec[each.metric]) for each in reported.of_item(model).values]


def metrics_document(item: Item) -> documents.MetricsDocument:
    """All metrics of a model, and of its classes."""
    model = ModelItem(item)
    found = reported.of_item(model)
    return documents.MetricsDocument(
        id=item.id,
        held_out_count=found.held_out_count,
        dataset=model.dataset_id,
        baseline=found.baseline_name or None,
        metrics=metrics_of(model),
        classes=class_metrics(found.classes),
        confusion={truth: dict(row) for truth, row in found.confusion.items()},
    )


def class_metrics(rows: Sequence[Mapping[str, Any]]) -> list[documents.ClassMetrics]:
    """`fair:class_metrics`, each measure with its interval and baseline."""
    keys = reported.measures(rows)
    return [
        documents.ClassMetrics(
            label=str(row["class"]),
            train=row.get("train"),
            held_out=row.get("held_out"),
            measures={
                key: documents.Measure(
                    value=row.get(key),
                    low=row.get(f"{key}_low"),
                    high=row.get(f"{key}_high"),
                    baseline=row.get(f"{key}_baseline"),
                )
                for key in keys
            },
        )
        for row in rows
    ]


def _metric(found: reported.Metric, entry: Mapping[str, Any]) -> documents.Metric:
    return documents.Metric(
        metric=found.metric,
        name=entry.get("name"),
        description=entry.get("description"),
        higher_is_better=bool(entry.get("higher_is_better", True)),
        value=found.value,
        low=found.low,
        high=found.high,
        baseline=found.baseline,
        guess=found.guess,
        better=found.better,
        ceiling=found.ceiling,
    )


def _entry(item: Item, base: str) -> dict[str, Any]:
    collection = cast(CollectionId, item.collection_id)
    said, properties = RegistryItem(item), item.properties
    pin = pins.of(item)
    sizes = (asset.extra_fields.get("file:size") for asset in item.assets.values())
    return {
        "id": item.id,
        "name": said.name,
        "version": said.number,
        "collection": collection,
        "kind": KINDS[collection],
        "title": said.title,
        "description": said.description,
        "keywords": _texts(properties.get("keywords")),
        "tags": _texts(properties.get(edited.TAGS)),
        "license": _text(properties.get("license")),
        "owner": _text(properties.get(OWNER)),
        "visibility": "private" if properties.get(VISIBILITY) == PRIVATE else "public",
        "deprecated": said.is_deprecated,
        "pinned": documents.Pin(**pin.to_json()) if pin is not None else None,
        "created": _text(properties.get("created")),
        "updated": _text(properties.get("updated")),
        "size": sum(size for size in sizes if isinstance(size, int)),
        "links": addresses(item, base),
    }


def addresses(item: Item, base: str) -> dict[str, str]:
    """Where all about an item is, by name."""
    collection = cast(CollectionId, item.collection_id)
    here = links.resource(base, collection, item.id)
    name, number = RegistryItem(item).name, RegistryItem(item).number
    of_name = links.resource(base, collection, name)
    found = {
        "self": here,
        "stac": links.stac_item(base, collection, item.id),
        "versions": f"{of_name}/versions",
        "files": f"{here}/files",
        "lineage": f"{here}/lineage",
        "card": f"{here}/card",
    }
    if number is not None:
        found["archive"] = f"{of_name}/versions/{number}/archive"
    if collection != DATASETS:
        found["metrics"] = f"{here}/metrics"
    return found


def _of_model(item: Item) -> dict[str, Any]:
    model = ModelItem(item)
    main = next(iter(metrics_of(model)), None)
    return {
        "tasks": _texts(model.properties.get("mlm:tasks")),
        "framework": _text(model.properties.get("mlm:framework")),
        "architecture": _text(model.properties.get("mlm:architecture")),
        "trained": model.properties.get("mlm:pretrained") is True,
        "base_model": _text(model.properties.get("fair:base_model_id")),
        "dataset": _text(model.properties.get("fair:dataset_id")),
        "metric": main,
    }


def _of_dataset(item: Item) -> dict[str, Any]:
    data = DatasetItem(item)
    fields = search_fields_of(DATASETS, {"id": item.id, "properties": item.properties, "bbox": item.bbox})
    chips = data.properties.get("fair:chip_count")
    classes = data.properties.get("label:classes")
    return {
        "tasks": _texts(data.properties.get("label:tasks")),
        "classes": data.classes if isinstance(classes, list) else [],
        "chips": chips if isinstance(chips, int) else None,
        "gsd_m": fields.gsd_m,
        "bbox": list(fields.bbox) if fields.bbox is not None else None,
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
