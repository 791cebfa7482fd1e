"""What an item says of hyperparameters, beside what the code says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from fair_models.catalog.items.hyperparameters import TRAINING, problems
from fair_models.types import Json

_TYPES = {"integer": "int", "number": "float", "string": "str", "boolean": "bool"}
_BOUNDS = {"min": ("minimum", "exclusiveMinimum"), "max": ("maximum", "exclusiveMaximum")}


def specification_problems(specification: Sequence[Json], params: type[BaseModel]) -> list[str]:
    """Where `fair:hyperparameters_spec` and the contribution's `Params` differ.

    The item may allow less than the code, never more: what the item allows is launched unasked.

    Args:
        specification: The item's entries.
        params: The contribution's `Params`.

    Returns:
        Sentences; empty where they agree.
    """
    prefix = f"{TRAINING}."
    entries = {
        str(entry["key"]).removeprefix(prefix): entry
        for entry in specification
        if str(entry.get("key", "")).startswith(prefix)
    }
    fields = params.model_json_schema().get("properties", {})
    reasons = [
        f"{prefix}{name} is in the item but not in Params: take it out, or add the field"
        for name in entries
        if name not in fields
    ]
    reasons += [
        f"{prefix}{name} is in Params but not in the item: add it to fair:hyperparameters_spec"
        for name in fields
        if name not in entries
    ]
    for name in [each for each in fields if each in entries]:
        reasons += [
            f"{prefix}{name}: {reason}"
            for reason in _entry_problems(entries[name], name, fields[name], params)
        ]
    return reasons


def specification(params: type[BaseModel]) -> list[Json]:
    """Entries of `fair:hyperparameters_spec` that say what a contribution's `Params` says.

    Args:
        params: Fields of the types int, float, str, bool and Literal, each with a default and a description;
            bounds are inclusive.
    """
    bounds = {"min": "minimum", "max": "maximum", "values": "enum"}
    return [
        {
            "key": f"{TRAINING}.{name}",
            "type": _TYPES[field["type"]],
            "default": field["default"],
            **{said: field[keyword] for said, keyword in bounds.items() if keyword in field},
            "description": field["description"],
        }
        for name, field in params.model_json_schema()["properties"].items()
    ]


def told_by_params(entry: Json, params: type[BaseModel]) -> Json:
    """An entry that was assumed from a value alone, with what the contribution's `Params` says of it besides.

    Args:
        entry: The entry. Keys without a prefix are of training.
        params: The contribution's `Params`.

    Returns:
        A copy with the type, bounds, choices and description of the field, as far as the value fits them; the
        entry itself where there is no such field.
    """
    use, _, name = str(entry["key"]).rpartition(".")
    field = params.model_json_schema().get("properties", {}).get(name) if use in {"", TRAINING} else None
    if not field or str(field.get("type")) not in _TYPES:
        return entry
    bounds = {"min": "minimum", "max": "maximum", "values": "enum"}
    told = {
        **entry,
        "type": _TYPES[field["type"]],
        **{said: field[keyword] for said, keyword in bounds.items() if keyword in field},
        "description": field.get("description") or entry["description"],
    }
    return entry if problems(told, entry["default"]) else told


def _entry_problems(
    entry: Json, name: str, field: Mapping[str, Any], params: type[BaseModel]
) -> Iterator[str]:
    kind = _TYPES.get(str(field.get("type")))
    if kind is None:
        yield "Params has it as another type than int, float, str or bool"
        return
    if entry.get("type") != kind:
        yield f"is {entry.get('type')} in the item, {kind} in Params"
        return
    if entry.get("default") != field.get("default"):
        yield f"has the default {entry.get('default')!r} in the item, {field.get('default')!r} in Params"
    if "values" not in entry:
        yield from _missing_bounds(entry, field)
    offered = [*(entry[bound] for bound in _BOUNDS if bound in entry), *entry.get("values", [])]
    for value in offered:
        if reason := _refusal(params, name, value):
            yield f"the item allows {value!r}, Params does not: {reason}"


def _missing_bounds(entry: Json, field: Mapping[str, Any]) -> Iterator[str]:
    for bound, keywords in _BOUNDS.items():
        limits = [field[keyword] for keyword in keywords if keyword in field]
        if limits and bound not in entry:
            yield f"Params has the bound {limits[0]}, the item no {bound}: add it"
    choices = field.get("enum") or ([field["const"]] if "const" in field else [])
    if choices:
        yield f"Params has the choices {', '.join(map(str, choices))}, the item no values: add them"


def _refusal(params: type[BaseModel], name: str, value: Any) -> str | None:
    """Why `Params` does not take a value, or None where it does."""
    try:
        params.model_validate({name: value})
    except ValidationError as error:
        return str(error.errors(include_url=False)[0]["msg"])
    return None
