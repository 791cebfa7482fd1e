"""Whole areas of those that were mapped are held out: a model is evaluated where it has learnt nothing.

With one area held out after the other (leave one area out) it shows how a model does in a place that is new.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from fair_models.data import splits
from fair_models.data.images.chips import Chip
from fair_models.data.splits import Split
from fair_models.errors import Invalid
from fair_models.types import Array

_DRAWS = 64
"""How many orders of the areas are drawn."""

_SHOWN = 10
"""How many areas a message names."""


def by_whole_areas(
    chips: Sequence[Chip],
    areas: Mapping[str, Sequence[str]],
    ratio: float,
    seed: int,
    buffer_m: float,
    held_out: Sequence[str] = (),
    labelled: Collection[str] | None = None,
) -> Split:
    """Hold out all chips of some areas, so that a model is evaluated where it has learnt nothing.

    Training chips that share ground with a held-out one or lie nearer than `buffer_m` are left out. The same
    arguments give the same split.

    Args:
        chips: All chips.
        areas: Names of the chips of each area, by its name.
        ratio: Share of the chips to hold out, 0 to 1. Where no areas are named, those are taken that come
            nearest to it.
        seed: Decides which, of those that come equally near.
        buffer_m: Width of the strip without chips between the sides, in metres.
        held_out: Names of the areas to hold out. Default: they are drawn.
        labelled: Names of the chips that have labels. Default: all.

    Raises:
        Invalid: An area is not known or has no chip, none is left on one side, or a side has no labels; lists
            every reason.
    """
    require_areas(list(areas), held_out)
    if empty := [name for name, own in areas.items() if not own]:
        raise Invalid(
            f"No chip belongs to {_listed(empty)}: each chip belongs to the area that has most of its "
            "ground. Leave areas without imagery, or smaller than a chip, out of the file, or split by block"
        )
    ordered = sorted(chips, key=lambda chip: chip.name)
    index = {chip.name: number for number, chip in enumerate(ordered)}
    with_labels = np.array([labelled is None or chip.name in labelled for chip in ordered])
    of_areas = {name: tuple(sorted(own)) for name, own in areas.items()}
    problems: list[str] = []
    for chosen in (
        [tuple(name for name in areas if name in held_out)] if held_out else _drawn(areas, ratio, seed)
    ):
        is_held_out = np.zeros(len(ordered), dtype=bool)
        is_held_out[[index[name] for area in chosen for name in areas[area]]] = True
        left_out = ~is_held_out & splits.near(ordered, is_held_out, buffer_m)
        train = ~is_held_out & ~left_out
        if with_labels[is_held_out].any() and with_labels[train].any():
            return Split(
                "whole-areas",
                ratio,
                buffer_m,
                seed,
                cut="",
                train=splits.names(ordered, train),
                held_out=splits.names(ordered, is_held_out),
                left_out=splits.names(ordered, left_out),
                areas=of_areas,
                held_out_areas=chosen,
            )
        problems.append(_one_sided(chosen, bool(with_labels[is_held_out].any()), train, buffer_m))
    raise Invalid(problems[0])


def require_areas(names: Sequence[str], held_out: Sequence[str]) -> None:
    """Whether areas can be held out whole, by their names alone.

    Args:
        names: Names of all areas.
        held_out: Names of those to hold out; none where they are to be drawn.

    Raises:
        Invalid: There are fewer than two areas, one to hold out is not among them, or all are to be held out;
            lists every reason.
    """
    reasons = []
    if len(names) < 2:
        reasons.append(
            f"there is {f'one area ({names[0]})' if names else 'no area'}, and at least 2 are needed to hold "
            "one out whole; give a file with a polygon for each area, with names of their own, or split by "
            "block"
        )
    unknown = [name for name in dict.fromkeys(held_out) if name not in names]
    for name in unknown if len(names) > 1 else ():
        near = get_close_matches(name, names, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {_listed(names)}"
        reasons.append(f"there is no area {name}; {hint}")
    if len(names) > 1 and set(names) <= set(held_out):
        reasons.append("all areas are held out, and none is left to learn from; hold out fewer")
    if reasons:
        raise Invalid(f"Areas cannot be held out: {'; '.join(reasons)}")


def _drawn(areas: Mapping[str, Sequence[str]], ratio: float, seed: int) -> list[tuple[str, ...]]:
    """Ways to hold out whole areas, each once, those nearest to the ratio first; the seed orders equal ones.

    In each of several orders of the areas those are taken, one by one, that bring the share nearer.
    """
    names, sizes = list(areas), np.array([len(own) for own in areas.values()])
    wanted = ratio * sizes.sum()
    found: dict[tuple[str, ...], float] = {}
    for draw in range(_DRAWS):
        chosen: list[int] = []
        for index in map(int, np.random.default_rng([seed, draw]).permutation(len(names))):
            count = sizes[chosen].sum()
            if abs(count + sizes[index] - wanted) < abs(count - wanted) and len(chosen) < len(names) - 1:
                chosen.append(index)
        chosen = sorted(chosen or [int(sizes.argmin())])
        found.setdefault(tuple(names[index] for index in chosen), abs(float(sizes[chosen].sum() - wanted)))
    return sorted(found, key=lambda each: round(found[each], 6))


def _one_sided(chosen: Sequence[str], is_measured: bool, train: Array, buffer_m: float) -> str:
    """Why areas cannot be held out: one of the sides has no chip or no label."""
    if not is_measured:
        return (
            f"No chip of {_listed(chosen)} has a label, so nothing could be measured on what is held out: "
            "hold out an area with labels too"
        )
    left = "no chip with a label" if train.any() else "no chip"
    return (
        f"With {_listed(chosen)} held out and a buffer of {buffer_m:g} m {left} is left to learn from: hold "
        "out fewer or other areas, or ask for a smaller buffer"
    )


def _listed(names: Sequence[str]) -> str:
    shown, more = ", ".join(names[:_SHOWN]), len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
