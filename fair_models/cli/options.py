"""Options that several commands share, and how their text becomes parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote

import typer
from pydantic import BaseModel, ValidationError

from fair_models.cli import output
from fair_models.client.schema import problems
from fair_models.errors import Invalid, InvalidParameters

M = TypeVar("M", bound=BaseModel)

Json = Annotated[
    bool, typer.Option("--json", callback=output.want_json, help="Print one JSON document, for programs.")
]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Follow the run live until it is over, or return at once.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show every log line of the run.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        metavar="KEY",
        envvar="FAIR_IDEMPOTENCY_KEY",
        help="Id of this request, 1 to 200 characters without spaces and #. Where a run was started under it "
        "before, that run is shown and nothing is started. Default: a new key for each call.",
    ),
]
Again = Annotated[
    bool,
    typer.Option(
        "--again",
        help="With --idempotency-key: start anew what failed, crashed or was cancelled under the key.",
    ),
]


DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change, and change nothing.")]


def text_of(model: type[BaseModel], field: str) -> str:
    """The description of a parameter, so that the command line and the form say the same."""
    return model.model_fields[field].description or ""


def build(model: type[M], subject: str, values: Mapping[str, Any]) -> M:
    """Make parameters of what was given; options that were not given keep the default.

    Raises:
        InvalidParameters: Lists everything that is wrong, in the words that the server's schema gives.
    """
    given = {name: value for name, value in values.items() if value not in (None, [], {})}
    reasons = problems(given, model.model_json_schema())
    if reasons:
        raise InvalidParameters(subject, reasons)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        reasons = [_reason(model, each) for each in error.errors()]
        raise InvalidParameters(subject, reasons) from error


def _reason(model: type[BaseModel], error: Mapping[str, Any]) -> str:
    """One of pydantic's errors; what has another form is told with what the parameter is."""
    field = str(next(iter(error["loc"]), ""))
    where = ".".join(str(part) for part in error["loc"] if part != "[key]")
    if error["type"] == "string_pattern_mismatch" and field in model.model_fields:
        return f"{where}: {error['input']!r} does not match what is allowed: {text_of(model, field)}"
    return f"{where}: {str(error['msg']).removeprefix('Value error, ')}"


def _no_example() -> str:
    return "training.epochs=20"


def assignments(
    texts: Sequence[str], option: str, example: Callable[[], str] = _no_example
) -> dict[str, Any]:
    """Values of an option like `--set training.epochs=20`: numbers, true, false or text, by name.

    Args:
        texts: What was given.
        option: The option, e.g. "--set".
        example: Gives what would be right, e.g. "training.epochs=20"; only called where something is wrong.

    Raises:
        Invalid: One has no name or no value.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Invalid(f"{option} {text!r} should be NAME=VALUE, for example {option} {example()}")
        try:
            values[name] = json.loads(value)
        except (ValueError, RecursionError):  # no JSON, or numbers and nesting that nobody means
            values[name] = value
    return values


def absolute(location: str | None) -> str | None:
    """A path as the worker sees it, wherever it was typed. Addresses stay as they are."""
    if location is None or "://" in unquote(location):
        return location
    return str(Path(location).expanduser().resolve())


def is_given_by_value(area: str) -> bool:
    """Whether an area is a box or GeoJSON itself, and no file with it."""
    return area.lstrip().startswith("{") or not any(letter.isalpha() for letter in area)
