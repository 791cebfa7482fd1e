"""Everything that is wrong with parameters, told at once and with its place."""

from typing import Any

import pytest
from pydantic import BaseModel

from fair_models.client.schema import problems
from fair_models.params import (
    FinetuneParams,
    IngestDatasetParams,
    PredictParams,
    PromoteParams,
)

GOOD = {"base_model": "some-base", "dataset": "some-data", "model_name": "some-model"}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """A schema as a deployment publishes it."""
    inner = model.model_json_schema(ref_template="#/definitions/{model}")
    definitions = {**inner.pop("$defs", {}), model.__name__: inner}
    return {
        "type": "object",
        "properties": {"params": {"$ref": f"#/definitions/{model.__name__}"}},
        "required": ["params"],
        "additionalProperties": False,
        "definitions": definitions,
    }


FINETUNE, PROMOTE, INGEST = (schema_of(each) for each in (FinetuneParams, PromoteParams, IngestDatasetParams))


def test_right_parameters_have_no_problems() -> None:
    assert (
        problems(
            {"params": {**GOOD, "title": None, "overrides": {"training.epochs": 20, "x": "y"}}}, FINETUNE
        )
        == []
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seed": -1}, "params.seed: is -1, should be at least 0 (Seed of the training"),
        ({"seed": True}, "params.seed: is true, should be a whole number"),
        ({"seed": 1.5}, "params.seed: is 1.5, should be a whole number"),
        (
            {"model_name": "Roofs"},
            "params.model_name: is 'Roofs', which does not match what is allowed: Name of the new model",
        ),
        ({"description": "x" * 5000}, "params.description: has 5000 characters, should have at most 4000"),
        ({"title": "a/b"}, "params.title: is 'a/b', which does not match"),
        ({"title": 7}, "params.title: is 7, should be text or null"),
        ({"unknown": 1}, "params: has unknown, which is not known here"),
        ({"seeed": 1}, "params: has seeed, which is not known here; did you mean seed?"),
        (
            {"overrides": {"training.epochs": [1]}},
            "params.overrides.training.epochs: is [1], should be true or false, a number or text",
        ),
        (
            {"overrides": {"training.rate": float("nan")}},
            "params.overrides.training.rate: nan is not a number",
        ),
        (
            {"overrides": {"training.rate": float("inf")}},
            "params.overrides.training.rate: inf is not a number",
        ),
    ],
)
def test_a_problem_names_its_place_and_reason(changes: dict[str, Any], expected: str) -> None:
    [found] = problems({"params": {**GOOD, **changes}}, FINETUNE)
    assert found.startswith(expected)


def test_all_problems_are_told_at_once() -> None:
    found = problems({"params": {"seed": -1, "title": "a\nb"}, "more": 1}, FINETUNE)
    assert len(found) == 6
    assert "parameters: has more, which is not known here" in found


def test_a_choice_among_words_and_numbers_says_what_is_wrong_with_the_number() -> None:
    values = {"name": "some-data", "title": "T", "chips": "x", "zoom": 99}
    assert problems({"params": values}, INGEST) == ["params.zoom: is 99, should be at most 23"]


def test_problems_in_parts_of_parts_have_their_whole_place() -> None:
    values = {"model": "some-model", "gate": {"minimum": {"fair:building_iou": "high"}}}
    assert problems({"params": values}, PROMOTE) == [
        "params.gate.minimum.fair:building_iou: is 'high', should be a number"
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"model": "some-model"},
            ["params.imagery: is missing (Folder of chips, georeferenced image"],
        ),
        (
            {"model": "some-model", "imagery": "x", "formats": ["geojson", "shp"]},
            ["params.formats[1]: is 'shp', should be one of 'geoparquet', 'geojson', 'flatgeobuf', "],
        ),
    ],
)
def test_what_is_missing_or_not_a_choice_is_told_without_words_of_json_schema(
    values: dict[str, Any], expected: list[str]
) -> None:
    found = problems({"params": values}, schema_of(PredictParams))
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"classes": ["Building"]},
            "params.classes[0]: is 'Building', which does not match what is allowed: ",
        ),
        (
            {"keywords": ["ok", "No!"]},
            "params.keywords[1]: is 'No!', which does not match what is allowed: Words",
        ),
    ],
)
def test_an_entry_of_another_form_is_told_by_what_the_list_is(values: dict[str, Any], told: str) -> None:
    good = {"name": "some-data", "title": "T", "chips": "x"}
    [found] = problems({"params": {**good, **values}}, INGEST)
    assert found.startswith(told)
    assert "^" not in found
