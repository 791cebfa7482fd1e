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
_Path = tuple[str | int, ...]


def problems(parameters: Json, schema: Json) -> list[str]:
    """Everything that is wrong, each with its place: "params.seed: -1 is less than the minimum of 0"."""
    not_json = [
        f"{place(path)}: {value} is not a number that JSON has" for path, value in _not_numbers(parameters)
    ]
    if not_json:
        return not_json
    errors = schema_patterns.strict()(schema).iter_errors(parameters)
    return sorted({text for error in errors for text in _texts(error)})


def _texts(error: ValidationError) -> Iterator[str]:
    """The reasons behind one error. Of several alternatives, the one whose type fits speaks."""
    if error.validator == "anyOf":
        chosen = _fitting_alternative(error)
        if chosen:
            for cause in chosen:
                yield from _texts(cause)
            return
        kinds = [str(each["type"]) for each in error.validator_value if "type" in each]
        yield f"{place(error.absolute_path)}: {error.instance!r} is none of {', '.join(kinds)}"
        return
    yield f"{place(error.absolute_path)}: {_words(error)}"


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


def _words(error: ValidationError) -> str:
    found = repr(error.instance) if len(repr(error.instance)) <= 100 else "the text"
    if error.validator in _LENGTHS:
        return f"{found} is {_LENGTHS[error.validator].format(error.validator_value)}"
    if error.validator != "pattern":
        return str(error.message)
    wanted = next((each["description"] for each in _schemas(error) if "description" in each), "")
    if not wanted and len(error.validator_value) <= _LONGEST_PATTERN:
        return f"{found} does not match {error.validator_value!r}"
    return f"{found} does not match what is allowed: {wanted or 'see the form'}"


def _schemas(error: Any) -> Iterator[Json]:
    """The schema that an error breaks, then those around it for the same value."""
    depth = len(error.absolute_path)
    while error is not None and len(error.absolute_path) == depth:
        if isinstance(error.schema, dict):
            yield error.schema
        error = error.parent


def place(path: Iterable[str | int]) -> str:
    """A path into parameters as people write it: "params.overrides['training.epochs']"."""
    written = ""
    for part in path:
        if isinstance(part, str) and _WORD.match(part):
            written += f".{part}" if written else part
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
