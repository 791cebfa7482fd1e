"""A complete contribution with a network so small that registering it takes a second."""

from __future__ import annotations

import textwrap
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson

from fair_models.store.digests import checksum_file
from fair_models.types import Json

UNTRAINED = "A tiny network for a test; it has learnt nothing"
"""Why one is published that is no better than guessing."""

PROCESSING = '''
"""RGB windows in, building probabilities out. Numpy only."""

from fair_models.sdk import segmentation

preprocess = segmentation.scale_to_unit
postprocess = segmentation.class_probabilities
'''

PIPELINE = '''
"""Two convolutions."""

from pydantic import Field
from torch import nn

from fair_models.sdk.segmentation import training


class Params(training.Params):
    """Hyperparameters of the training."""

    width: int = Field(4, ge=1, le=8, description="Channels in the middle (1 to 8).")


def build(params):
    """Make the network."""
    return nn.Sequential(
        nn.Conv2d(3, params.width, 3, padding=1), nn.ReLU(), nn.Conv2d(params.width, 2, 3, padding=1)
    )


train, evaluate, export = training.train, training.evaluate, training.export
'''

README = """
# Tiny

For use in tests. Data: none. Limits: it finds nothing. Licence: Apache-2.0. Metrics: building IoU.
"""


def specification() -> list[Json]:
    """Every hyperparameter as the shared training declares it, and the tiny network's own."""
    from fair_models.ml_tasks.segmentation import training

    kinds = {"integer": "int", "number": "float", "boolean": "bool", "string": "str"}
    bounds = {"minimum": "min", "maximum": "max", "enum": "values"}
    found = []
    for name, field in training.Params.model_json_schema()["properties"].items():
        said = {ours: field[theirs] for theirs, ours in bounds.items() if theirs in field}
        found.append(spec(f"training.{name}", field["default"], kinds[field["type"]], **said))
    return [
        *found,
        spec("training.width", 4, "int", min=1, max=8),
        spec("inference.confidence_threshold", 0.5, "float", min=0, max=1),
    ]


def spec(key: str, default: Any, kind: str, **bounds: Any) -> Json:
    return {"key": key, "type": kind, "default": default, **bounds, "description": f"{key}."}


TEMPLATE: Json = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "stac_extensions": [],
    "id": "tiny",
    "properties": {
        "title": "Tiny",
        "description": "Two convolutions.",
        "license": "Apache-2.0",
        "keywords": ["building", "semantic-segmentation", "polygon"],
        "gsd": 1.0,
        "fair:resampling": "average",
        "fair:sample_size_px": 64,
        "mlm:name": "tiny",
        "mlm:architecture": "Two convolutions",
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": "PyTorch",
        "mlm:framework_version": "2.13.0",
        "mlm:pretrained": False,
        "mlm:pretrained_source": None,
        "mlm:input": [
            {
                "name": "pixels",
                "bands": ["red", "green", "blue"],
                "input": {
                    "shape": [-1, 3, -1, -1],
                    "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": "float32",
                },
                "pre_processing_function": {
                    "format": "python",
                    "expression": "models.tiny.processing:preprocess",
                },
            }
        ],
        "mlm:output": [
            {
                "name": "logits",
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
                    "expression": "models.tiny.processing:postprocess",
                },
            }
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
        "checkpoint": {"href": "weights/initial.safetensors", "roles": ["mlm:weights"]},
        "source-code": {
            "href": "./",
            "type": "application/zip",
            "roles": ["mlm:source_code", "code"],
            "mlm:entrypoint": "models.tiny.pipeline",
        },
        "training-runtime": {"href": "local:worker", "roles": ["mlm:training-runtime"]},
        "inference-runtime": {"href": "local:worker", "roles": ["mlm:inference-runtime"]},
        "readme": {"href": "README.md", "roles": ["metadata"]},
    },
    "links": [],
}


def write(parent: Path, seed: int = 7) -> Path:
    """Write the contribution as <parent>/models/tiny."""
    folder = parent / "models" / "tiny"
    texts = {
        "__init__.py": '"""Tiny."""\n',
        "processing.py": PROCESSING,
        "pipeline.py": PIPELINE,
        "README.md": README,
        "Dockerfile": "FROM scratch\n",
        "tests/test_processing.py": "def test_it_is_tiny() -> None:\n    assert True\n",
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())
    write_weights(folder, seed)
    write_item(folder)
    return folder


def network(seed: int, width: int = 4) -> Any:
    import torch
    from torch import nn

    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 2, 3, padding=1))


def write_weights(folder: Path, seed: int) -> None:
    from fair_models.ml_tasks import weights

    path = folder / "weights" / "initial.safetensors"
    path.parent.mkdir(exist_ok=True)
    weights.save(network(seed), path)


def write_item(folder: Path, **properties: Any) -> None:
    """Write stac-item.json with the digest of the weights and further properties."""
    item = deepcopy(TEMPLATE)
    specified = specification()
    item["properties"]["fair:hyperparameters_spec"] = specified
    item["properties"]["mlm:hyperparameters"] = {each["key"]: each["default"] for each in specified}
    item["properties"] |= properties
    weights = folder / "weights" / "initial.safetensors"
    item["assets"]["checkpoint"]["file:checksum"] = checksum_file(weights)
    (folder / "stac-item.json").write_bytes(orjson.dumps(item))
