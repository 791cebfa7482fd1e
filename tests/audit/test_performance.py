"""Thresholds of published models: per class, weighted by labels; unmeasured is not zero."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pystac import Item

from fair_models.audit.findings import Finding, Report
from fair_models.audit.performance_rules import value_of
from fair_models.params import Threshold
from fair_models.types import DATASETS, LOCAL_MODELS

Run = Callable[..., Report]
ChangeItem = Callable[..., None]
IOU = "fair:building_iou"


@pytest.fixture
def judged(registry: None, run: Run) -> Callable[..., list[Finding]]:
    """Findings where one metric must lie between two bounds."""
    return lambda metric, **bounds: list(
        run("thresholds", digests=False, thresholds={metric: Threshold(**bounds)}).findings
    )


def test_a_metric_below_its_threshold_is_found(judged: Callable[..., list[Finding]]) -> None:
    [finding] = judged(IOU, least=0.8)
    assert (finding.rule, finding.item) == ("thresholds", "local-models/banepa-roofs-v2")
    assert "fair:building_iou is 0.74, at least 0.8" in finding.message


def test_a_metric_that_is_too_good_is_found(judged: Callable[..., list[Finding]]) -> None:
    [finding] = judged(IOU, most=0.7)
    assert "too good to be true" in finding.message
    assert "held-out chips" in finding.next_step


def test_a_metric_between_its_thresholds_is_right(judged: Callable[..., list[Finding]]) -> None:
    assert judged(IOU, least=0.74, most=0.74) == []


def test_what_was_not_measured_is_not_compared(
    judged: Callable[..., list[Finding]], change: ChangeItem
) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v2", lambda item: item.properties.update({IOU: None}))
    assert judged(IOU, least=0.8) == []


def test_a_class_without_held_out_labels_is_not_compared(
    judged: Callable[..., list[Finding]], change: ChangeItem
) -> None:
    counts = {"train": {"building": 900}, "held_out": {"building": 0}}
    change(
        DATASETS, "banepa-buildings-v1", lambda item: item.properties.update({"fair:class_counts": counts})
    )
    assert judged(IOU, least=0.8) == []


def test_deprecated_versions_are_not_compared(
    judged: Callable[..., list[Finding]], change: ChangeItem
) -> None:
    def worsen(item: Item) -> None:
        item.properties[IOU] = 0.1

    change(LOCAL_MODELS, "banepa-roofs-v1", worsen)
    assert judged(IOU, least=0.5) == []


def test_the_mean_over_classes_is_weighted_by_their_held_out_labels() -> None:
    metrics = {"fair:building_iou": 0.9, "fair:road_iou": 0.3, "fair:mean_iou": 0.6, "fair:building_f1": 0.1}
    name, value = value_of("fair:*_iou", metrics, {"building": 300, "road": 100}) or ("", 0.0)
    assert value == pytest.approx((0.9 * 300 + 0.3 * 100) / 400)
    assert "fair:building_iou, fair:road_iou" in name


def test_a_class_that_was_not_measured_has_no_weight() -> None:
    metrics = {"fair:building_iou": 0.9, "fair:road_iou": None, "fair:tree_iou": 0.0}
    held_out = {"building": 300, "road": 100, "tree": 0}
    assert (value_of("fair:*_iou", metrics, held_out) or ("", 0.0))[1] == pytest.approx(0.9)
    assert value_of("fair:road_iou", metrics, held_out) is None
    assert value_of("fair:tree_iou", metrics, held_out) is None


def test_without_any_measured_class_there_is_no_mean() -> None:
    assert value_of("fair:*_iou", {"fair:building_iou": None}, {"building": 300}) is None
    assert value_of("fair:*_iou", {"fair:building_iou": 0.5}, {}) is None


def test_an_active_model_no_better_than_guessing_is_found(
    registry: None, run: Run, change: ChangeItem
) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v2", lambda item: item.properties.update({IOU: 0.377}))

    [finding] = run("guessing", digests=False).findings
    assert (finding.severity, finding.item) == ("warning", "local-models/banepa-roofs-v2")
    assert "no better than 0.377 of the simplest guess (everything is a building)" in finding.message


def test_a_model_that_was_published_for_a_reason_is_not_found(
    registry: None, run: Run, change: ChangeItem
) -> None:
    gate = {"passed": False, "reasons": ["it fell short"], "override_reason": "For the workshop"}
    values = {IOU: 0.377, "fair:gate": gate}
    change(LOCAL_MODELS, "banepa-roofs-v2", lambda item: item.properties.update(values))
    assert run("guessing", digests=False).findings == []


def test_a_model_better_than_guessing_is_right(registry: None, run: Run) -> None:
    assert run("guessing", digests=False).findings == []
