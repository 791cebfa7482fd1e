"""Which values of hyperparameters a search tries."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pystac import Item

from fair_models.errors import InvalidHyperparameters
from fair_models.params import SearchMethod, SearchRange
from fair_models.training.search.space import candidates
from tests.catalog.item_factory import base_item

SPEC: list[dict[str, Any]] = [
    {"key": "training.epochs", "type": "int", "default": 40, "min": 1, "max": 100},
    {"key": "training.learning_rate", "type": "float", "default": 0.001, "min": 1e-5, "max": 1.0},
    {"key": "training.decay", "type": "float", "default": 0.0, "min": 0.0, "max": 0.5},
    {"key": "training.loss", "type": "str", "default": "dice", "values": ["dice", "focal"]},
    {"key": "training.note", "type": "str", "default": ""},
    {"key": "training.free", "type": "float", "default": 1.0, "min": 0.0},
    {"key": "training.augment", "type": "bool", "default": True},
]


@pytest.fixture
def item() -> Item:
    made = base_item()
    made.properties["fair:hyperparameters_spec"] = SPEC
    made.properties["mlm:hyperparameters"] = {entry["key"]: entry["default"] for entry in SPEC}
    return made


def tried(
    item: Item, method: SearchMethod = "grid", seed: int = 0, most: int = 1000, **vary: Any
) -> list[dict[str, Any]]:
    wishes = {f"training.{name}": SearchRange(**wish) for name, wish in vary.items()}
    return list(itertools.islice(candidates(item, wishes, method, seed), most))


def test_a_grid_holds_every_combination_once_in_an_order_by_chance(item: Item) -> None:
    found = tried(item, loss={}, augment={}, epochs={"values": [5, 10, 20]})
    assert len(found) == len({tuple(each.values()) for each in found}) == 12
    assert found != tried(item, seed=1, loss={}, augment={}, epochs={"values": [5, 10, 20]})
    assert found == tried(item, loss={}, augment={}, epochs={"values": [5, 10, 20]})


def test_the_points_of_a_range_lie_evenly_or_multiply(item: Item) -> None:
    evenly = tried(item, decay={"points": 3})
    multiplied = tried(item, learning_rate={"least": 0.0001, "most": 0.01, "log": True})
    assert sorted(each["training.decay"] for each in evenly) == [0.0, 0.25, 0.5]
    assert sorted(each["training.learning_rate"] for each in multiplied) == [0.0001, 0.001, 0.01]


def test_whole_numbers_stay_whole_and_come_once(item: Item) -> None:
    found = [each["training.epochs"] for each in tried(item, epochs={"least": 3, "most": 5, "points": 9})]
    assert sorted(found) == [3, 4, 5]
    assert {type(value) for value in found} == {int}


def test_chance_stays_within_the_declared_range_and_repeats_with_its_seed(item: Item) -> None:
    found = tried(item, "random", most=50, learning_rate={"log": True}, epochs={})
    rates = sorted(each["training.learning_rate"] for each in found)
    assert 1e-5 <= rates[0] < 1e-3 < rates[-1] <= 1.0
    assert all(1 <= each["training.epochs"] <= 100 for each in found)
    assert found == tried(item, "random", most=50, learning_rate={"log": True}, epochs={})
    assert found[:9] != tried(item, "random", seed=1, most=9, learning_rate={"log": True}, epochs={})


def test_chance_ends_where_everything_was_drawn(item: Item) -> None:
    found = tried(item, "random", loss={}, augment={})
    assert len(found) == len({tuple(each.values()) for each in found}) == 4


def test_everything_that_is_wrong_with_the_ranges_is_told(item: Item) -> None:
    with pytest.raises(InvalidHyperparameters) as raised:
        tried(
            item,
            epochs={"least": 5, "most": 500},
            decay={"log": True},
            note={},
            free={},
            loss={"values": ["dice", "hinge"]},
            learning_rate={"least": 0.1, "most": 0.01},
        )
    for words in (
        "training.epochs is 500, should be at most 100",
        "training.decay begins at 0",
        "training.note is text without declared values",
        "training.free has no declared largest value",
        "'hinge', should be one of dice, focal",
        "training.learning_rate has 0.1 above 0.01",
    ):
        assert words in str(raised.value)


def test_a_name_that_the_model_does_not_have_is_told_with_the_nearest(item: Item) -> None:
    with pytest.raises(InvalidHyperparameters, match=r"did you mean training\.epochs"):
        tried(item, epoch={})


def test_a_grid_that_nobody_could_walk_through_is_refused(item: Item) -> None:
    fine = {"points": 100}
    with pytest.raises(InvalidHyperparameters, match="1000000 combinations"):
        tried(item, epochs=fine, decay=fine, learning_rate=fine)
