"""Complete items as the builders make them, to be broken by the tests in one place each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pystac import Item

from fair_models.catalog.items import base_models, datasets, local_models
from fair_models.catalog.items.datasets import DatasetFacts
from fair_models.catalog.items.local_models import LocalModelFacts
from fair_models.store.protocol import StoredFile
from fair_models.types import Json

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)

AREA: Json = {
    "type": "Polygon",
    "coordinates": [[[85.51, 27.62], [85.53, 27.62], [85.53, 27.64], [85.51, 27.64], [85.51, 27.62]]],
}

SPLIT: Json = {
    "method": "area",
    "held_out_ratio": 0.25,
    "buffer_m": 0.0,
    "seed": 0,
    "train": 30,
    "held_out": 10,
    "left_out": 8,
}

TEMPLATE: Json = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "stac_extensions": [],
    "id": "roofs-unet",
    "properties": {
        "title": "Roofs",
        "description": "Finds roofs.",
        "license": "Apache-2.0",
        "keywords": ["building", "semantic-segmentation", "polygon"],
        "gsd": 0.3,
        "fair:resampling": "average",
        "fair:sample_size_px": 256,
        "mlm:name": "roofs-unet",
        "mlm:architecture": "U-Net",
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": "PyTorch",
        "mlm:framework_version": "2.13.0",
        "mlm:pretrained": False,
        "mlm:pretrained_source": None,
        "mlm:input": [
            {
                "name": "RGB",
                "bands": ["red", "green", "blue"],
                "input": {
                    "shape": [-1, 3, -1, -1],
                    "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": "float32",
                },
                "pre_processing_function": {
                    "format": "python",
                    "expression": "models.roofs.processing:preprocess",
                },
            }
        ],
        "mlm:output": [
            {
                "name": "probabilities",
                "tasks": ["semantic-segmentation"],
                "result": {
                    "shape": [-1, 2, -1, -1],
                    "dim_order": ["batch", "class", "height", "width"],
                    "data_type": "float32",
                },
                "classification:classes": [
                    {"value": 0, "name": "background", "description": "All else"},
                    {"value": 1, "name": "building", "description": "Roofs"},
                ],
                "post_processing_function": {
                    "format": "python",
                    "expression": "models.roofs.processing:postprocess",
                },
            }
        ],
        "mlm:hyperparameters": {
            "training.epochs": 20,
            "training.learning_rate": 0.001,
            "training.loss": "dice",
            "training.augment": True,
            "inference.confidence_threshold": 0.5,
        },
        "fair:hyperparameters_spec": [
            {
                "key": "training.epochs",
                "type": "int",
                "default": 20,
                "min": 1,
                "max": 500,
                "description": "Passes.",
            },
            {
                "key": "training.learning_rate",
                "type": "float",
                "default": 0.001,
                "min": 1e-6,
                "max": 1,
                "description": "Step.",
            },
            {
                "key": "training.loss",
                "type": "str",
                "default": "dice",
                "values": ["dice", "focal"],
                "description": "Loss.",
            },
            {"key": "training.augment", "type": "bool", "default": True, "description": "Turn and flip."},
            {
                "key": "inference.confidence_threshold",
                "type": "float",
                "default": 0.5,
                "min": 0,
                "max": 1,
                "description": "Least probability.",
            },
        ],
        "fair:metrics_spec": [
            {
                "key": "fair:building_iou",
                "name": "Building IoU",
                "description": "Overlap.",
                "higher_is_better": True,
            }
        ],
    },
    "assets": {
        "source-code": {
            "href": "./",
            "roles": ["mlm:source_code", "code"],
            "mlm:entrypoint": "models.roofs.pipeline",
        },
        "training-runtime": {"href": "local:worker", "roles": ["mlm:training-runtime"]},
        "inference-runtime": {"href": "local:worker", "roles": ["mlm:inference-runtime"]},
    },
    "links": [{"rel": "license", "href": "https://www.apache.org/licenses/LICENSE-2.0", "type": "text/html"}],
}


def stored(path: str) -> StoredFile:
    """A file of the store whose digest follows from its path."""
    return StoredFile(f"/data/store/{path}", "1220" + hashlib.sha256(path.encode()).hexdigest(), len(path))


def template(**properties: Any) -> Json:
    made = deepcopy(TEMPLATE)
    made["properties"] |= properties
    return made


def base_files(folder: str = "base-models/roofs-unet/v1") -> dict[str, StoredFile]:
    names = {
        "checkpoint": "w.safetensors",
        "model": "m.onnx",
        "source-code": "code.zip",
        "readme": "README.md",
    }
    return {key: stored(f"{folder}/{name}") for key, name in names.items()}


def base_item(version: int = 1, **properties: Any) -> Item:
    return base_models.build(template(**properties), version, base_files(), NOW)


def dataset_facts(**changes: Any) -> DatasetFacts:
    facts = DatasetFacts(
        name="banepa-buildings",
        version=1,
        title="Buildings of Banepa",
        description="",
        geometry=AREA,
        bbox=(85.51, 27.62, 85.53, 27.64),
        files={
            "chips": stored("datasets/banepa-buildings/v1/chips.zip"),
            "labels": stored("datasets/banepa-buildings/v1/labels.geojson"),
            "split": stored("datasets/banepa-buildings/v1/split.json"),
        },
        keywords=["building", "semantic-segmentation", "polygon"],
        classes=["building"],
        class_counts={"train": {"building": 900}, "held_out": {"building": 300}},
        chip_count=48,
        gsd_m=0.15,
        split=SPLIT,
        license="ODbL-1.0",
        created=NOW,
        provider="OpenStreetMap contributors",
        source_imagery="https://tiles.openaerialmap.org/62d85d11/{z}/{x}/{y}",
        repairs={"repaired": 3, "left_out": 2},
    )
    return replace(facts, **changes)


def dataset_item(**changes: Any) -> Item:
    return datasets.build(dataset_facts(**changes))


def local_facts(**changes: Any) -> LocalModelFacts:
    facts = LocalModelFacts(
        name="banepa-roofs",
        version=1,
        title="Roofs of Banepa",
        description="",
        base=base_item(),
        dataset=dataset_item(),
        base_href="/data/catalog/base-models/roofs-unet-v1/roofs-unet-v1.json",
        dataset_href="/data/catalog/datasets/banepa-buildings-v1/banepa-buildings-v1.json",
        files={
            "checkpoint": stored("local-models/banepa-roofs/w.safetensors"),
            "model": stored("local-models/banepa-roofs/m.onnx"),
            "run-config": stored("local-models/banepa-roofs/run.yaml"),
        },
        hyperparameters={**TEMPLATE["properties"]["mlm:hyperparameters"], "training.epochs": 40},
        metrics={"fair:building_iou": 0.74},
        baseline={"fair:building_iou": 0.377},
        baseline_name="everything is a building",
        held_out_count=10,
        training_seconds=81.2,
        split=SPLIT,
        run_id="5f2c1c1e-2a39-4ad4-9f4e-1a2b3c4d5e6f",
        created=NOW,
        software={"torch": "2.13.0", "zenml": "0.98.0"},
    )
    return replace(facts, **changes)


def local_item(version: int = 1, **changes: Any) -> Item:
    return local_models.build(local_facts(version=version, **changes))


def raw(item: Item) -> Json:
    """The item as JSON, as it is written."""
    document: Json = item.to_dict(include_self_link=False, transform_hrefs=False)
    return document


def without(document: Json, *path: str) -> Json:
    """A copy without one field."""
    copy = deepcopy(document)
    node: Any = copy
    for part in path[:-1]:
        node = node[part]
    del node[path[-1]]
    return copy


def changed(document: Json, path: Sequence[str | int], value: Any) -> Json:
    """A copy with one field changed."""
    copy = deepcopy(document)
    node: Any = copy
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return copy
