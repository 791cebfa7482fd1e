"""Values of hyperparameters to try: a grid, or random draws, within what a model's item declares.

Optuna 5.0 was tried in place of this module and was worse for the two published methods:

- A study that is filled again from the ledger (`add_trial`) starts its `RandomSampler` at the seed again: it
  draws the values of the trials that are done. Here the sequence follows from the arguments alone, so a
  resumed search goes on with the next values.
- `RandomSampler` repeats values: 6 different ones in 9 draws from 9 combinations. Here each trial is new.
- `GridSampler` raises at its last combination when trials are asked for and told (`ask`, `tell`), which a
  trial in another process needs.
- It takes half a second to import, and it would give other values for seeds that people have recorded.

A method that learns from the trials before (TPE) would be a reason to look again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pystac import Item

from fair_models.catalog.items import hyperparameters
from fair_models.catalog.items.hyperparameters import Values
from fair_models.errors import InvalidHyperparameters
from fair_models.params import HyperparameterValue, SearchMethod, SearchRange
from fair_models.types import Json

MAX_COMBINATIONS = 100_000
"""A grid with more is refused before its combinations are listed."""

_MAX_REPEATS = 200
"""Repeated draws in a row after which the space counts as used up."""

_DIGITS = 6


def candidates(
    item: Item, vary: Mapping[str, SearchRange], method: SearchMethod, seed: int
) -> Iterator[Values]:
    """Sets of values to try, none of them twice. The same arguments give the same ones in the same order.

    A grid comes in an order by chance, so that the first few are spread over it.

    Args:
        item: The model; what a range does not say is taken from its `fair:hyperparameters_spec`.
        vary: Range of each hyperparameter by full key.
        method: "grid" or "random".
        seed: All chance comes from it.

    Raises:
        InvalidHyperparameters: Unknown names, ranges that the model does not allow or does not bound, or a
            grid with too many combinations: all are listed.
    """
    declared = hyperparameters.by_key(item.properties)
    hyperparameters.resolve(item, _examples(vary, declared))  # names that it does not know, and wrong types
    reasons = [reason for key, wanted in vary.items() for reason in _problems(declared[key], wanted)]
    count = math.prod(len(_grid(declared[key], wanted)) for key, wanted in vary.items()) if not reasons else 0
    if method == "grid" and count > MAX_COMBINATIONS:
        reasons.append(
            f"the grid has {count} combinations, at most {MAX_COMBINATIONS} may be: ask for fewer points"
        )
    if reasons:
        raise InvalidHyperparameters(item.id, reasons)
    ranges = {key: (declared[key], wanted) for key, wanted in vary.items()}
    return _all(ranges, seed) if method == "grid" else _drawn(ranges, seed)


Ranges = Mapping[str, tuple[Json, SearchRange]]


def _all(ranges: Ranges, seed: int) -> Iterator[Values]:
    combinations = list(itertools.product(*(_grid(*wanted) for wanted in ranges.values())))
    for index in np.random.default_rng(seed).permutation(len(combinations)):
        yield dict(zip(ranges, combinations[index], strict=True))


def _drawn(ranges: Ranges, seed: int) -> Iterator[Values]:
    chance = np.random.default_rng(seed)
    seen: set[tuple[HyperparameterValue, ...]] = set()
    repeats = 0
    while repeats < _MAX_REPEATS:
        drawn = tuple(_draw(*wanted, chance) for wanted in ranges.values())
        if drawn in seen:
            repeats += 1
            continue
        seen.add(drawn)
        repeats = 0
        yield dict(zip(ranges, drawn, strict=True))


def _draw(entry: Json, wanted: SearchRange, chance: np.random.Generator) -> HyperparameterValue:
    choices = _choices(entry, wanted)
    if choices:
        return choices[int(chance.integers(len(choices)))]
    low, high = _bounds(entry, wanted)
    if entry["type"] == "int" and not wanted.log:
        return int(chance.integers(math.ceil(low), math.floor(high) + 1))
    return _typed(entry, _between(float(chance.random()), low, high, wanted.log))


def _grid(entry: Json, wanted: SearchRange) -> Sequence[HyperparameterValue]:
    choices = _choices(entry, wanted)
    if choices:
        return choices
    low, high = _bounds(entry, wanted)
    steps = [_between(step / (wanted.points - 1), low, high, wanted.log) for step in range(wanted.points)]
    return list(dict.fromkeys(_typed(entry, value) for value in steps))


def _between(part: float, low: float, high: float, log: bool) -> float:
    """The value at a part, 0 to 1, of the way; with `log` each step multiplies by as much."""
    value = low * (high / low) ** part if log else low + (high - low) * part
    return min(max(float(f"{value:.{_DIGITS}g}"), low), high)


def _typed(entry: Json, value: float) -> HyperparameterValue:
    return round(value) if entry["type"] == "int" else value


def _choices(entry: Json, wanted: SearchRange) -> Sequence[HyperparameterValue]:
    """The values to choose from; empty for a range of numbers."""
    if wanted.values:
        return wanted.values
    if entry["type"] == "bool":
        return [False, True]
    narrowed = wanted.least is not None or wanted.most is not None
    return [] if narrowed else list(entry.get("values", []))


def _bounds(entry: Json, wanted: SearchRange) -> tuple[float, float]:
    low = wanted.least if wanted.least is not None else entry.get("min")
    high = wanted.most if wanted.most is not None else entry.get("max")
    return (math.nan if low is None else float(low)), (math.nan if high is None else float(high))


def _examples(vary: Mapping[str, SearchRange], declared: Mapping[str, Json]) -> dict[str, Any]:
    """One value of each name, to be held against the item."""
    return {
        key: (wanted.values or [declared.get(key, {}).get("default", 0)])[0] for key, wanted in vary.items()
    }


def _problems(entry: Json, wanted: SearchRange) -> Iterator[str]:
    key = entry["key"]
    if wanted.values:
        for value in wanted.values:
            yield from hyperparameters.problems(entry, value)
        if wanted.least is not None or wanted.most is not None:
            yield f"{key} has values and a range; give one of them"
        return
    if _choices(entry, wanted):
        return
    if entry["type"] not in {"int", "float"}:
        yield f"{key} is text without declared values; list those to try"
        return
    low, high = _bounds(entry, wanted)
    if math.isnan(low) or math.isnan(high):
        yield f"{key} has no declared {'least' if math.isnan(low) else 'largest'} value; give one"
    elif low > high:
        yield f"{key} has {low:g} above {high:g}"
    elif wanted.log and low <= 0:
        yield f"{key} begins at {low:g}; on a logarithmic scale give a least value above 0"
    elif entry["type"] == "int" and math.ceil(low) > math.floor(high):
        yield f"{key} has no whole number between {low:g} and {high:g}"
    else:
        for end in (low, high):
            yield from hyperparameters.problems(entry, _typed(entry, end))
