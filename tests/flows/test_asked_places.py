"""Every parameter that can name a place is judged, whichever flow takes it. Without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from jsonschema_rs import Draft202012Validator
from pydantic import BaseModel

from fair_models import place_fields
from fair_models.errors import Invalid
from fair_models.store import asked_places
from flows.runtime import task_policy
from flows.runtime.definition import published_schema
from tests.flows.runtime.test_definition import FLOWS

PATH = "/elsewhere/x.json"

TEXTS = {
    "area",  # where it is marked, as a file or a text
    "by",
    "class_property",
    "description",
    "override_reason",
    "provider",
    "reason",
    "source_imagery",  # is written into the item as it is
    "task",
    "title",
    # names, values and words, none of which is opened
    "band_names",
    "classes",
    "figure",
    "licences",
    "new_layers",
    "overrides",
    "parameters",
    "hyperparameters",
    "held_out_areas",
    "leave_out",
    "resampling",
    "rules",
    "tags",
    "thing_classes",
    "values",
}
"""Parameters that any text is right for and that are never opened. A new one belongs here, or is marked."""

FOLDERS = ("FAIR_ALLOWED_FOLDERS", "FAIR_STORE", "FAIR_CATALOG", "PREFECT_HOME", "ZENML_CONFIG_PATH")


def texts(
    schema: dict[str, Any], root: dict[str, Any], where: str, name: str
) -> Iterator[tuple[str, str, Any]]:
    """Where parameters take a path as their text: place, name, mark."""
    for each in place_fields.alternatives(schema, root):
        if each.get("type") == "string" and Draft202012Validator(each).is_valid(PATH):
            yield where, name, each.get(place_fields.KEYWORD)
        for key, part in each.get("properties", {}).items():
            yield from texts(part, root, f"{where}.{key}", key)
        for part in (each.get("items"), each.get("additionalProperties")):
            if isinstance(part, dict):
                yield from texts(part, root, f"{where}[]", name)


def found(name: str) -> dict[str, tuple[str, Any]]:
    schema = published_schema(FLOWS[name])
    return {
        where: (key, mark) for where, key, mark in texts(schema["properties"]["params"], schema, name, "")
    }


@pytest.mark.parametrize("name", FLOWS)
def test_a_parameter_that_can_hold_a_path_is_marked_as_a_place_or_known_as_a_text(name: str) -> None:
    forgotten = [where for where, (key, mark) in found(name).items() if mark is None and key not in TEXTS]
    assert forgotten == []


INSIDE = "{inside}/x"
EXAMPLES: dict[str, dict[str, Any]] = {
    "register-model": {"source": INSIDE},
    "ingest-dataset": {"name": "town", "title": "Town", "chips": INSIDE, "labels": INSIDE},
    "collect-feedback": {"prediction": INSIDE, "feedback": INSIDE, "dataset": "town", "imagery": INSIDE},
    "slice-dataset": {"dataset": "town", "name": "part", "area": INSIDE},
    "predict": {"model": "roofs", "imagery": INSIDE, "area": INSIDE, "output": INSIDE, "exclude": INSIDE},
    "repeat-prediction": {"prediction": INSIDE, "output": INSIDE},
    "audit": {"report": "{inside}/x.json"},
}
OTHERS = {
    "ingest-dataset": {"name": "town", "title": "Town", "imagery": INSIDE, "labels": INSIDE, "area": INSIDE}
}
"""Requests with what does not go together with the example."""

SHARDS = {"digest": "0" * 32, "first": 0, "last": 0}
EXAMPLES["predict-shards"] = {"prediction": EXAMPLES["predict"], **SHARDS}
EXAMPLES["cut-chips"] = {"ingest": OTHERS["ingest-dataset"], **SHARDS}
OTHERS["cut-chips"] = {"ingest": EXAMPLES["ingest-dataset"], **SHARDS}


def marked() -> list[tuple[str, str]]:
    """Each deployment with each of its parameters that is opened, e.g. ("predict", "output")."""
    return [
        (name, where.partition(".")[2])
        for name in FLOWS
        for where, (_, mark) in found(name).items()
        if mark not in (None, place_fields.REGISTERED)
    ]


def asked(name: str, inside: Path, replaced: str = "", by: str = "") -> BaseModel:
    *above, last = replaced.split(".")
    example = EXAMPLES[name]
    for key in above:
        example = example[key]
    example = EXAMPLES[name] if not replaced or last in example else OTHERS.get(name, EXAMPLES[name])
    values = json.loads(json.dumps(example).replace("{inside}", str(inside)))
    if replaced:
        part = values
        for key in above:
            part = part[key]
        assert last in part, f"give {replaced} of {name} in EXAMPLES"
        part[last] = by
    kind: Any = get_type_hints(FLOWS[name].fn)["params"]
    return kind.model_validate(values)  # type: ignore[no-any-return]


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in FOLDERS:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "inside" / "home"))
    monkeypatch.setenv("FAIR_ALLOWED_FOLDERS", str(tmp_path / "inside"))
    (tmp_path / "inside").mkdir()
    return tmp_path / "inside"


def test_places_are_found_in_every_flow_that_has_some() -> None:
    assert {name for name, _ in marked()} == EXAMPLES.keys()
    assert len(marked()) >= 18
    assert ("predict-shards", "prediction.exclude") in marked()


@pytest.mark.parametrize("name", EXAMPLES)
def test_places_in_the_allowed_folders_are_taken(name: str, inside: Path) -> None:
    asked_places.check(asked(name, inside))


@pytest.mark.parametrize(("name", "where"), marked())
def test_a_place_outside_of_the_allowed_folders_is_refused_by_its_name(
    name: str, where: str, inside: Path
) -> None:
    (inside / "link").symlink_to(inside.parent)
    for outside in (
        PATH,
        f"file://{PATH}",
        "/etc/passwd",
        f"{inside}/../x.json",
        f"{inside}/link/x.json",
        f"{inside}-2/x.json",
    ):
        with pytest.raises(Invalid, match=rf"^{where}: .*lies outside"):
            asked_places.check(asked(name, inside, where, outside))


@pytest.mark.parametrize(("name", "where"), [each for each in marked() if each[1] in {"output", "report"}])
def test_nothing_is_written_among_the_files_of_the_registry(name: str, where: str, inside: Path) -> None:
    for kept in ("catalog", "store", "prefect", "zenml", "mlflow", "run"):
        with pytest.raises(Invalid, match=rf"^{where}: .*keeps its own files"):
            asked_places.check(asked(name, inside, where, f"{inside}/home/{kept}/x.json"))


def test_boxes_geojson_and_addresses_are_left_to_whoever_opens_them(inside: Path) -> None:
    for area in ("85.5,27.6,85.6,27.7", ' {"type": "Polygon"}', "https://example.org/area.geojson"):
        asked_places.check(asked("predict", inside, "area", area))
    for imagery in ("https://example.org/{z}/{x}/{y}.png", "s3://bucket/key", "tms[1,22]:https://e.org/{z}"):
        asked_places.check(asked("predict", inside, "imagery", imagery))


def test_a_task_begins_with_no_place_that_may_not_be_used(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_policy.places, "enter_once", lambda: None)
    begun: list[BaseModel] = []
    task = task_policy.task(begun.append)
    with pytest.raises(Invalid, match="lies outside"):
        task.fn(asked("audit", inside, "report", "/elsewhere/x.json"))
    assert begun == []
    task.fn(asked("audit", inside))
    assert len(begun) == 1
