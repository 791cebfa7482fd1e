"""A small registry with real files, and a service over it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import httpx
from pystac import Item

from fair_models.catalog.changes.transitions import publish
from fair_models.catalog.items import base_models, datasets, local_models
from fair_models.store.protocol import Store, StoredFile
from fair_models.types import BASE_MODELS, DATASETS
from fair_models.web.registry import Registry
from tests.catalog.item_factory import NOW, dataset_facts, local_facts, template

CARD = b"# Roofs\n\nFinds **roofs**.\n"


@dataclass(frozen=True)
class Site:
    """A service that runs over a registry.

    registry: What it serves.
    http: A client of it.
    """

    registry: Registry
    http: httpx.Client


def content(key: str, number: int) -> bytes:
    """Bytes of a file; those of other keys and versions differ."""
    return hashlib.sha256(f"{key} {number}".encode()).digest() * 100


def _put(store: Store, folder: str, names: dict[str, str], number: int) -> dict[str, StoredFile]:
    return {key: store.put(f"{folder}/{name}", content(key, number)) for key, name in names.items()}


def base_model(store: Store, version: int = 1, name: str = "roofs-unet", **properties: Any) -> Item:
    names = {"checkpoint": "w.safetensors", "model": "m.onnx", "source-code": "code.zip"}
    files = _put(store, f"base-models/{name}/v{version}", names, version)
    files["readme"] = store.put(f"base-models/{name}/v{version}/README.md", CARD)
    made = template(**{"mlm:name": name, **properties})
    return base_models.build({**made, "id": name}, version, files, NOW)


def dataset(store: Store, version: int = 1, name: str = "banepa-buildings", **changes: Any) -> Item:
    names = {"chips": "chips.zip", "labels": "labels.geojson", "split": "split.json"}
    files = _put(store, f"datasets/{name}/v{version}", names, version)
    return datasets.build(dataset_facts(name=name, version=version, files=files, **changes))


def local_model(
    registry: Registry, base: Item, data: Item, version: int = 1, name: str = "banepa-roofs", **changes: Any
) -> Item:
    names = {"checkpoint": "w.safetensors", "model": "m.onnx", "run-config": "run.yaml"}
    facts = local_facts(
        name=name,
        version=version,
        files=_put(registry.store, f"local-models/{name}/v{version}", names, version),
        base=base,
        dataset=data,
        base_href=registry.catalog.href(BASE_MODELS, base.id),
        dataset_href=registry.catalog.href(DATASETS, data.id),
        **changes,
    )
    return local_models.build(facts)


def fill(registry: Registry) -> None:
    """A base model, a dataset, and two versions of a model that derives from both."""
    base, data = base_model(registry.store), dataset(registry.store)
    publish(registry.catalog, base)
    publish(registry.catalog, data)
    for version, iou in ((1, 0.6), (2, 0.74)):
        item = local_model(registry, base, data, version, metrics={"fair:building_iou": iou})
        publish(registry.catalog, item)


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem that an answer tells."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document: dict[str, Any] = answer.json()
    assert document["status"] == answer.status_code
    return document
