"""The schemas as they lie in schemas/."""

from __future__ import annotations

import pytest
from jsonschema_rs import meta

from fair_models.catalog.schemas import keywords, own
from fair_models.errors import NotFound
from fair_models.training.config.run_config import RunConfig

NAMES = sorted(path.stem for path in own.folder().glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_each_schema_is_one_of_draft_2020_12(name: str) -> None:
    schema = own.read(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"{name}.json"
    meta.validate(schema)


def test_all_schemas_are_there() -> None:
    wanted = {"base-model", "local-model", "dataset", "prediction", "run-config", "keywords"}
    assert wanted <= set(NAMES)


def test_the_schema_of_the_run_config_is_that_of_its_model() -> None:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "run-config.json"}
    assert own.read("run-config") == {**head, **RunConfig.model_json_schema()}


def test_an_unknown_schema_is_told() -> None:
    with pytest.raises(NotFound, match="there are base-model"):
        own.read("shoe")


def test_the_words_of_the_vocabulary_are_those_that_are_allowed() -> None:
    words = keywords.vocabulary()
    allowed = own.read("keywords")["$defs"]["words"]["items"]["enum"]
    assert set(allowed) == words.features | words.tasks | words.geometries | words.imagery
    assert len(allowed) == len(set(allowed))
    assert set(words.label_tasks) <= words.tasks


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (["building"], "dataset", ""),
        (["building", "semantic-segmentation", "classification", "polygon"], "dataset", ""),
        (["road", "semantic-segmentation", "line"], "model", ""),
        (["building", "classification"], "model", ""),
        ([], "dataset", "at least 1"),
        (["bulding"], "dataset", "did you mean building?"),
        (["building", "building"], "dataset", "the same entry twice"),
        (["polygon"], "dataset", "at least one feature"),
        (["building", "line", "polygon"], "dataset", "one geometry word only"),
        (["building"], "model", "exactly one task"),
        (["building", "generative", "polygon"], "model", "this task gives no geometry"),
        (["building", "instance-segmentation", "line"], "model", "not lines or points"),
    ],
)
def test_words_that_do_not_go_together_are_told(words: list[str], kind: str, said: str) -> None:
    found = "; ".join(keywords.problems(words, kind))
    assert bool(found) == bool(said)
    assert said in found
    assert all(reason.startswith("keywords") for reason in keywords.problems(words, kind))
