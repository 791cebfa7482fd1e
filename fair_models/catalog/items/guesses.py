"""Whether metrics are better than what a simple guess reaches without looking at the imagery."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fair_models.numbers import compared
from fair_models.types import Json

BASELINE, NAMES = "fair:baseline", "fair:baseline_names"
"""Fields of an item: the guess's values and, in "name", what it is; what it is for each metric that has one.

Items without the second compare all metrics with the one guess that the first names."""

_ROUNDING = 1e-9
_PERFECT = 1.0

Values = Mapping[str, float | None]


def is_better(entry: Json, value: float | None, guess: float | None) -> bool | None:
    """Whether a metric is better than its guess. None where one of the two is not known.

    Args:
        entry: The metric's entry of `fair:metrics_spec`; says which direction is better.
        value: The model's.
        guess: The simple guess's.
    """
    if not _is_number(value) or not _is_number(guess):
        return None
    gain = (value or 0.0) - (guess or 0.0)
    return (gain if entry.get("higher_is_better", True) else -gain) > _ROUNDING


def is_better_or_beyond(entry: Json, value: float | None, guess: float | None) -> bool | None:
    """As `is_better`; None too where the guess is perfect, as the recall of "everything is building" is."""
    if entry.get("higher_is_better", True) and guess is not None and guess >= _PERFECT:
        return None
    return is_better(entry, value, guess)


def doubt(entry: Json, value: float | None, guess: float | None, name: str) -> str | None:
    """Why a metric speaks against a model, e.g. "fair:building_iou is 0, no better than 0.442 of ...".

    Args:
        entry: The metric's entry of `fair:metrics_spec`.
        value: The model's.
        guess: The simple guess's.
        name: What that guess is, e.g. "everything is building".

    Returns:
        None where the metric is better than its guess, or one of the two is not known.
    """
    if is_better(entry, value, guess) is not False:
        return None
    named = f" ({name})" if name else ""
    return (
        f"{entry['key']} is {compared(value)}, no better than {compared(guess)} of the simplest guess{named}"
    )


def doubt_of_item(properties: Json) -> str | None:
    """Why the main metric of a local model's item speaks against it. None where it does not.

    Args:
        properties: Those of the item.
    """
    entry = next(iter(properties.get("fair:metrics_spec") or []), None)
    if entry is None:
        return None
    key = entry["key"]
    baseline = properties.get(BASELINE) or {}
    return doubt(entry, properties.get(key), baseline.get(key), name_of(properties, key))


def name_of(properties: Json, key: str) -> str:
    """Which guess a metric of a local model's item is compared with; empty where it has none."""
    baseline = properties.get(BASELINE) or {}
    if baseline.get(key) is None:
        return ""
    return str((properties.get(NAMES) or {}).get(key) or baseline.get("name") or "")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
