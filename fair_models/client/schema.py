"""Checks parameters against a deployment's published schema, before a run is created."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fair_models import schema_patterns
from fair_models.types import Json

if TYPE_CHECKING:
    from jsonschema import ValidationError

_LONGEST_PATTERN = 100
"""Characters of a pattern that a message shows where no description says what is allowed."""

_LENGTHS = {
    "minLength": "too short, it takes at least {} characters",
    "maxLength": "too long, it takes at most {} characters",
}

_WORD = re.compile(r"^\w+$")
_MISSING = re.compile(r"^'(.+)' is a required property$")
_Path = tuple[str | int, ...]


def problems(parameters: Json, schema: Json) -> list[str]:
    """Everything that is wrong, each with its place: "params.seed: -1 is less than the minimum of 0".

    Whoever reads them need not know JSON Schema: what is missing or has another form is told with what the
    parameter is, as its description says.
    """
    not_json = [
        f"{place(path)}: {value} is not a number that JSON has" for path, value in _not_numbers(parameters)
    ]
    if not_json:
        return not_json
    schema = _with_nulls(schema)
    errors = schema_patterns.strict()(schema).iter_errors(parameters)
    return sorted({text for error in errors for text in _texts(error, schema)})


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


def _texts(error: ValidationError, root: Json) -> Iterator[str]:
    """The reasons behind one error. Of several alternatives, the one whose type fits speaks."""
    if error.validator == "anyOf":
        chosen = _fitting_alternative(error)
        if chosen:
            for cause in chosen:
                yield from _texts(cause, root)
            return
        kinds = [str(each["type"]) for each in error.validator_value if "type" in each]
        yield f"{place(error.absolute_path)}: {error.instance!r} is none of {', '.join(kinds)}"
        return
    missing = _MISSING.match(error.message) if error.validator == "required" else None
    if missing:
        yield f"{place([*error.absolute_path, missing[1]])}: is missing{_told(error.schema, missing[1])}"
        return
    yield f"{place(error.absolute_path)}: {_words(error, root)}"


def _fitting_alternative(error: ValidationError) -> list[ValidationError]:
    """The errors of the first alternative whose type is right, so that null or another type says nothing."""
    by_alternative: dict[int, list[ValidationError]] = {}
    for cause in error.context or ():
        by_alternative.setdefault(int(cause.relative_schema_path[0]), []).append(cause)
    depth = len(error.absolute_path)
    for causes in by_alternative.values():
        if not any(
            cause.validator in {"type", "const", "enum"} and len(cause.absolute_path) == depth
            for cause in causes
        ):
            return causes
    return []


def _told(schema: Json, name: str) -> str:
    """What a parameter is, by the first sentence of its description."""
    said = schema.get("properties", {}).get(name, {}).get("description", "")
    return f". It is: {said.split('. ')[0].rstrip('.')}" if said else ""


def _words(error: ValidationError, root: Json) -> str:
    found = repr(error.instance) if len(repr(error.instance)) <= 100 else "the text"
    if error.validator in _LENGTHS:
        return f"{found} is {_LENGTHS[error.validator].format(error.validator_value)}"
    if error.validator == "enum":
        return f"{found} is not one of {', '.join(str(value) for value in error.validator_value)}"
    if error.validator != "pattern":
        return str(error.message)
    wanted = next((each["description"] for each in _schemas(error, root) if "description" in each), "")
    if not wanted and len(error.validator_value) <= _LONGEST_PATTERN:
        return f"{found} does not match {error.validator_value!r}"
    return f"{found} does not match what is allowed: {wanted or 'see the form'}"


def _schemas(error: Any, root: Json) -> Iterator[Json]:
    """The schema that an error breaks, then those around it, up to that of the parameter as a whole."""
    passed: list[Json] = []
    here: Any = root
    for part in error.absolute_schema_path:
        if isinstance(here, dict) and "$ref" in here:
            here = _resolved(here["$ref"], root)
        if part == "$ref":
            continue
        if isinstance(here, dict) and "properties" not in here:
            passed.append(here)
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):  # written in another way than it was read
            break
    yield from reversed(passed)


def _resolved(reference: str, root: Json) -> Any:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part, {})
    return found


def place(path: Iterable[str | int]) -> str:
    """A path into parameters as people write it: "params.overrides['training.epochs']"."""
    written = ""
    for part in path:
        if isinstance(part, str) and _WORD.match(part):
            written += f".{part}" if written else part
        elif isinstance(part, int):
            written += f" (entry {part + 1})"
        else:
            written += f"[{part!r}]"
    return written or "parameters"


def _not_numbers(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _not_numbers(each, (*path, key))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _not_numbers(each, (*path, index))
