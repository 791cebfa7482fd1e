"""A small contribution in a folder of its own, as somebody outside the repository would write it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from fair_models.contract.code.code_archive import pack_code
from fair_models.ml_tasks import weights
from fair_models.store.digests import checksum_file

PACKAGE = "roof_dots"

PROCESSING = '''
"""Brightness in, probabilities out."""
import numpy as np
from fair_models.sdk import RasterPart

def preprocess(window):
    return window.astype(np.float32) / 255

def postprocess(outputs, window, params):
    powers = np.exp(outputs["logits"])
    return [RasterPart(powers / powers.sum(axis=0))]
'''

PIPELINE = '''
"""One convolution."""
from pydantic import Field
from torch import nn
from fair_models.sdk.segmentation import training
from .layers import convolution

class Params(training.Params):
    size: int = Field(3, ge=1, le=7, description="Width of the convolution (1 to 7).")

def build(params):
    return convolution(params.size)

train, evaluate, export = training.train, training.evaluate, training.export
'''

LAYERS = """
from torch import nn

def convolution(size):
    return nn.Conv2d(3, 2, kernel_size=size, padding=size // 2)
"""

CARD = "# Roof dots\n\nUse, data, limits, licence and metrics of a model that exists for tests.\n"


@dataclass(frozen=True)
class Folder:
    """A contribution on disk that a test may break."""

    path: Path

    def write(self, name: str, text: str) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")

    def item(self) -> dict[str, Any]:
        template: dict[str, Any] = json.loads((self.path / "stac-item.json").read_text(encoding="utf-8"))
        return template

    def write_item(self, template: dict[str, Any]) -> None:
        (self.path / "stac-item.json").write_text(json.dumps(template), encoding="utf-8")

    def pack(self, name: str = "code.zip") -> tuple[Path, str]:
        """Archive the code as it is now; the archive and its checksum."""
        archive = self.path.parent / name
        pack_code(self.path, archive)
        return archive, checksum_file(archive)


@pytest.fixture
def contribution(tmp_path: Path) -> Folder:
    """Complete and right, in a folder that is not called models."""
    folder = Folder(tmp_path / "elsewhere" / PACKAGE)
    folder.write("__init__.py", "")
    folder.write("processing.py", PROCESSING)
    folder.write("pipeline.py", PIPELINE)
    folder.write("layers.py", LAYERS)
    folder.write("README.md", CARD)
    folder.write("Dockerfile", "FROM scratch\n")
    folder.write("tests/test_processing.py", "def test_nothing(): ...\n")
    _add_weights(folder)
    folder.write_item(_item(folder))
    return folder


def _add_weights(folder: Folder) -> None:
    import torch
    from torch import nn

    torch.manual_seed(0)
    weights.save(nn.Conv2d(3, 2, kernel_size=3, padding=1), folder.path / "weights" / "initial.safetensors")


def _item(folder: Folder) -> dict[str, Any]:
    """The item of the repository's own model, told of this one, which knows pixels alone."""
    own = Path(__file__).resolve().parents[2] / "models" / "unet_segmentation" / "stac-item.json"
    text = own.read_text(encoding="utf-8").replace("models.unet_segmentation", PACKAGE)
    template: dict[str, Any] = json.loads(text.replace("unet-segmentation", "roof-dots"))
    properties = template["properties"]
    properties.pop("mlm:total_parameters")
    _know_pixels_alone(properties)
    entry = next(each for each in properties["fair:hyperparameters_spec"] if each["key"] == "training.width")
    entry |= {"key": "training.size", "default": 3, "values": [3], "description": "Width of the convolution."}
    del properties["mlm:hyperparameters"]["training.width"]
    properties["mlm:hyperparameters"]["training.size"] = 3
    file = folder.path / "weights" / "initial.safetensors"
    template["assets"]["checkpoint"] |= {
        "file:checksum": checksum_file(file),
        "file:size": file.stat().st_size,
    }
    return template


def _know_pixels_alone(properties: dict[str, Any]) -> None:
    """Leave out of the item what only models of objects have."""
    from fair_models.sdk.segmentation import training

    task = "semantic-segmentation"
    output = properties["mlm:output"][0]
    properties["mlm:tasks"] = output["tasks"] = [task]
    properties["keywords"] = ["building", task, "polygon"]
    properties.pop("fair:thing_classes", None)
    output["result"]["shape"] = [-1, 2, -1, -1]
    known = {f"training.{name}" for name in [*training.Params.model_fields, "width"]}
    known |= {f"inference.{name}" for name in ("confidence_threshold", "min_area_m2", "simplify_m")}
    spec = [entry for entry in properties["fair:hyperparameters_spec"] if entry["key"] in known]
    properties["fair:hyperparameters_spec"] = spec
    values = {key: value for key, value in properties["mlm:hyperparameters"].items() if key in known}
    # The epochs are those of `training.Params`, not of the repository's own model.
    values["training.epochs"] = training.Params().epochs
    next(each for each in spec if each["key"] == "training.epochs")["default"] = training.Params().epochs
    properties["mlm:hyperparameters"] = values


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Run a program in a fresh process and give what it prints."""
    import subprocess
    import sys

    def run(program: str, *arguments: object) -> str:
        command = [sys.executable, "-c", dedent(program), *map(str, arguments)]
        project = Path(__file__).resolve().parents[2]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=project)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
