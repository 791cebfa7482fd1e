"""An item as the existing fAIr catalogue has them, with its files as their hosts have them.

It was written without us: hyperparameters without prefix and specification, all functions in one module, code
as the archive of a whole repository, weights as a torch state dict behind a redirect, images by ":latest".
"""

from __future__ import annotations

import textwrap
import zipfile
from pathlib import Path

import orjson

from fair_models.types import Json

PIPELINE = '''
"""Roofs in one module, as older contributions have it."""

from pydantic import BaseModel, Field
from torch import nn

from fair_models.ml_tasks import segmentation
from fair_models.ml_tasks.segmentation import training

from .layers import convolution


class Params(training.Params):
    """Hyperparameters."""

    learning_rate: float = Field(0.01, gt=0, le=1, description="Step size.")
    width: int = Field(4, ge=1, le=8, description="Channels in the middle (1 to 8).")


def preprocess(window):
    return segmentation.scale_to_unit(window)


def postprocess(outputs, window, params):
    return segmentation.class_probabilities(outputs, window, params)


def build(params):
    return nn.Sequential(convolution(3, params.width), nn.ReLU(), convolution(params.width, 2))


train, evaluate, export = training.train, training.evaluate, training.export
'''

LAYERS = """
from torch import nn


def convolution(taken, given):
    return nn.Conv2d(taken, given, 3, padding=1)
"""

ITEM: Json = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "stac_extensions": [
        "https://stac-extensions.github.io/mlm/v1.5.1/schema.json",
        "https://stac-extensions.github.io/version/v1.2.0/schema.json",
        "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
        "https://stac-extensions.github.io/file/v2.1.0/schema.json",
        "https://fair.invalid/schemas/v1.0.0/base-model/schema.json",
    ],
    "id": "roof-finder",
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]],
    },
    "bbox": [-180, -90, 180, 90],
    "properties": {
        "datetime": "2024-01-01T00:00:00Z",
        "created": "2024-01-01T00:00:00Z",
        "updated": "2024-01-01T00:00:00Z",
        "title": "Roof finder",
        "description": "Finds roofs in very high resolution aerial imagery.",
        "mlm:name": "roof-finder",
        "mlm:architecture": "UNet",
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": "PyTorch",
        "mlm:framework_version": "2.10.0",
        "mlm:pretrained": True,
        "mlm:pretrained_source": "https://example.org/paper",
        "mlm:accelerator": "amd64",
        "mlm:accelerator_count": 1,
        "keywords": ["building", "semantic-segmentation", "polygon"],
        "license": "AGPL-3.0-only",
        "version": "3",
        "deprecated": False,
        "providers": [{"name": "Mappers", "roles": ["producer", "host"], "url": "https://example.org"}],
        "fair:metrics_spec": [
            {"key": "fair:mean_iou", "name": "Mean IoU", "description": "Over all classes."},
            {"key": "fair:building_iou", "name": "Building IoU", "description": "Of buildings."},
        ],
        "fair:split_spec": {"strategy": "spatial", "default_ratio": 0.2, "seed": 42},
        "fair:country": "NP",
        "mlm:input": [
            {
                "name": "RGB chips",
                "bands": [{"name": "red"}, {"name": "green"}, {"name": "blue"}],
                "input": {
                    "shape": [-1, 3, 64, 64],
                    "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": "float32",
                },
                "pre_processing_function": {
                    "format": "python",
                    "expression": "models.roof_finder.pipeline:preprocess",
                },
            }
        ],
        "mlm:output": [
            {
                "name": "segmentation mask",
                "tasks": ["semantic-segmentation"],
                "result": {
                    "shape": [-1, 2, 64, 64],
                    "dim_order": ["batch", "channel", "height", "width"],
                    "data_type": "float32",
                },
                "classification:classes": [
                    {"name": "background", "value": 0, "description": "All else"},
                    {"name": "building", "value": 1, "description": "Building footprints"},
                ],
                "post_processing_function": {
                    "format": "python",
                    "expression": "models.roof_finder.pipeline:postprocess",
                },
                "bands": [],
            }
        ],
        "mlm:hyperparameters": {"epochs": 5, "batch_size": 4, "learning_rate": 0.001, "width": 4},
    },
    "assets": {
        "checkpoint": {
            "href": "../files/latest.pt",
            "title": "Pretrained weights",
            "type": "application/octet-stream; framework=pytorch",
            "roles": ["mlm:model", "mlm:weights"],
            "mlm:artifact_type": "torch.save",
            "raster:bands": [{"name": "red"}, {"name": "green"}, {"name": "blue"}],
        },
        "model": {
            "href": "./roofs.onnx",
            "type": "application/octet-stream; framework=onnx",
            "roles": ["mlm:model"],
            "mlm:artifact_type": "onnx",
        },
        "source-code": {
            "href": "../files/repository.zip",
            "type": "application/zip",
            "roles": ["code"],
            "mlm:entrypoint": "models.roof_finder.pipeline",
        },
        "mlm:training": {
            "href": "ghcr.io/example/roof-finder:latest",
            "type": "application/vnd.oci.image.index.v1+json",
            "roles": ["mlm:training-runtime"],
        },
        "mlm:inference": {
            "href": "ghcr.io/example/roof-finder:latest",
            "type": "application/vnd.oci.image.index.v1+json",
            "roles": ["mlm:inference-runtime"],
        },
        "readme": {"href": "./README.md", "type": "text/markdown", "roles": ["metadata"]},
        "paper": {"href": "https://example.org/paper.pdf", "type": "application/pdf", "roles": ["metadata"]},
    },
    "links": [
        {"rel": "self", "href": "./roof-finder.json"},
        {"rel": "license", "href": "https://www.gnu.org/licenses/agpl-3.0.html", "type": "text/html"},
        {"rel": "cite-as", "href": "../paper.html"},
    ],
}


def write(folder: Path) -> Path:
    """Write the item and its files as a web server would have them. Returns the item's path."""
    import torch

    from fair_models.ml_tasks.onnx_export import export_onnx
    from tests.publishing import tiny_contribution

    items, files = folder / "items", folder / "files"
    for each in (items, files):
        each.mkdir(parents=True)
    network = tiny_contribution.network(seed=3).eval()
    export_onnx(network, items / "roofs.onnx", "logits")
    torch.save(network.state_dict(), files / "latest.pt")
    write_code(files / "repository.zip")
    (items / "README.md").write_text("# Roof finder\n\nFinds roofs.\n", encoding="utf-8")
    path = items / "roof-finder.json"
    path.write_bytes(orjson.dumps(ITEM, option=orjson.OPT_INDENT_2))
    return path


def write_code(archive: Path, pipeline: str = PIPELINE, **more: str) -> None:
    """The archive that a code host makes of the repository: one folder on top, other models beside."""
    texts = {
        "README.md": "# Models\n",
        "models/__init__.py": "",
        "models/other/pipeline.py": "1 / 0\n",
        "models/roof_finder/__init__.py": "",
        "models/roof_finder/pipeline.py": pipeline,
        "models/roof_finder/layers.py": LAYERS,
        "models/roof_finder/tests/test_it.py": "",
        "models/roof_finder/Dockerfile": "FROM scratch\n",
        **more,
    }
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("fair-3f2a9c1/", b"")
        opened.writestr("fair-3f2a9c1/models/", b"")
        for name, text in texts.items():
            opened.writestr(f"fair-3f2a9c1/{name}", textwrap.dedent(text))
