"""The figures of a fine-tuned model's item, for people: each beside its interval and the simplest guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fair_models.catalog.items import guesses
from fair_models.types import Json

NOT_MEASURED = "–"

_SUFFIXES = ("_low", "_high", "_baseline")


def metrics(properties: Json) -> list[dict[str, Any]]:
    """A row for each metric, the main one first.

    Args:
        properties: Those of a local model's item.

    Returns:
        `metric` (its key), `value`, `low` and `high` (95 % interval), `baseline`, `guess` (which guess that
        is of) and `better` (whether the value is better; None where the guess is perfect, too). None where
        nothing was measured. Metrics that are measured but not specified are not among them.
    """
    baseline = properties.get(guesses.BASELINE, {})
    rows = []
    for entry in properties.get("fair:metrics_spec", []):
        key, (low, high) = entry["key"], entry.get("interval") or (None, None)
        value, guessed = properties.get(key), baseline.get(key)
        rows.append(
            {
                "metric": key,
                "value": value,
                "low": low,
                "high": high,
                "baseline": guessed,
                "guess": guesses.name_of(properties, key) or None,
                "better": guesses.is_better_or_beyond(entry, value, guessed),
            }
        )
    return rows


def beside_guess(row: Mapping[str, Any], name: str) -> str:
    """The baseline of a row of `metrics` for people, e.g. "0.442 (everything is road), not surpassed".

    Args:
        row: Of one metric.
        name: The guess that is told once for all; only another one is named here.
    """
    told = shown(row["baseline"])
    if row["guess"] not in (None, name):
        told += f" ({row['guess']})"
    return f"{told}, not surpassed" if row["better"] is False else told


def classes(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The table of classes with one column for each measure, such as "0.74 [0.7, 0.78] (0.2)".

    Args:
        rows: `fair:class_metrics`, or the same of a run.

    Returns:
        `class`, `train`, `held out`, and each measure: its value, its interval in brackets, that of the
        simplest guess in parentheses. All rows have the same columns.
    """
    keys = measures(rows)
    return [
        {
            "class": str(row["class"]),
            "train": shown(row.get("train")),
            "held out": shown(row.get("held_out")),
            **{key: _measure(row, key) for key in keys},
        }
        for row in rows
    ]


def measures(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is measured of classes, e.g. "iou", in the order in which their rows have it."""
    counts = {"class", "train", "held_out"}
    return list(dict.fromkeys(key for row in rows for key in row if key not in counts and not _is_end(key)))


def ends(row: Mapping[str, Any], key: str) -> tuple[float | None, float | None]:
    """Ends of the 95 % interval of a class's measure; None where there is none."""
    low, high = (number(row, f"{key}{suffix}") for suffix in _SUFFIXES[:2])
    return low, high


def number(row: Mapping[str, Any], key: str) -> float | None:
    """A figure of a class; None where nothing was measured."""
    value: float | None = row.get(key)
    return value


def confusion(counts: Mapping[str, Mapping[str, int]]) -> list[dict[str, str]]:
    """`fair:confusion` as rows: the true class, then how many were taken for each."""
    return [
        {"true class": truth, **{f"as {name}": str(count) for name, count in row.items()}}
        for truth, row in counts.items()
    ]


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """A figure and its interval in brackets, e.g. "0.742 [0.701, 0.778]"."""
    if value is None or low is None or high is None:
        return shown(value)
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def shown(value: float | None) -> str:
    """A figure with three digits after the point; a dash where nothing was measured."""
    if value is None:
        return NOT_MEASURED
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _measure(row: Mapping[str, Any], key: str) -> str:
    text = with_interval(number(row, key), *ends(row, key))
    guessed = row.get(f"{key}_baseline")
    return text if guessed is None else f"{text} ({guessed:.3f})"


def _is_end(key: str) -> bool:
    return key.endswith(_SUFFIXES)
