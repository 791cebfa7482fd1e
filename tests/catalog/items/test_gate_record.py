"""`fair:gate`: the gate that a published version passed, or that was overridden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fair_models.catalog import validation
from fair_models.types import Json
from tests.catalog.item_factory import local_item, raw

PASSED: Json = {
    "passed": True,
    "reasons": [],
    "minimum": {"fair:building_iou": 0.5},
    "not_worse_by": 0.02,
    "metric": "fair:building_iou",
    "challenger_value": 0.74,
    "champion": "banepa-roofs-v2",
    "champion_value": 0.71,
    "measured": "now",
    "seen_by_champion": 3,
    "measured_on": "banepa-buildings-v1",
    "held_out_count": 10,
}
OVERRIDDEN: Json = {
    **PASSED,
    "passed": False,
    "reasons": ["fair:building_iou is 0.61, 0.1 worse than 0.71 of the current banepa-roofs-v2"],
    "override_reason": "The new imagery is cloudy",
}


def problems(gate: Mapping[str, Any]) -> list[str]:
    return validation.own_problems(raw(local_item(gate=gate)))


@pytest.mark.parametrize("gate", [PASSED, OVERRIDDEN])
def test_a_gate_that_was_passed_or_overridden_is_valid(gate: Json) -> None:
    assert raw(local_item(gate=gate))["properties"]["fair:gate"] == gate
    assert problems(gate) == []


def test_an_item_without_a_record_is_valid() -> None:
    assert "fair:gate" not in raw(local_item())["properties"]
    assert problems({}) == []


@pytest.mark.parametrize("field", ["passed", "reasons", "metric", "challenger_value", "measured_on"])
def test_a_record_says_what_was_measured_on_what(field: str) -> None:
    (reason,) = problems({key: value for key, value in PASSED.items() if key != field})
    assert reason.startswith(f"properties.fair:gate.{field}: is missing")


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({**PASSED, "passed": False}, "override_reason: is missing"),
        ({**OVERRIDDEN, "reasons": []}, "should have at least 1"),
        ({**OVERRIDDEN, "override_reason": "so be it"}, "should have at least 10"),
        ({**OVERRIDDEN, "passed": True}, "leave override_reason out"),
        ({**PASSED, "reasons": ["it is too small"]}, "should have at most 0"),
        ({**PASSED, "measured": "tomorrow"}, "should be one of 'now', 'recorded'"),
        ({**PASSED, "not_worse_by": 2}, "should be at most 1"),
        ({**PASSED, "held_out_count": 0}, "should be at least 1"),
        ({**PASSED, "champion": "roofs"}, "champion"),
        ({**PASSED, "mood": "good"}, "mood"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(gate: Json, said: str) -> None:
    reasons = problems(gate)
    assert reasons
    assert all(reason.startswith("properties.fair:gate") for reason in reasons)
    assert said in "; ".join(reasons)
