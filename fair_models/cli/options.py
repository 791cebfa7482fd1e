"""Options of commands: those that several share, and those made from the parameter models.

A command that starts a run takes what its deployment takes. `takes` makes arguments and options of the fields
of its parameter model: names, types, bounds and help come from there, and are written once.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import unquote

import typer
from pydantic import BaseModel, ValidationError

from fair_models import form_fields, place_fields, types
from fair_models.cli import output
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
        help="Id of this request, 1 to 200 characters without spaces and #. If a run was started with this "
        "key before, that run is shown and no new one is started. Default: a new key for each call.",
    ),
]
Again = Annotated[
    bool,
    typer.Option(
        "--again",
        help="With --idempotency-key: start a new run if the last one failed, crashed or was cancelled.",
    ),
]
_OF_RUNS: Mapping[str, tuple[Any, Any]] = {
    "json": (Json, False),
    "wait": (Wait, True),
    "verbose": (Verbose, False),
    "key": (Key, None),
    "again": (Again, False),
}
"""Options of every command that starts a run, with their defaults."""

_TYPES = {"integer": int, "number": float, "boolean": bool, "array": list[str], "object": list[str]}
_EXAMPLE = re.compile(r'\{"([^"]+)": ([^{}]+)\}')
"""An entry of a mapping as a form takes it. On the command line it is NAME=VALUE."""


@dataclass(frozen=True)
class How:
    """How a run is started and shown.

    wait: Whether to follow the run until it is over.
    verbose: Whether to show every log line.
    key: The idempotency key. None makes one, which only this command's own retries share.
    again: Whether to start a new run if the last one with the key did not complete.
    """

    wait: bool
    verbose: bool
    key: str | None = None
    again: bool = False


@dataclass(frozen=True)
class Asked(Generic[M]):
    """What was typed: values by field of the parameter model. A field that was not given is absent."""

    model: type[M]
    command: str
    given: Mapping[str, Any]

    def params(self, **further: Any) -> M:
        """The parameters, with what the command itself adds. Raises InvalidParameters."""
        return build(self.model, self.command, {**self.given, **further})


@dataclass(frozen=True)
class _Field:
    """A field of a parameter model. `inside`: the field of the nested model that holds it, or empty."""

    name: str
    schema: types.Json
    inside: str
    needed: bool

    @property
    def option(self) -> str:
        """Its option: one entry of a list has a singular name, and what is on by default can be put off."""
        word = self.name.replace("_", "-")
        if self.schema.get("type") == "array":
            word = word.removesuffix("es") if word.endswith("sses") else word.removesuffix("s")
        return f"--{word}/--no-{word}" if self.schema.get("default") is True else f"--{word}"


@dataclass(frozen=True)
class RunCommand:
    """A command that starts a run.

    function: Called with `Asked`, `How`, and the options that its own signature adds.
    model: The parameters; the fields of a nested model count as its own.
    arguments: Fields that are given by position, in this order.
    optional: Whether these may be absent.
    without: Fields that no option is made of.
    names: Names of options that differ from the field's.
    examples: Makes NAME=VALUE for a message, from what was typed.
    """

    function: Callable[..., None]
    model: type[BaseModel]
    arguments: Sequence[str] = ()
    optional: bool = False
    without: Sequence[str] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    examples: Mapping[str, Callable[[Mapping[str, Any]], str]] = field(default_factory=dict)

    def callback(self, command: str) -> Callable[..., None]:
        """The function that typer makes the command of."""
        fields = {each.name: each for each in self._fields()}
        own = [*inspect.signature(self.function, eval_str=True).parameters.values()][2:]

        def call(**typed: Any) -> None:
            given: dict[str, Any] = {}
            for each in fields.values():
                value = self._read(each, typed)
                if value is not None:
                    (given.setdefault(each.inside, {}) if each.inside else given)[each.name] = value
            how = How(typed["wait"], typed["verbose"], typed["key"], typed["again"])
            added = {each.name: typed[each.name] for each in own}
            self.function(Asked(self.model, command, given), how, **added)

        parameters = [
            *(self._parameter(fields[name]) for name in dict.fromkeys([*self.arguments, *fields])),
            *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own),
            *(_keyword(name, kind, default) for name, (kind, default) in _OF_RUNS.items()),
        ]
        call.__doc__ = self.function.__doc__
        call.__annotations__ = {each.name: each.annotation for each in parameters}
        vars(call)["__signature__"] = inspect.Signature(parameters)
        return call

    def _fields(self) -> Iterator[_Field]:
        schema = self.model.model_json_schema()
        required = () if self.optional else schema.get("required", ())
        for name, told in form_fields.with_empty_fields(schema["properties"]).items():
            nested = schema.get("$defs", {}).get(told.get("$ref", "").rpartition("/")[2], {})
            if name in self.without:
                continue
            for inner, below in form_fields.with_empty_fields(nested.get("properties", {})).items():
                yield _Field(inner, below, name, needed=False)
            if not nested:
                yield _Field(name, told, "", needed=name in required)

    def _parameter(self, each: _Field) -> inspect.Parameter:
        kind: Any = _TYPES.get(each.schema.get("type", ""), str)
        choices = each.schema.get("enum") or each.schema.get("items", {}).get("enum") or []
        text, complete = each.schema.get("description", ""), (lambda: choices) if choices else None
        if each.name in self.arguments:
            made = typer.Argument(help=text, autocompletion=complete)
        else:
            names = self.names.get(each.name, [each.option])
            made = typer.Option(
                *names,
                help=_EXAMPLE.sub(rf"{names[0]} \1=\2", text),
                metavar="NAME=VALUE" if each.schema.get("type") == "object" else None,
                autocompletion=complete,
            )
        if each.needed:
            return _keyword(each.name, Annotated[kind, made], inspect.Parameter.empty)
        return _keyword(each.name, Annotated[kind | None, made], None)

    def _read(self, each: _Field, typed: Mapping[str, Any]) -> Any:
        """A value as the model takes it; None where none was typed."""
        value, schema = typed[each.name], each.schema
        if value is None or value == []:
            return None
        if schema.get("type") == "object":
            example = self.examples.get(each.name)
            name = self.names.get(each.name, [each.option])[0]
            return assignments(value, name, partial(example, typed) if example else _no_example)
        if "anyOf" in schema and value.isdigit():
            return int(value)
        place = schema.get(place_fields.KEYWORD)
        is_text = place == place_fields.READ_OR_TEXT and place_fields.is_inline(value)
        return absolute(value) if place and value and not is_text else value


def takes(model: type[BaseModel], **how: Any) -> Callable[[Callable[..., None]], RunCommand]:
    """Make a command of a function, with the options that a parameter model has. See `RunCommand`."""
    return lambda function: RunCommand(function, model, **how)


def _keyword(name: str, kind: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def text_of(model: type[BaseModel], name: str) -> str:
    """The description of a parameter, for an option that is not made of it."""
    return model.model_fields[name].description or ""


def build(model: type[M], subject: str, values: Mapping[str, Any]) -> M:
    """Make parameters of what was given; options that were not given keep the default.

    Raises:
        InvalidParameters: Lists everything that is wrong, in the words that the server's schema gives.
    """
    given = {name: value for name, value in values.items() if value not in (None, [], {})}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        from fair_models.client.schema import problems

        reasons = problems(given, model.model_json_schema())
        reasons = reasons or [_reason(model, each) for each in error.errors()]
        raise InvalidParameters(subject, reasons) from error


def _reason(model: type[BaseModel], error: Mapping[str, Any]) -> str:
    """One of pydantic's errors; what has another form is told with what the parameter is."""
    field = str(next(iter(error["loc"]), ""))
    where = ".".join(str(part) for part in error["loc"] if part != "[key]")
    if error["type"] == "string_pattern_mismatch" and field in model.model_fields:
        return f"{where}: {error['input']!r} does not match what is allowed: {text_of(model, field)}"
    told = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {told}" if where else told


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
