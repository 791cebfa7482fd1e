"""What registration finds where classes follow the dataset, or are not those of the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from pydantic import BaseModel
from torch import nn

from fair_models.contract.verification import class_check
from fair_models.errors import InvalidContribution

CLASSES = ("background", "building")


class Params(BaseModel):
    """None."""


class Network(nn.Module):
    """Features and a head; with `gate`, another layer that depends on the classes."""

    def __init__(self, classes: int, gate: bool = False) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, classes)
        self.gate = nn.Linear(4, classes) if gate else None

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.features(pixels).mean(dim=(2, 3)))
        return scores


def template(layers: list[str] | None = None, shape: Sequence[int] = (-1, 2)) -> dict[str, Any]:
    output = {
        "result": {"shape": list(shape), "dim_order": ["batch", "class"]},
        "classification:classes": [{"value": at, "name": name} for at, name in enumerate(CLASSES)],
    }
    properties: dict[str, Any] = {"mlm:output": [output]}
    if layers is not None:
        properties["fair:class_layers"] = layers
    return {"id": "chips", "properties": properties}


def build(params: Params, classes: Sequence[str] = CLASSES) -> nn.Module:
    return Network(len(classes))


def postprocess(outputs: Any, window: Any, params: Any, classes: Sequence[str] = CLASSES) -> list[Any]:
    return []


def check(layers: list[str] | None, making: Any = build, processing: Any = postprocess) -> None:
    class_check.check(template(layers), making, processing, Params())


def test_a_head_that_follows_the_classes_is_right() -> None:
    check(["head"])


def test_a_model_that_keeps_its_classes_need_not_take_others() -> None:
    check(None, lambda params: Network(2), lambda outputs, window, params: [])


def test_functions_that_take_no_classes_are_named() -> None:
    with pytest.raises(InvalidContribution) as told:
        check(["head"], lambda params: Network(2), lambda outputs, window, params: [])
    assert "build takes none" in str(told.value)
    assert "postprocess takes none" in str(told.value)


def test_layers_that_depend_on_the_classes_and_are_not_named_are_told() -> None:
    with pytest.raises(InvalidContribution, match=r"gate.bias, gate.weight change too"):
        check(["head"], lambda params, classes=CLASSES: Network(len(classes), gate=True))


def test_layers_that_do_not_exist_are_told() -> None:
    with pytest.raises(InvalidContribution, match="names tail, which the network does not have"):
        check(["head", "tail"])


def test_a_network_that_ignores_the_classes_is_told() -> None:
    with pytest.raises(InvalidContribution, match="makes the same network for one class more"):
        check(["head"], lambda params, classes=CLASSES: Network(2))


def test_a_network_with_other_scores_than_the_item_has_classes_is_told() -> None:
    pixels = torch.zeros(1, 3, 8, 8)
    class_check.check_output(template(), Network(2), pixels)
    class_check.check_output(template(shape=(-1, -1)), Network(21), pixels)
    with pytest.raises(InvalidContribution, match=r"gives 21 scores, .* says 2"):
        class_check.check_output(template(), Network(21), pixels)
