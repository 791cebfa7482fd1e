"""How what is typed becomes parameters."""

import math
from pathlib import Path

import pytest

from fair_models.cli.options import absolute, assignments, build, text_of
from fair_models.errors import Invalid, InvalidParameters
from fair_models.params import FinetuneParams, PredictParams


def test_values_are_numbers_truths_or_text() -> None:
    texts = ["a.epochs=20", "a.rate=1e-3", "a.augment=false", "a.precision=bf16", "a.note=x=y", 'a.word="7"']
    assert assignments(texts, "--set") == {
        "a.epochs": 20,
        "a.rate": 0.001,
        "a.augment": False,
        "a.precision": "bf16",
        "a.note": "x=y",
        "a.word": "7",
    }


@pytest.mark.parametrize("text", ["epochs", "=20", ""])
def test_a_value_needs_a_name(text: str) -> None:
    with pytest.raises(Invalid, match="NAME=VALUE"):
        assignments([text], "--set")


def test_paths_are_made_absolute_and_addresses_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("chips") == str(tmp_path / "chips")
    assert absolute("../other") == str(tmp_path.parent / "other")
    assert absolute("s3://bucket/chips") == "s3://bucket/chips"
    assert absolute(None) is None


def test_options_that_were_not_given_are_not_sent() -> None:
    values = {"model": "some-model", "imagery": "/x", "output": None, "parameters": {}, "formats": None}
    params = build(PredictParams, "predict", values)
    assert params.model_dump(exclude_unset=True) == {"model": "some-model", "imagery": "/x"}


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ({}, ["parameters: 'imagery' is a required property", "parameters: 'model' is a required property"]),
        ({"imagery": "/x"}, ["parameters: 'model' is a required property"]),
        ({"model": "some-model", "imagery": "/x"}, []),
    ],
)
def test_a_prediction_needs_a_model_and_imagery(given: dict[str, str], reasons: list[str]) -> None:
    if not reasons:
        assert build(PredictParams, "predict", given).model == given["model"]
        return
    with pytest.raises(InvalidParameters) as raised:
        build(PredictParams, "predict", given)
    assert sorted(raised.value.reasons) == reasons


def test_a_value_of_no_possible_type_is_one_reason() -> None:
    values = {
        "base_model": "b-model",
        "dataset": "d-data",
        "model_name": "m-name",
        "overrides": {"a": math.nan},
    }
    with pytest.raises(InvalidParameters) as raised:
        build(FinetuneParams, "finetune", {**values, "overrides": {"a": math.nan}})
    assert len(raised.value.reasons) == 1
    assert raised.value.reasons[0].startswith("overrides.a: nan")


def test_the_command_line_says_what_the_form_says() -> None:
    assert text_of(FinetuneParams, "seed") == FinetuneParams.model_fields["seed"].description
