"""Hyperparameters: what an item allows."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fair_models.catalog.items import hyperparameters
from fair_models.errors import InvalidHyperparameters
from tests.catalog.item_factory import base_item, local_item


def test_defaults_and_overrides_make_the_values() -> None:
    values = hyperparameters.resolve(base_item(), {"training.epochs": 3, "training.learning_rate": 1})
    assert values == {
        "training.epochs": 3,
        "training.learning_rate": 1.0,
        "training.loss": "dice",
        "training.augment": True,
        "inference.confidence_threshold": 0.5,
    }
    assert isinstance(values["training.learning_rate"], float)


def test_a_fine_tuned_model_goes_on_from_its_own_values() -> None:
    assert hyperparameters.resolve(local_item(), {})["training.epochs"] == 40


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("training.epochs", True, "should be a whole number"),
        ("training.epochs", 2.0, "should be a whole number"),
        ("training.epochs", "20", "should be a whole number"),
        ("training.epochs", None, "should be a whole number"),
        ("training.epochs", 0, "should be at least 1"),
        ("training.epochs", 501, "should be at most 500"),
        ("training.learning_rate", math.nan, "should be a finite number"),
        ("training.learning_rate", math.inf, "should be a finite number"),
        ("training.learning_rate", 10**400, "should be a finite number"),
        ("training.learning_rate", True, "should be a finite number"),
        ("training.learning_rate", 2, "should be at most 1"),
        ("training.loss", "bce", "should be one of dice, focal"),
        ("training.loss", 1, "should be text"),
        ("training.augment", 1, "should be true or false"),
        ("training.epoch", 3, "did you mean training.epochs?"),
        ("epochs", 3, "did you mean training.epochs?"),
        ("inference.epochs", 3, "did you mean training.epochs?"),
        ("zzz", 3, "there are inference.confidence_threshold, training.augment"),
    ],
)
def test_a_wrong_override_is_refused_in_words(key: str, value: Any, said: str) -> None:
    with pytest.raises(InvalidHyperparameters) as caught:
        hyperparameters.resolve(base_item(), {key: value})
    assert len(caught.value.reasons) == 1
    assert key in caught.value.reasons[0]
    assert said in caught.value.reasons[0]


def test_all_wrong_overrides_are_listed_at_once() -> None:
    with pytest.raises(InvalidHyperparameters) as caught:
        hyperparameters.resolve(base_item(), {"training.epochs": 0, "training.loss": "bce", "what": 1})
    assert len(caught.value.reasons) == 3


def test_values_of_one_use_have_short_names() -> None:
    values = {"training.epochs": 3, "inference.threshold": 0.5, "seed": 1}
    assert hyperparameters.with_prefix(values, "training") == {"epochs": 3, "seed": 1}
    assert hyperparameters.with_prefix(values, "inference") == {"threshold": 0.5}
