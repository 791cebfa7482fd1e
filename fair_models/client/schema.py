"""Checks parameters against a deployment's published schema, before a run is created."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from fair_models.json_schema import sentences
from fair_models.json_schema.checker import Checker
from fair_models.types import Json

_ADDRESS = "file:///parameters"
_Path = tuple[str | int, ...]


def problems(parameters: Json, schema: Json) -> list[str]:
    """Everything that is wrong, each with its place: "params.seed: is -1, should be at least 0".

    A reader need not know JSON Schema: what is missing or has another form is named with what the
    parameter is, as its description says.
    """
    not_json = [
        f"{sentences.path(path)}: {value} is not a number that JSON has"
        for path, value in _not_numbers(parameters)
    ]
    if not_json:
        return not_json
    checker = Checker(_ADDRESS, {_ADDRESS: _with_nulls(schema)})
    return sentences.sentences(checker.violations(parameters), whole="parameters")


def _with_nulls(schema: Any) -> Any:
    """A schema as Prefect's server reads it: null goes where nothing is required and there is no default."""
    if isinstance(schema, list):
        return [_with_nulls(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    read = {name: _with_nulls(value) for name, value in schema.items()}
    fields, required = read.get("properties"), read.get("required", [])
    if isinstance(fields, dict):
        read["properties"] = {
            name: each if name in required else _or_null(each) for name, each in fields.items()
        }
    return read


def _or_null(field: Any) -> Any:
    if not isinstance(field, dict) or not isinstance(field.get("type"), str) or "default" in field:
        return field
    return {**field, "type": [field["type"], "null"]}


def _not_numbers(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _not_numbers(each, (*path, key))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _not_numbers(each, (*path, index))
