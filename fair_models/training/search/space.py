"""Values of hyperparameters to try: a grid, or chance, within what a model's item declares."""

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

MOST_COMBINATIONS = 100_000
"""A grid with more is refused before its combinations are listed."""

_FRUITLESS = 200
"""Draws in a row that were there before: then all there is has been drawn, or nearly so."""

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
    reasons = [reason for key, wish in vary.items() for reason in _problems(declared[key], wish)]
    count = math.prod(len(_grid(declared[key], wish)) for key, wish in vary.items()) if not reasons else 0
    if method == "grid" and count > MOST_COMBINATIONS:
        reasons.append(
            f"the grid has {count} combinations, at most {MOST_COMBINATIONS} may be: ask for fewer points"
        )
    if reasons:
        raise InvalidHyperparameters(item.id, reasons)
    wishes = {key: (declared[key], wish) for key, wish in vary.items()}
    return _all(wishes, seed) if method == "grid" else _drawn(wishes, seed)


Wishes = Mapping[str, tuple[Json, SearchRange]]


def _all(wishes: Wishes, seed: int) -> Iterator[Values]:
    combinations = list(itertools.product(*(_grid(*wish) for wish in wishes.values())))
    for index in np.random.default_rng(seed).permutation(len(combinations)):
        yield dict(zip(wishes, combinations[index], strict=True))


def _drawn(wishes: Wishes, seed: int) -> Iterator[Values]:
    chance = np.random.default_rng(seed)
    seen: set[tuple[HyperparameterValue, ...]] = set()
    fruitless = 0
    while fruitless < _FRUITLESS:
        drawn = tuple(_draw(*wish, chance) for wish in wishes.values())
        if drawn in seen:
            fruitless += 1
            continue
        seen.add(drawn)
        fruitless = 0
        yield dict(zip(wishes, drawn, strict=True))


def _draw(entry: Json, wish: SearchRange, chance: np.random.Generator) -> HyperparameterValue:
    choices = _choices(entry, wish)
    if choices:
        return choices[int(chance.integers(len(choices)))]
    least, most = _bounds(entry, wish)
    if entry["type"] == "int" and not wish.log:
        return int(chance.integers(math.ceil(least), math.floor(most) + 1))
    return _typed(entry, _between(float(chance.random()), least, most, wish.log))


def _grid(entry: Json, wish: SearchRange) -> Sequence[HyperparameterValue]:
    choices = _choices(entry, wish)
    if choices:
        return choices
    least, most = _bounds(entry, wish)
    steps = [_between(step / (wish.points - 1), least, most, wish.log) for step in range(wish.points)]
    return list(dict.fromkeys(_typed(entry, value) for value in steps))


def _between(part: float, least: float, most: float, log: bool) -> float:
    """The value at a part, 0 to 1, of the way; with `log` each step multiplies by as much."""
    value = least * (most / least) ** part if log else least + (most - least) * part
    return min(max(float(f"{value:.{_DIGITS}g}"), least), most)


def _typed(entry: Json, value: float) -> HyperparameterValue:
    return round(value) if entry["type"] == "int" else value


def _choices(entry: Json, wish: SearchRange) -> Sequence[HyperparameterValue]:
    """The values to choose from; empty for a range of numbers."""
    if wish.values:
        return wish.values
    if entry["type"] == "bool":
        return [False, True]
    narrowed = wish.least is not None or wish.most is not None
    return [] if narrowed else list(entry.get("values", []))


def _bounds(entry: Json, wish: SearchRange) -> tuple[float, float]:
    least = wish.least if wish.least is not None else entry.get("min")
    most = wish.most if wish.most is not None else entry.get("max")
    return (math.nan if least is None else float(least)), (math.nan if most is None else float(most))


def _examples(vary: Mapping[str, SearchRange], declared: Mapping[str, Json]) -> dict[str, Any]:
    """One value of each name, to be held against the item."""
    return {key: (wish.values or [declared.get(key, {}).get("default", 0)])[0] for key, wish in vary.items()}


def _problems(entry: Json, wish: SearchRange) -> Iterator[str]:
    key = entry["key"]
    if wish.values:
        for value in wish.values:
            yield from hyperparameters.problems(entry, value)
        if wish.least is not None or wish.most is not None:
            yield f"{key} has values and a range; give one of them"
        return
    if _choices(entry, wish):
        return
    if entry["type"] not in {"int", "float"}:
        yield f"{key} is text without declared values; list those to try"
        return
    least, most = _bounds(entry, wish)
    if math.isnan(least) or math.isnan(most):
        yield f"{key} has no declared {'least' if math.isnan(least) else 'largest'} value; give one"
    elif least > most:
        yield f"{key} has {least:g} above {most:g}"
    elif wish.log and least <= 0:
        yield f"{key} begins at {least:g}; on a logarithmic scale give a least value above 0"
    elif entry["type"] == "int" and math.ceil(least) > math.floor(most):
        yield f"{key} has no whole number between {least:g} and {most:g}"
    else:
        for end in (least, most):
            yield from hyperparameters.problems(entry, _typed(entry, end))
