"""Gates: what a run must reach before it is published."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pystac import Item

from fair_models.errors import GateFailed, Invalid
from fair_models.params import Gate
from fair_models.publishing import gates

IOU, LOSS = "fair:building_iou", "fair:error_px"


def item(item_id: str, **properties: Any) -> Item:
    return Item(item_id, None, None, datetime(2026, 11, 21, tzinfo=UTC), properties)


def base(minimum: float | None = None) -> Item:
    main: dict[str, Any] = {"key": IOU, "name": "IoU", "description": "IoU.", "higher_is_better": True}
    if minimum is not None:
        main["minimum"] = minimum
    loss = {"key": LOSS, "name": "Error", "description": "Error.", "higher_is_better": False}
    return item("roofer-v1", **{"fair:metrics_spec": [main, loss]})


def measured(
    metrics: Mapping[str, float | None] | None = None, held_out_count: int = 12, dataset_id: str = "town-v1"
) -> gates.Measured:
    values = {IOU: 0.61, LOSS: 2.0} if metrics is None else metrics
    return gates.Measured("roofs-v3", values, held_out_count, dataset_id)


def current(value: float | None = 0.7, dataset_id: str = "town-v1") -> Item:
    return item("roofs-v2", **{IOU: value, "fair:dataset_id": dataset_id})


def reasons_of(gate: Gate, candidate: gates.Measured, parent: Item, before: Item | None = None) -> str:
    with pytest.raises(GateFailed) as failed:
        gates.check(gate, candidate, parent, before)
    return str(failed.value)


def test_a_gate_that_asks_for_nothing_lets_a_measured_run_pass() -> None:
    gates.check(Gate(), measured(), base(), current())


def test_a_failed_minimum_names_the_metric_both_values_and_the_distance() -> None:
    told = reasons_of(Gate(minimum={IOU: 0.65}), measured(), base())
    assert "roofs-v3" in told
    assert f"{IOU} is 0.61, 0.04 below the minimum of 0.65" in told


def test_the_base_model_s_own_minimum_counts_without_being_asked_for() -> None:
    assert "below the minimum of 0.65" in reasons_of(Gate(), measured(), base(minimum=0.65))


def test_a_gate_cannot_lower_the_base_model_s_minimum() -> None:
    assert "minimum of 0.65" in reasons_of(Gate(minimum={IOU: 0.1}), measured(), base(minimum=0.65))


def test_reaching_the_minimum_exactly_is_enough() -> None:
    gates.check(Gate(minimum={IOU: 0.61}), measured(), base(), None)


def test_a_run_without_held_out_data_cannot_pass_whatever_its_metrics() -> None:
    told = reasons_of(Gate(), measured({IOU: 0.99}, held_out_count=0), base())
    assert "was not measured on held-out data" in told


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_main_metric_that_is_no_number_was_not_measured(value: float | None) -> None:
    assert "was not measured" in reasons_of(Gate(), measured({IOU: value}), base())


def test_a_run_may_be_worse_than_the_current_version_within_the_margin() -> None:
    gates.check(Gate(not_worse_by=0.09), measured(), base(), current(0.7))


def test_a_run_worse_than_the_margin_is_told_both_values_and_the_margin() -> None:
    told = reasons_of(Gate(not_worse_by=0.05), measured(), base(), current(0.7))
    assert f"{IOU} is 0.61, 0.09 worse than 0.7 of the current roofs-v2" in told
    assert "at most 0.05 is allowed" in told


def test_without_a_current_version_there_is_nothing_to_be_worse_than() -> None:
    gates.check(Gate(not_worse_by=0.0), measured(), base(), None)


def test_values_from_other_held_out_chips_are_not_compared() -> None:
    told = reasons_of(Gate(not_worse_by=0.5), measured(), base(), current(0.7, dataset_id="village-v1"))
    assert "cannot be compared" in told
    assert "town-v1" in told
    assert "village-v1" in told


def test_where_lower_is_better_a_larger_value_is_worse() -> None:
    spec = base().properties["fair:metrics_spec"][::-1]
    parent = item("roofer-v1", **{"fair:metrics_spec": spec})
    before = item("roofs-v2", **{LOSS: 1.5, "fair:dataset_id": "town-v1"})
    assert "0.5 worse than 1.5" in reasons_of(Gate(not_worse_by=0.4), measured(), parent, before)
    gates.check(Gate(not_worse_by=0.5), measured(), parent, before)


@pytest.mark.parametrize("key", ["fair:nonsense", LOSS])
def test_a_minimum_of_an_unknown_metric_or_one_where_lower_is_better_is_refused(key: str) -> None:
    with pytest.raises(Invalid, match=rf"{key}.*Choose among: {IOU}"):
        gates.check(Gate(minimum={key: 0.5}), measured(), base(), None)


def test_all_reasons_are_told_at_once() -> None:
    gate = Gate(minimum={IOU: 0.9}, not_worse_by=0.01)
    told = reasons_of(gate, measured(held_out_count=0), base(), current(0.7))
    assert "held-out data" in told
    assert "below the minimum" in told
    assert "worse than" in told
