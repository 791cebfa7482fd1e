"""What is found of contributions that tell objects apart, before anything of them is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from fair_models.contract import checks
from fair_models.contract.blueprint import TemplateInput
from fair_models.contract.verification import instance_check
from fair_models.errors import InvalidContribution
from fair_models.inference.parts import InstancePart, Part, RasterPart, Window
from fair_models.ml_tasks import weights
from fair_models.sdk.export import export_onnx
from fair_models.store.digests import checksum_file
from fair_models.types import Array, Json

TASKS = ["instance-segmentation", "semantic-segmentation"]
FACTS = TemplateInput(bands=3, size_px=64)
WIDTH = 64 + 37
"""The window of the trial is wider than high, so that turned arrays show."""

PROCESSING = """
import numpy as np
from fair_models.sdk import InstancePart

def preprocess(window):
    return window.astype(np.float32) / 255

def postprocess(outputs, window, params):
    scores = outputs["logits"]
    powers = np.exp(scores[:2])
    return [InstancePart(powers / powers.sum(axis=0), 1 / (1 + np.exp(-scores[-1])))]
"""


@dataclass(frozen=True)
class Trial:
    """A contribution's processing whose last step a test chooses."""

    last: Callable[[Array, Array], list[Any]]

    def preprocess(self, window: Array) -> Array:
        return window.astype(np.float32) / 255

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> list[Part]:
        powers = np.exp(outputs["logits"][:2])
        return self.last(powers / powers.sum(axis=0), 1 / (1 + np.exp(-outputs["logits"][-1])))


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(nn.Conv2d(3, 3, kernel_size=3, padding=1), path, output="logits")
    return path


def template(*tasks: str) -> Json:
    classes = [{"value": value, "name": name} for value, name in enumerate(("background", "building"))]
    output = {"tasks": list(tasks or TASKS), "classification:classes": classes}
    return {"id": "roof-dots", "properties": {"mlm:output": [output]}}


def reasons(onnx: Path, last: Callable[[Array, Array], list[Any]], *tasks: str) -> list[str]:
    try:
        instance_check.check(template(*tasks), onnx, Trial(last), {}, FACTS)
    except InvalidContribution as error:
        return list(error.reasons)
    return []


def test_classes_and_interiors_of_a_window_are_right(onnx: Path) -> None:
    assert reasons(onnx, lambda likely, interior: [InstancePart(likely, interior)]) == []


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (
            lambda likely, interior: [RasterPart(likely)],
            "postprocess gives RasterPart for a window, and its task is instance-segmentation: let it give "
            "one InstancePart",
        ),
        (lambda likely, interior: [], "postprocess gives nothing for a window"),
        (
            lambda likely, interior: [InstancePart(likely, interior)] * 2,
            "postprocess gives InstancePart, InstancePart for a window",
        ),
        (
            lambda likely, interior: [InstancePart(likely, None)],  # type: ignore[arg-type]
            "the interior of its InstancePart is NoneType, should be an array (height, width)",
        ),
        (
            lambda likely, interior: [InstancePart(likely, interior[1:])],
            f"the interior of its InstancePart has the shape (63, {WIDTH}) for a window of 64 x {WIDTH} px, "
            f"should be (64, {WIDTH}): (height, width)",
        ),
        (
            lambda likely, interior: [InstancePart(likely, interior.T)],
            f"the interior of its InstancePart has the shape ({WIDTH}, 64)",
        ),
        (
            lambda likely, interior: [InstancePart(np.stack([*likely, interior]), interior)],
            f"the probabilities of its InstancePart has the shape (3, 64, {WIDTH})",
        ),
        (lambda likely, interior: [InstancePart(likely, interior * 9)], "be probabilities from 0 to 1"),
        (lambda likely, interior: [InstancePart(likely, interior * np.nan)], "be probabilities from 0 to 1"),
        (lambda likely, interior: [InstancePart(likely, interior > 0.5)], "is of bool, should be float32"),
        (lambda likely, interior: [1 // 0], "postprocess failed: ZeroDivisionError"),
    ],
)
def test_post_processing_that_says_no_interiors_is_told(
    onnx: Path, last: Callable[[Array, Array], list[Any]], said: str
) -> None:
    (reason,) = reasons(onnx, last)
    assert said in reason


def test_other_tasks_are_not_asked_for_interiors(onnx: Path) -> None:
    assert reasons(onnx, lambda likely, interior: [RasterPart(likely)], "semantic-segmentation") == []


def _tell_apart(contribution: Any, channels: int, said: int) -> None:
    """Make a contribution one of objects, with so many channels; its item says a number of its own."""
    contribution.write("processing.py", PROCESSING)
    layers = (contribution.path / "layers.py").read_text().replace("Conv2d(3, 2,", f"Conv2d(3, {channels},")
    contribution.write("layers.py", layers)
    path: Path = contribution.path / "weights" / "initial.safetensors"
    weights.save(nn.Conv2d(3, channels, kernel_size=3, padding=1), path)
    made = contribution.item()
    made["properties"] |= {"mlm:tasks": TASKS, "keywords": ["building", "instance-segmentation", "polygon"]}
    made["properties"]["mlm:output"][0] |= {
        "tasks": TASKS,
        "result": {
            "shape": [-1, said, -1, -1],
            "dim_order": ["batch", "channel", "height", "width"],
            "data_type": "float32",
        },
    }
    made["assets"]["checkpoint"] |= {
        "file:checksum": checksum_file(path),
        "file:size": path.stat().st_size,
    }
    contribution.write_item(made)


def test_nothing_is_wrong_with_a_contribution_that_gives_classes_and_interiors(contribution: Any) -> None:
    _tell_apart(contribution, 3, 3)
    assert checks.problems(contribution.path) == []


def test_a_contribution_is_tried_with_the_inference_parameters_of_its_item(contribution: Any) -> None:
    _tell_apart(contribution, 3, 3)
    head, _, last = PROCESSING.rpartition("    return ")
    contribution.write("processing.py", f"{head}    assert params['min_area_m2'] == 5\n    return {last}")
    (reason,) = checks.problems(contribution.path)
    assert "postprocess failed: AssertionError" in reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            3,
            "the network gives 2 scores, mlm:output[0].result.shape says 3: let both have one for each class",
        ),
        (
            -1,
            "the network gives 2 scores for the classes background, building: let it have one for each class",
        ),
        (2, "should be 3, the number of classes (2) and at least one more for the interiors of objects"),
    ],
)
def test_a_network_without_a_channel_for_interiors_is_told(contribution: Any, said: int, reason: str) -> None:
    _tell_apart(contribution, 2, said)
    assert reason in "\n".join(checks.problems(contribution.path))
