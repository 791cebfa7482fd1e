"""What every flow promises, without a server."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect import Flow
from prefect.exceptions import ParameterTypeError
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.schema_tools.validation import ValidationError as Refused
from prefect.utilities.schema_tools.validation import validate
from pydantic import TypeAdapter

from fair_models.client.requests import RUN_NAMES
from fair_models.client.schema import problems
from fair_models.outcomes import OUTCOMES, PublishedItem
from fair_models.params import PromoteParams
from fair_models.text import Line, Prose, Sentence, Title
from flows.runtime import artifacts
from flows.runtime.definition import flow, published_schema
from flows.runtime.task_policy import TRANSIENT, is_transient
from flows.tasks import registry

PROJECT = Path(__file__).resolve().parents[3]
DEPLOYMENTS = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
FLOWS = {entry["name"]: load_flow_from_entrypoint(entry["entrypoint"]) for entry in DEPLOYMENTS}

every_flow = pytest.mark.parametrize("name", FLOWS)


def objects(node: Any, place: str = "schema") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every JSON Schema of an object with named properties."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) and node.get("type") == "object":
            yield place, node
        for key, value in node.items():
            yield from objects(value, f"{place}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from objects(value, f"{place}[{index}]")


def test_rows_of_results_in_the_documents_have_all_columns() -> None:
    text = (PROJECT / "docs" / "tutorials" / "backend.md").read_text(encoding="utf-8")
    rows = [json.loads(row) for row in re.findall(r"```json\n({[^{}…]*})\n```", text)]
    for name, deciding in (("finetune", "mlflow_run"), ("promote", "replaced"), ("predict", "geoparquet")):
        [row] = [row for row in rows if deciding in row]
        assert set(row) == set(OUTCOMES[name].model_fields), name


def patterns(node: Any, place: str = "schema") -> Iterator[tuple[str, str]]:
    """Every pattern of a JSON Schema, for texts and for names of properties, with its place."""
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield place, node["pattern"]
        for pattern in node.get("patternProperties", {}):
            yield place, pattern
        for key, value in node.items():
            yield from patterns(value, f"{place}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from patterns(value, f"{place}[{index}]")


@every_flow
def test_published_patterns_are_short_and_take_no_character_without_width(name: str) -> None:
    found = list(patterns(published_schema(FLOWS[name])))
    lengths = {place: len(pattern) for place, pattern in found}
    taking = {
        (place, f"U+{ord(character):04X}")
        for place, pattern in found
        for character in "\u200b\u200c\u200d\u2060\ufeff\xad"
        for text in (f"a{character}b", f"{character}ab", f"ab{character}", f"Roofs {character} 5")
        if re.search(pattern, text)
    }
    assert {place: length for place, length in lengths.items() if length >= 120} == {}
    assert taking == set()


def test_each_kind_of_text_is_among_the_published_patterns() -> None:
    found = {pattern for each in FLOWS.values() for _, pattern in patterns(published_schema(each))}
    kinds = {TypeAdapter(kind).json_schema()["pattern"] for kind in (Title, Line, Sentence, Prose)}
    assert len(kinds) == 4
    assert kinds <= found


def test_every_flow_file_is_deployed() -> None:
    made = {entry["entrypoint"].rsplit(".", 1)[0] for entry in DEPLOYMENTS}
    files = {
        f"flows.{path.stem}" for path in (PROJECT / "flows").glob("*.py") if "@flow(" in path.read_text()
    }
    assert made == files


def test_entrypoints_are_dotted_so_that_images_and_checkouts_share_them() -> None:
    assert all(":" not in entry["entrypoint"] and "/" not in entry["entrypoint"] for entry in DEPLOYMENTS)


@every_flow
def test_a_flow_is_deployed_under_its_own_name(name: str) -> None:
    assert FLOWS[name].name == name


@every_flow
def test_a_flow_takes_one_parameter_named_params(name: str) -> None:
    schema = published_schema(FLOWS[name])
    assert list(schema["properties"]) == ["params"]
    assert schema["required"] == ["params"]


@every_flow
def test_no_level_of_a_published_schema_takes_unknown_fields(name: str) -> None:
    found = list(objects(published_schema(FLOWS[name])))
    assert len(found) >= 2
    assert [place for place, schema in found if schema.get("additionalProperties") is not False] == []


def switches(name: str) -> list[str]:
    """Optional texts and numbers that the form shows as a switch between two kinds."""
    return [
        f"{title}.{field}"
        for title, definition in published_schema(FLOWS[name])["definitions"].items()
        for field, schema in definition.get("properties", {}).items()
        if {each.get("type") for each in schema.get("anyOf", [])}
        in ({"string", "null"}, {"integer", "null"}, {"number", "null"})
        and not any("enum" in each for each in schema["anyOf"])
    ]


@every_flow
def test_optional_texts_and_numbers_are_empty_fields_of_the_form(name: str) -> None:
    assert switches(name) == []


def test_the_server_and_the_client_take_null_for_an_empty_field() -> None:
    schema = published_schema(FLOWS["predict"])
    asked = {"params": {"model": "some-model", "imagery": "x", "area": None, "zoom": None, "fill": None}}
    validate(asked, schema, raise_on_error=True)
    assert problems(asked, schema) == []
    for wrong in ({"zoom": 3}, {"area": ""}, {"area": 7}):
        refused = {"params": {**asked["params"], **wrong}}
        assert problems(refused, schema) != []
        with pytest.raises(Refused):
            validate(refused, schema, raise_on_error=True)


@every_flow
def test_the_form_explains_every_field(name: str) -> None:
    definitions = published_schema(FLOWS[name])["definitions"]
    silent = [
        f"{title}.{field}"
        for title, definition in definitions.items()
        for field, schema in definition.get("properties", {}).items()
        if not schema.get("description")
    ]
    assert definitions
    assert silent == []


@every_flow
def test_the_columns_of_a_result_are_described(name: str) -> None:
    fields = OUTCOMES[name].model_fields
    assert fields
    assert [field for field, info in fields.items() if not info.description] == []


def test_a_flow_with_other_parameters_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match="one parameter named params"):

        @flow(run_name="x")
        def two(params: PromoteParams, more: int) -> None:
            """Never made."""


@every_flow
def test_a_run_takes_its_parameters_as_the_model_that_the_flow_names(name: str) -> None:
    with pytest.raises(ParameterTypeError, match="nonsense"):
        FLOWS[name].validate_parameters({"params": {"nonsense": 1}})


def test_parameters_that_are_right_reach_the_flow_as_a_model() -> None:
    taken = FLOWS["promote"].validate_parameters({"params": {"model": "roofs"}})
    assert taken == {"params": PromoteParams(model="roofs")}


@every_flow
def test_a_flow_itself_has_no_retries_because_runs_from_the_ui_ignore_them(name: str) -> None:
    made: Flow[..., Any] = FLOWS[name]
    assert made.retries == 0


def test_every_task_is_tried_again_after_transient_faults_only() -> None:
    made = [value for value in vars(registry).values() if type(value).__name__ == "Task"]
    assert len(made) >= 8
    assert {(task.retries, task.retry_condition_fn) for task in made} == {(3, is_transient)}
    assert not any(issubclass(ValueError, kind) for kind in TRANSIENT)


@every_flow
def test_descriptions_say_the_bounds_because_the_form_never_shows_them(name: str) -> None:
    definitions = published_schema(FLOWS[name])["definitions"]
    unsaid = [
        f"{title}.{field}: {bound}"
        for title, definition in definitions.items()
        if title.endswith("Params") or title == "Gate"
        for field, schema in definition["properties"].items()
        for alternative in [schema, *schema.get("anyOf", [])]
        if alternative.get("type") in {"integer", "number"}
        for bound in (alternative.get("minimum"), alternative.get("maximum"))
        if bound is not None
        and f"{bound:g}" not in schema["description"].replace("2147483647", "2.14748e+09")
    ]
    assert unsaid == []


@pytest.mark.parametrize("name", RUN_NAMES)
def test_a_run_is_called_the_same_by_who_asks_for_it_and_by_its_flow(name: str) -> None:
    source = (PROJECT / "flows" / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
    (template,) = re.findall(r'run_name="(.*?)"', source)
    assert template.replace("{params.", "{") == RUN_NAMES[name]


def test_a_bar_tells_the_time_left_from_the_second_step_on(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    times = iter([0.0, 0.0, 10.0, 20.0, 30.0])
    monkeypatch.setattr(artifacts, "create_progress_artifact", lambda **_: uuid4())
    monkeypatch.setattr(
        artifacts, "update_progress_artifact", lambda _, description, **__: shown.append(description)
    )
    monkeypatch.setattr(
        artifacts, "time", SimpleNamespace(monotonic=lambda: next(times))
    )  # of this module alone
    bar = artifacts.ProgressBar("training", "Training")
    for epoch in (0, 1, 2, 4):
        bar.show(epoch, 4, f"epoch {epoch}", with_time_left=True)
    assert shown == ["epoch 1, about 30 s left", "epoch 2, about 20 s left", "epoch 4"]


def test_a_result_names_the_catalogue_and_links_to_the_item_that_it_published(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[dict[str, Any]] = []
    monkeypatch.setattr(artifacts, "create_table_artifact", lambda **artifact: written.append(artifact))
    monkeypatch.setenv("FAIR_HOME", str(tmp_path))
    address = "https://stac.example.org/collections/local-models/items/roofs-v2"
    published = PublishedItem(
        collection="local-models",
        item="roofs-v2",
        name="roofs",
        version=2,
        title="Roofs",
        href=address,
        dry_run=False,
    )

    artifacts.write_result(published)
    artifacts.write_result(published.model_copy(update={"href": "/registry/roofs-v2.json"}))

    served, local = (artifact["description"] for artifact in written)
    assert f"Catalogue: `{tmp_path / 'catalog'}`" in served
    assert f"[roofs-v2]({address})" in served
    assert "](" not in local
