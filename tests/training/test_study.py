"""When a training of a search ends early, and what a search is worth."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fair_models.errors import TrainingFailed
from fair_models.params import SearchParams, SearchRange
from fair_models.training import launch
from fair_models.training.config.run_config import FileRef, StopRule
from fair_models.training.ledger import Ledger, ModelVersion
from fair_models.training.search.study import Search, Trial, stop_rule
from tests.catalog.item_factory import base_item, dataset_item
from tests.training.conftest import MakeConfig

IOU = "fair:building_iou"


@pytest.fixture
def search() -> Search:
    params = SearchParams(
        base_model="roofs-unet", dataset="banepa", model_name="roofs", vary={"training.epochs": SearchRange()}
    )
    split = FileRef(href="/searches/split.json", checksum="1220" + "0" * 64)
    return Search("0123456789", params, base_item(), dataset_item(), split)


def tried(number: int, value: float | None) -> Trial:
    """A trial whose training completed with this value of the metric."""
    made = datetime(2026, 11, 28, tzinfo=UTC)
    version = ModelVersion("roofs", number, "none", "completed", "run", None, made, {IOU: value})
    return Trial(number, {"training.epochs": number}, version)


def test_a_search_in_which_nothing_was_measured_is_no_success_and_says_why(search: Search) -> None:
    failed = Trial(2, {"training.epochs": 2}, problem="the roof fell in")
    with pytest.raises(TrainingFailed) as error:
        search.require_value([tried(1, None), failed, tried(3, None)])
    assert str(error.value) == (
        f"None of 3 trials of search 0123456789 has a value of {IOU}: nothing was measured; the roof fell in"
        ". Look at the dataset's labels, or train once: fair-models finetune"
    )


def test_one_value_is_enough_for_a_search_be_it_zero(search: Search) -> None:
    search.require_value([tried(1, None), tried(2, 0.0)])
    search.require_value([])


def curves(*losses: float) -> list[dict[str, float]]:
    return [{"epoch": float(number), "loss": loss} for number, loss in enumerate(losses, start=1)]


def test_the_median_of_the_trials_before_is_the_limit_after_the_epoch_that_was_asked_for() -> None:
    before = [curves(9, 0.1), curves(9, 0.5), curves(9, 0.3)]
    assert stop_rule(2, before) == StopRule(epoch=2, figure="loss", most=0.3)


def test_nothing_ends_early_before_three_trials_came_so_far_or_where_it_was_not_asked_for() -> None:
    assert stop_rule(2, [curves(9, 0.1), curves(9, 0.5), curves(9)]) is None
    assert stop_rule(None, [curves(9, 0.1)] * 5) is None
    assert stop_rule(1, [[{"epoch": 1.0, "accuracy": 0.5}]] * 5) is None


def test_a_training_that_does_badly_ends_early_and_is_measured_as_it_is(
    make_config: MakeConfig, ledger: Ledger
) -> None:
    badly = StopRule(epoch=2, most=-1.0)
    config = make_config(model_name="poor-roofs", stop=badly, quicken=False, tags=["search:abc", "trial:4"])
    version = launch.run(config)
    assert version.status == "completed"
    assert [row["epoch"] for row in ledger.curves("poor-roofs", 1)] == [1, 2]
    assert version.metrics["fair:building_iou"] is not None
    assert version.agreement is None
    assert ledger.config("poor-roofs", 1).tags == ["search:abc", "trial:4"]
    assert set(tags_in_zenml("poor-roofs")) == {"search:abc", "trial:4"}


def tags_in_zenml(model: str) -> list[str]:
    from zenml.client import Client

    return [tag.name for tag in Client().get_model_version(model, "1").tags]
