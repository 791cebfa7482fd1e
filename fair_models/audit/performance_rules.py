"""Whether published models are as good as they should be, and not better than they can be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fair_models.audit.findings import Problem
from fair_models.audit.scope import Entry, Scope
from fair_models.catalog.items import guesses
from fair_models.numbers import compared
from fair_models.params import Threshold
from fair_models.types import LOCAL_MODELS, Json

WEAK = "Train a better version and promote it, or archive this one."
SUSPICIOUS = "Look whether held-out chips, or their neighbours, were among those that it learnt from."


def thresholds(scope: Scope) -> Iterator[Problem]:
    """Active local models with a metric below or above what is set. What was not measured is not compared."""
    weights = {entry.id: entry.held_out for entry in scope.entries if entry.held_out}
    for entry in scope.published:
        if entry.deprecated:
            continue
        for pattern, bounds in scope.params.thresholds.items():
            named = value_of(pattern, entry.metrics, weights.get(entry.dataset, {}))
            if named is not None:
                yield from _compared(entry, *named, bounds)


def better_than_guessing(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Active local models whose main metric is no better than a simple guess, unless somebody wrote why."""
    if entry.collection != LOCAL_MODELS or entry.deprecated:
        return
    properties = document["properties"]
    doubt = guesses.doubt_of_item(properties)
    if doubt and "override_reason" not in (properties.get("fair:gate") or {}):
        yield Problem(entry.label, doubt, WEAK)


def value_of(
    pattern: str, metrics: Mapping[str, float | None], held_out: Mapping[str, int]
) -> tuple[str, float] | None:
    """What a threshold is about, and its value.

    Args:
        pattern: A metric, or one of each class with * for the class: "fair:*_iou".
        metrics: Held-out values; None where nothing was measured.
        held_out: Held-out labels by class.

    Returns:
        Name and value. Of a class that no held-out label is of, there is none. With *, the mean over the
        classes that have a value, weighted by their held-out labels. None where nothing was measured.
    """
    absent = {key for key in metrics if held_out.get(_class_of(key, held_out) or "", 1) == 0}
    known = {key: value for key, value in metrics.items() if value is not None and key not in absent}
    if "*" not in pattern:
        return (pattern, known[pattern]) if pattern in known else None
    named = re.compile(re.escape(pattern).replace(r"\*", r"(\w+)"))
    counted = {
        key: held_out[found[1]]
        for key in known
        if (found := named.fullmatch(key)) and held_out.get(found[1], 0) > 0
    }
    if not counted:
        return None
    mean = sum(known[key] * count for key, count in counted.items()) / sum(counted.values())
    return f"{pattern} ({', '.join(counted)} by their held-out labels)", mean


def _class_of(key: str, held_out: Mapping[str, int]) -> str | None:
    """The class that a metric such as "fair:building_iou" is about."""
    name = key.removeprefix("fair:")
    found = [each for each in held_out if name.startswith(f"{each}_")]
    return max(found, key=len, default=None)


def _compared(entry: Entry, name: str, value: float, bounds: Threshold) -> Iterator[Problem]:
    if bounds.least is not None and value < bounds.least:
        yield Problem(
            entry.label, f"{name} is {compared(value)}, at least {bounds.least:g} is asked for", WEAK
        )
    if bounds.most is not None and value > bounds.most:
        yield Problem(
            entry.label,
            f"{name} is {compared(value)}, more than {bounds.most:g}: too good to be true",
            SUSPICIOUS,
        )
