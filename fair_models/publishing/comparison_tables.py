"""A comparison as rows: numbers for programs, and figures side by side for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fair_models.catalog import figures
from fair_models.publishing.comparing import Ground, Side, value_of

Row = dict[str, Any]


def numbers(grounds: Sequence[Ground]) -> list[Row]:
    """A row for each dataset, version and metric; all have the same columns.

    Returns:
        `dataset`, `version`, `metric`, `value`, `low`, `high` (95 % interval), `baseline`; of the metric that
        is compared by also `difference`, `difference_low`, `difference_high`: how much better than the first
        version, sample by sample. None where nothing was measured.
    """
    return [
        _number_row(ground, side, key)
        for ground in grounds
        for side in ground.measured
        for key in keys(ground)
    ]


def sides(grounds: Sequence[Ground]) -> list[Row]:
    """A row for each dataset and version: what it is, what it learnt from, and what stands against it."""
    return [
        {
            "dataset": ground.dataset.id,
            "version": side.contender.id,
            "kind": side.contender.kind,
            "trained_on": side.contender.trained_on,
            "held_out": side.evaluation.sample_count if side.evaluation is not None else 0,
            "seen": side.seen,
            "problem": side.problem,
        }
        for ground in grounds
        for side in ground.sides
    ]


def side_by_side(ground: Ground) -> list[Row]:
    """A row for each metric, then each measure of each class, then each hyperparameter that differs.

    Returns:
        What the row is of, one column for each version that was measured, such as "0.742 [0.701, 0.778]", and
        that of the simplest guess.
    """
    measured = ground.measured
    rows = [(key, [_metric(side, key) for side in measured], _guess(ground, key)) for key in keys(ground)]
    if len(measured) > 1:
        rows.insert(1, ("better than the first by", [_difference(side) for side in measured], ""))
    rows += _class_rows(measured)
    rows += [
        (key, [str(side.contender.hyperparameters.get(key, figures.NOT_MEASURED)) for side in measured], "")
        for key in _differing(measured)
    ]
    columns = [side.contender.id for side in measured]
    return [
        {"of": label, **dict(zip(columns, values, strict=True)), "simplest guess": guess}
        for label, values, guess in rows
    ]


def keys(ground: Ground) -> list[str]:
    """Keys of all metrics, the one that is compared by first."""
    found = [entry["key"] for side in ground.measured for entry in side.contender.metrics_spec]
    return list(dict.fromkeys([ground.key, *found]))


def _difference(side: Side) -> str:
    return figures.with_interval(side.difference, *(side.difference_interval or (None, None)))


def _number_row(ground: Ground, side: Side, key: str) -> Row:
    evaluation = side.evaluation
    low, high = (evaluation.intervals.get(key) if evaluation is not None else None) or (None, None)
    main = key == ground.key
    difference_low, difference_high = (side.difference_interval if main else None) or (None, None)
    return {
        "dataset": ground.dataset.id,
        "version": side.contender.id,
        "metric": key,
        "value": value_of(side, key),
        "low": low,
        "high": high,
        "baseline": evaluation.baseline.get(key) if evaluation is not None else None,
        "difference": side.difference if main else None,
        "difference_low": difference_low,
        "difference_high": difference_high,
    }


def _metric(side: Side, key: str) -> str:
    ends = (side.evaluation.intervals.get(key) if side.evaluation is not None else None) or (None, None)
    return figures.with_interval(value_of(side, key), *ends)


def _guess(ground: Ground, key: str) -> str:
    known = [
        value
        for side in ground.measured
        if side.evaluation is not None and (value := side.evaluation.baseline.get(key)) is not None
    ]
    return figures.shown(known[0] if known else None)


def _class_rows(measured: Sequence[Side]) -> Iterator[tuple[str, list[str], str]]:
    """Each measure of each class that any version has."""
    tables = [
        {row["class"]: row for row in figures.classes(side.evaluation.classes)} if side.evaluation else {}
        for side in measured
    ]
    for name in dict.fromkeys(name for table in tables for name in table):
        measures = dict.fromkeys(
            key
            for table in tables
            for key in table.get(name, {})
            if key not in {"class", "train", "held out"}
        )
        for key in measures:
            yield (
                f"{name}, {key}",
                [table.get(name, {}).get(key, figures.NOT_MEASURED) for table in tables],
                "",
            )


def _differing(measured: Sequence[Side]) -> list[str]:
    """Hyperparameters that are not the same for all versions."""
    if len(measured) < 2:
        return []
    names = dict.fromkeys(name for side in measured for name in side.contender.hyperparameters)
    return [
        name
        for name in names
        if len({repr(side.contender.hyperparameters.get(name)) for side in measured}) > 1
    ]
