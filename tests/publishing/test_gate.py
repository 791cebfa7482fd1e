"""Gates: what a run must reach before it is published."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from pystac import Item

from fair_models.catalog.items.model import ModelItem
from fair_models.errors import GateFailed, Invalid
from fair_models.params import Gate
from fair_models.publishing import gate as gates
from fair_models.reports import cards

IOU, LOSS = "fair:building_iou", "fair:error_px"


def item(item_id: str, **properties: Any) -> Item:
    return Item(item_id, None, None, datetime(2026, 11, 21, tzinfo=UTC), properties)


def base(minimum: float | None = None) -> ModelItem:
    main: dict[str, Any] = {"key": IOU, "name": "IoU", "description": "IoU.", "higher_is_better": True}
    if minimum is not None:
        main["minimum"] = minimum
    loss = {"key": LOSS, "name": "Error", "description": "Error.", "higher_is_better": False}
    return ModelItem(item("roofer-v1", **{"fair:metrics_spec": [main, loss]}))


def measured(
    metrics: Mapping[str, float | None] | None = None, held_out_count: int = 12, dataset_id: str = "town-v1"
) -> gates.Measured:
    values = {IOU: 0.61, LOSS: 2.0} if metrics is None else metrics
    return gates.Measured("roofs-v3", values, held_out_count, dataset_id)


def current(value: float | None = 0.7, **fields: Any) -> gates.Champion:
    return gates.Champion("roofs-v2", value, "recorded", **fields)


def reasons_of(
    gate: Gate, candidate: gates.Measured, parent: ModelItem, before: gates.Champion | None = None
) -> str:
    with pytest.raises(GateFailed) as failed:
        gates.evaluate(gate, candidate, parent, before)
    return str(failed.value)


def test_a_gate_that_asks_for_nothing_lets_a_measured_run_pass() -> None:
    gates.evaluate(Gate(), measured(), base(), current())


def test_a_failed_minimum_names_the_metric_both_values_and_the_distance() -> None:
    told = reasons_of(Gate(minimum={IOU: 0.65}), measured(), base())
    assert "roofs-v3" in told
    assert f"{IOU} is 0.61, 0.04 below the minimum of 0.65" in told


def test_the_base_model_s_own_minimum_counts_without_being_asked_for() -> None:
    assert "below the minimum of 0.65" in reasons_of(Gate(), measured(), base(minimum=0.65))


def test_a_gate_cannot_lower_the_base_model_s_minimum() -> None:
    assert "minimum of 0.65" in reasons_of(Gate(minimum={IOU: 0.1}), measured(), base(minimum=0.65))


def test_reaching_the_minimum_exactly_is_enough() -> None:
    gates.evaluate(Gate(minimum={IOU: 0.61}), measured(), base(), None)


def test_a_run_without_held_out_data_cannot_pass_whatever_its_metrics() -> None:
    told = reasons_of(Gate(), measured({IOU: 0.99}, held_out_count=0), base())
    assert "was not measured on held-out data" in told


def test_a_main_metric_without_a_value_was_not_measured() -> None:
    told = reasons_of(Gate(), measured({IOU: None, LOSS: 2.0}), base())
    assert f"its main metric {IOU} was not measured on the 12 held-out samples" in told


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", [IOU, LOSS])
def test_a_metric_that_is_no_finite_number_is_refused_by_name(key: str, value: float) -> None:
    told = reasons_of(Gate(), measured({IOU: 0.61, LOSS: 2.0, key: value}), base())
    assert f"{key} is {value}, which is no finite number" in told


def test_a_metric_that_the_model_specifies_must_be_among_the_figures() -> None:
    assert f"{LOSS} was not measured" in reasons_of(Gate(), measured({IOU: 0.61}), base())


@pytest.mark.parametrize("key", ["fair:dataset_id", "fair:gate", "title", "fair:", "fair:a b"])
def test_no_metric_is_called_like_another_field_of_the_item(key: str) -> None:
    told = reasons_of(Gate(), measured({IOU: 0.61, LOSS: 2.0, key: 0.9}), base())
    assert f"{key} is no name for a metric" in told


def test_further_metrics_are_no_fault() -> None:
    gates.evaluate(Gate(), measured({IOU: 0.61, LOSS: 2.0, "fair:mean_iou": None}), base(), None)


def test_a_run_may_be_worse_than_the_current_version_within_the_margin() -> None:
    gates.evaluate(Gate(not_worse_by=0.09), measured(), base(), current(0.7))


def test_a_run_worse_than_the_margin_is_told_both_values_and_the_margin() -> None:
    told = reasons_of(Gate(not_worse_by=0.05), measured(), base(), current(0.7))
    assert f"{IOU} is 0.61, 0.09 worse than 0.7 of the current roofs-v2 on the same held-out" in told
    assert "at most 0.05 is allowed" in told


def test_without_a_current_version_there_is_nothing_to_be_worse_than() -> None:
    gates.evaluate(Gate(not_worse_by=0.0), measured(), base(), None)


def test_a_current_version_that_could_not_be_measured_fails_the_comparison_with_the_true_reason() -> None:
    unknown = current(None, problem="the current roofs-v2 does not fit town-v1: the classes differ")
    told = reasons_of(Gate(not_worse_by=0.5), measured(), base(), unknown)
    assert f"{IOU} cannot be compared: the current roofs-v2 does not fit town-v1: the classes differ" in told


def test_where_lower_is_better_a_larger_value_is_worse() -> None:
    spec = base().properties["fair:metrics_spec"][::-1]
    parent = ModelItem(item("roofer-v1", **{"fair:metrics_spec": spec}))
    before = current(1.5)
    assert "0.5 worse than 1.5" in reasons_of(Gate(not_worse_by=0.4), measured(), parent, before)
    gates.evaluate(Gate(not_worse_by=0.5), measured(), parent, before)


@pytest.mark.parametrize("key", ["fair:nonsense", LOSS])
def test_a_minimum_of_an_unknown_metric_or_one_where_lower_is_better_is_refused(key: str) -> None:
    with pytest.raises(Invalid, match=rf"{key}.*Choose among: {IOU}"):
        gates.evaluate(Gate(minimum={key: 0.5}), measured(), base(), None)


def of_objects(key: str) -> ModelItem:
    """A model whose objects are measured by another metric than those of the IoU."""
    entries = [
        {"key": each, "name": each, "description": "Metric.", "higher_is_better": True} for each in (IOU, key)
    ]
    return ModelItem(item("roofer-v1", **{"fair:metrics_spec": entries}))


def test_a_minimum_of_instances_is_refused_by_name_where_a_model_knows_connected_regions_alone() -> None:
    old = of_objects("fair:object_f1")
    values = measured({IOU: 0.61, "fair:object_f1": 0.9})

    with pytest.raises(Invalid, match=r"fair:instance_f1, which is no metric.*fair:object_f1"):
        gates.evaluate(Gate(minimum={"fair:instance_f1": 0.5}), values, old, None)


def test_a_version_whose_instances_were_not_measured_falls_short_of_a_minimum_of_them_by_name() -> None:
    new = of_objects("fair:instance_f1")
    values = {IOU: 0.61, "fair:instance_f1": None, "fair:object_f1": 0.9}

    told = reasons_of(Gate(minimum={"fair:instance_f1": 0.5}), measured(values), new)

    assert "fair:instance_f1 was not measured, at least 0.5 is needed" in told
    gates.evaluate(Gate(), measured(values), new, None)


def test_all_reasons_are_told_at_once() -> None:
    gate = Gate(minimum={IOU: 0.9}, not_worse_by=0.01)
    told = reasons_of(gate, measured(held_out_count=0), base(), current(0.7))
    assert "held-out data" in told
    assert "below the minimum" in told
    assert "worse than" in told


def test_the_record_of_a_passed_gate_says_what_was_asked_for_and_compared() -> None:
    gate = Gate(minimum={IOU: 0.5}, not_worse_by=0.1)
    assert gates.evaluate(gate, measured(), base(minimum=0.4), current(0.7, seen=3)) == {
        "passed": True,
        "reasons": [],
        "minimum": {IOU: 0.5},
        "metric": IOU,
        "challenger_value": 0.61,
        "measured_on": "town-v1",
        "held_out_count": 12,
        "not_worse_by": 0.1,
        "champion": "roofs-v2",
        "champion_value": 0.7,
        "measured": "recorded",
        "seen_by_champion": 3,
    }


WHY = "Same roofs, but the new imagery is cloudy"


def test_an_override_keeps_its_reason_and_what_it_overrode() -> None:
    gate = Gate(minimum={IOU: 0.65}, not_worse_by=0.05, override_reason=WHY)
    record = gates.evaluate(gate, measured(), base(), current(0.7))
    below, worse = record["reasons"]
    assert not record["passed"]
    assert record["override_reason"] == WHY
    assert "0.04 below the minimum of 0.65" in below
    assert "0.09 worse than 0.7" in worse


def test_an_override_that_was_not_needed_is_not_kept() -> None:
    record = gates.evaluate(Gate(minimum={IOU: 0.5}, override_reason=WHY), measured(), base(), None)
    assert record["passed"]
    assert "override_reason" not in record


@pytest.mark.parametrize(
    "candidate",
    [
        measured(held_out_count=0),
        measured({IOU: None, LOSS: 2.0}),
        measured({IOU: float("nan"), LOSS: 2.0}),
        gates.Measured("roofs-v3", {IOU: 0.9, LOSS: 1.0}, 12, "town-v1", ["its run read other files"]),
    ],
)
def test_an_override_cannot_take_the_place_of_held_out_figures(candidate: gates.Measured) -> None:
    told = reasons_of(Gate(override_reason=WHY), candidate, base())
    assert "an override cannot take the place of a measurement" in told


@pytest.mark.parametrize(
    "reason", ["too short", "          ", "two lines\nof reason", "x" * 501, "turned \u202e around"]
)
def test_an_override_needs_one_line_of_reason(reason: str) -> None:
    with pytest.raises(ValidationError):
        Gate(override_reason=reason)


def guessed(value: float, guess: float | None, key: str = IOU) -> gates.Measured:
    metrics = {IOU: 0.61, LOSS: 2.0} | {key: value}
    return gates.Measured("roofs-v3", metrics, 12, "town-v1", (), guess, "everything is building")


@pytest.mark.parametrize(("value", "guess"), [(0.442, 0.442), (0.0, 0.442), (0.1 + 0.2, 0.3), (0.0, 0.0)])
def test_a_run_no_better_than_guessing_is_refused_with_both_values_the_guess_and_what_helps(
    value: float, guess: float
) -> None:
    told = reasons_of(Gate(), guessed(value, guess), base())
    assert f"{IOU} is {value:.4g}, no better than {guess:.4g} of the simplest guess" in told
    assert "(everything is building)" in told
    assert "training.learning_rate" in told
    assert "override reason" in told


@pytest.mark.parametrize("guess", [0.441, None, float("nan")])
def test_a_run_better_than_guessing_passes_and_so_does_one_without_a_known_guess(guess: float | None) -> None:
    assert gates.evaluate(Gate(), guessed(0.442, guess), base(), None)["passed"]


@pytest.mark.parametrize(("value", "passes"), [(1.9, True), (2.0, False), (2.1, False)])
def test_where_lower_is_better_a_guess_is_surpassed_by_less(value: float, passes: bool) -> None:
    spec = base().properties["fair:metrics_spec"][::-1]
    parent = ModelItem(item("roofer-v1", **{"fair:metrics_spec": spec}))
    record = gates.evaluate(Gate(override_reason=WHY), guessed(value, 2.0, LOSS), parent, None)
    assert record["passed"] is passes


def test_an_override_publishes_a_run_no_better_than_guessing_and_is_kept() -> None:
    record = gates.evaluate(Gate(override_reason=WHY), guessed(0.1, 0.442), base(), None)
    assert record["override_reason"] == WHY
    assert "no better than 0.442" in record["reasons"][0]


def test_the_record_is_told_in_a_sentence() -> None:
    gate = Gate(minimum={IOU: 0.5}, not_worse_by=0.1)
    assert cards.gate(gates.evaluate(gate, measured(), base(), current(0.7))) == (
        f"passed: {IOU} 0.61 (at least 0.5) on 12 held-out samples of town-v1, "
        "roofs-v2 0.7 (at most 0.1 worse)"
    )
    overridden = gates.evaluate(Gate(minimum={IOU: 0.65}, override_reason=WHY), measured(), base(), None)
    assert cards.gate(overridden) == f"overridden ({WHY}): {overridden['reasons'][0]}"
