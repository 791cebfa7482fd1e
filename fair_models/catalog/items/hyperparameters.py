"""Hyperparameters: what a model's item allows, and what a run gets."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pystac import Item

from fair_models.errors import InvalidHyperparameters
from fair_models.params import HyperparameterValue
from fair_models.types import Json

TRAINING = "training"
INFERENCE = "inference"

Values = dict[str, HyperparameterValue]
"""Hyperparameters by their full keys, e.g. {"training.epochs": 20}."""

_TYPE_WORDS = {"int": "a whole number", "float": "a finite number", "str": "text", "bool": "true or false"}


def resolve(item: Item, overrides: Mapping[str, Any]) -> Values:
    """The item's values with the overrides in their place.

    Args:
        item: A base or local model. Its own values are `mlm:hyperparameters`; what those lack is the default
            in `fair:hyperparameters_spec`.
        overrides: Values by full key, e.g. {"training.epochs": 20, "inference.confidence_threshold": 0.6}.

    Returns:
        All hyperparameters. Those of type float are floats, even where a whole number was given.

    Raises:
        InvalidHyperparameters: Unknown names, wrong types, values out of bounds: all are listed.
    """
    entries = by_key(item.properties)
    reasons = _unknown([key for key in overrides if key not in entries], list(entries))
    reasons += [
        reason
        for key, value in overrides.items()
        if key in entries
        for reason in problems(entries[key], value)
    ]
    if reasons:
        raise InvalidHyperparameters(item.id, reasons)
    values: Values = {key: entry["default"] for key, entry in entries.items()}
    values |= item.properties.get("mlm:hyperparameters", {})
    values |= overrides
    return {key: _typed(value, entries.get(key)) for key, value in values.items()}


def with_prefix(values: Mapping[str, HyperparameterValue], prefix: str) -> Values:
    """The values of one use under their short names, e.g. "training" gives {"epochs": 20}.

    Keys without a prefix, as older items of other catalogues have them, are of training.
    """
    chosen: Values = {}
    for key, value in values.items():
        use, _, name = key.rpartition(".")
        if (use or TRAINING) == prefix:
            chosen[name] = value
    return chosen


def problems(entry: Json, value: Any) -> list[str]:
    """What is wrong with a value, held against one entry of `fair:hyperparameters_spec`."""
    key, kind = entry["key"], entry["type"]
    if not _has_type(value, kind):
        return [f"{key} is {value!r}, should be {_TYPE_WORDS[kind]}"]
    reasons = []
    if "min" in entry and kind in {"int", "float"} and value < entry["min"]:
        reasons.append(f"{key} is {value}, should be at least {entry['min']}")
    if "max" in entry and kind in {"int", "float"} and value > entry["max"]:
        reasons.append(f"{key} is {value}, should be at most {entry['max']}")
    if "values" in entry and value not in entry["values"]:
        choices = ", ".join(str(choice) for choice in entry["values"])
        reasons.append(f"{key} is {value!r}, should be one of {choices}")
    return reasons


def assumed_entry(key: str, value: Any) -> Json | None:
    """An entry of `fair:hyperparameters_spec` for a value that has none: its type, and no bounds.

    Args:
        key: The full key, e.g. "training.epochs".
        value: The value in `mlm:hyperparameters`, which becomes the default.

    Returns:
        The entry; None for what can be no hyperparameter.
    """
    kinds: dict[type, str] = {bool: "bool", int: "int", float: "float", str: "str"}
    kind = kinds.get(type(value))
    if kind is None:
        return None
    return {"key": key, "type": kind, "default": value, "description": f"{key}, not described by its author."}


def meant_by(key: str, others: Collection[str]) -> list[str]:
    """Keys with a use that a key without one may mean, e.g. "epochs" of "training.epochs".

    Args:
        key: A key of `fair:hyperparameters_spec` or `mlm:hyperparameters`.
        others: Keys of the other one.
    """
    if "." in key or key in others:
        return []
    return [other for other in others if other.partition(".")[2] == key]


def specification_problems(properties: Json, *, own_values: bool) -> list[str]:
    """Where `fair:hyperparameters_spec` contradicts itself or `mlm:hyperparameters`.

    Args:
        properties: An item's properties.
        own_values: Whether the values may differ from the defaults, as those of a fine-tuned model do.
    """
    entries = properties["fair:hyperparameters_spec"]
    values = properties["mlm:hyperparameters"]
    keys = [entry["key"] for entry in entries]
    reasons = [f"{key} is specified twice" for key in dict.fromkeys(keys) if keys.count(key) > 1]
    for entry in entries:
        key = entry["key"]
        if entry.get("min", -math.inf) > entry.get("max", math.inf):
            reasons.append(f"{key} has min {entry['min']} above max {entry['max']}")
        reasons += [f"{reason} (its default)" for reason in problems(entry, entry["default"])]
        if key not in values:
            meant = meant_by(key, values)
            hint = f"; write in full which is meant, {' or '.join(meant)}" if meant else ""
            reasons.append(f"{key} is specified but has no value in mlm:hyperparameters{hint}")
            continue
        reasons += [f"{reason} (in mlm:hyperparameters)" for reason in problems(entry, values[key])]
        if not own_values and values[key] != entry["default"]:
            reasons.append(
                f"{key} is {values[key]!r} in mlm:hyperparameters, its default is {entry['default']!r}"
            )
    unspecified = [key for key in values if key not in keys]
    reasons += [f"{key} has a value but no entry in fair:hyperparameters_spec" for key in unspecified]
    return reasons


def by_key(properties: Json) -> dict[str, Json]:
    """Entries of `fair:hyperparameters_spec` by key; none where an item has none."""
    return {entry["key"]: entry for entry in properties.get("fair:hyperparameters_spec", [])}


def _unknown(names: Sequence[str], known: Sequence[str]) -> list[str]:
    return [f"{name} is not a hyperparameter of this model; {_suggestion(name, known)}" for name in names]


def _suggestion(name: str, known: Sequence[str]) -> str:
    short = {key.rpartition(".")[2]: key for key in known}
    near = [short[name]] if name in short else get_close_matches(name, known, n=1)
    if not near:
        near = [short[each] for each in get_close_matches(name.rpartition(".")[2], short, n=1)]
    if near:
        return f"did you mean {near[0]}?"
    return f"there are {', '.join(sorted(known))}" if known else "it has none"


def _has_type(value: Any, kind: str) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "str":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int if kind == "int" else int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number too large to be a float
        return kind == "int"


def _typed(value: HyperparameterValue, entry: Json | None) -> HyperparameterValue:
    return float(value) if entry and entry["type"] == "float" else value
