"""When a training of a search ends early."""

from __future__ import annotations

from fair_models.training import launch
from fair_models.training.ledger import Ledger
from fair_models.training.run_config import StopRule
from fair_models.training.searching import stop_rule
from tests.training.conftest import MakeConfig


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
