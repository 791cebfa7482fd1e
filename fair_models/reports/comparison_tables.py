"""A comparison as rows: numbers for programs, and versions side by side for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fair_models.numbers import NOT_MEASURED, shown, with_interval
from fair_models.reports import metrics
from fair_models.reports.artifacts import Table
from fair_models.reports.comparison import Ground, Side, value_of

Row = dict[str, Any]

_GUESS = "simplest guess"


def tables(grounds: Sequence[Ground]) -> Iterator[Table]:
    """All tables of a comparison."""
    yield Table("versions", version_rows(grounds), "Versions and datasets")
    yield Table("metrics", metric_rows(grounds), "Each metric with its 95 % interval")
    yield Table("side-by-side", all_side_by_side(grounds), "value [95 % interval]")
    if rows := by_area(grounds):
        yield Table("by-area", rows, f"`{grounds[0].key}` on each area")


def metric_rows(grounds: Sequence[Ground]) -> list[Row]:
    """A row for each dataset, area where these were asked for, version and metric; all have the same columns.

    Returns:
        `dataset`, `area` (where areas were asked for; empty for a whole dataset), `version`, `metric`,
        `value`, `low`, `high` (95 % interval), `baseline`, `ceiling` (what a perfect mask reaches); of the
        metric that is compared by also `difference`, `difference_low`, `difference_high`: how much better
        than the first version, sample by sample. None where nothing was measured.
    """
    return [
        {**_place(ground, grounds), **_number_row(ground, side, key)}
        for ground in _with_areas(grounds)
        for side in ground.measured
        for key in keys(ground)
    ]


def by_area(grounds: Sequence[Ground]) -> list[Row]:
    """A row for each area of each dataset: the main metric of each version, marked where it learnt there.

    Returns:
        `dataset`, `area`, `chips` ("held out", or "all" where no version has learnt from any of the area),
        `samples`, one column for each version, and that of the simplest guess. No rows where areas were not
        asked for.
    """
    areas = [area for ground in grounds for area in ground.areas]
    columns = dict.fromkeys(side.contender.id for area in areas for side in area.sides)
    return [
        {
            "dataset": area.dataset.id,
            "area": area.area,
            "chips": "all" if area.is_whole_area else "held out",
            "samples": max(
                (side.evaluation.sample_count for side in area.sides if side.evaluation), default=0
            ),
            **dict.fromkeys(columns, NOT_MEASURED),
            **{side.contender.id: f"{_metric(side, area.key)}{_mark(side)}" for side in area.measured},
            _GUESS: _guess(area, area.key),
        }
        for area in areas
    ]


def _mark(side: Side) -> str:
    """What favours a version on an area."""
    if side.seen:
        return f" (learnt from {side.seen} of these chips)"
    if side.seen_in_area:
        return f" (learnt from {side.seen_in_area} other chips of the area)"
    is_unknown = side.seen is None and side.contender.trained_on is not None
    return " (not known what it learnt from)" if is_unknown else ""


def _with_areas(grounds: Sequence[Ground]) -> Iterator[Ground]:
    for ground in grounds:
        yield ground
        yield from ground.areas


def _place(ground: Ground, grounds: Sequence[Ground]) -> Row:
    """Where something was measured: the area is said where any dataset has some."""
    area = {"area": ground.area} if any(each.areas for each in grounds) else {}
    return {"dataset": ground.dataset.id, **area}


def version_rows(grounds: Sequence[Ground]) -> list[Row]:
    """A row for each dataset and version: what it is, what it learnt from, and what stands against it."""
    return [
        {
            **_place(ground, grounds),
            "version": side.contender.id,
            "kind": side.contender.kind,
            "trained_on": side.contender.trained_on,
            "held_out": side.evaluation.sample_count if side.evaluation is not None else 0,
            "seen": side.seen,
            "problem": side.problem,
        }
        for ground in _with_areas(grounds)
        for side in ground.sides
    ]


def side_by_side(ground: Ground, *, is_first: bool = True) -> list[Row]:
    """A row for each metric and ceiling, each measure of each class, and each hyperparameter that differs.

    Args:
        ground: The comparison on one dataset.
        is_first: Whether hyperparameters are told: they are the same on all datasets.

    Returns:
        What the row is of (`metric`), one column for each version that was measured, such as
        "0.742 [0.701, 0.778]", and that of the simplest guess.
    """
    measured = ground.measured
    rows = [row for key in keys(ground) for row in _metric_rows(ground, key)]
    if len(measured) > 1:
        label = f"better than {measured[0].contender.id} by, chip by chip"
        rows.insert(1, (label, [_difference(side) for side in measured], ""))
    rows += _class_rows(measured)
    rows += [
        (key, [str(side.contender.hyperparameters.get(key, NOT_MEASURED)) for side in measured], "")
        for key in (_differing(measured) if is_first else [])
    ]
    columns = [side.contender.id for side in measured]
    return [
        {"metric": label, **dict(zip(columns, values, strict=True)), _GUESS: guess}
        for label, values, guess in rows
    ]


def all_side_by_side(grounds: Sequence[Ground]) -> list[Row]:
    """One table of all datasets: a version that could not be measured on one of them has dashes there."""
    found = [
        {"dataset": ground.dataset.id, **row}
        for ground in grounds
        for row in side_by_side(ground, is_first=ground is grounds[0])
    ]
    columns = dict.fromkeys(key for row in found for key in row)
    ordered = [*(key for key in columns if key != _GUESS), _GUESS]
    return [{key: row.get(key, NOT_MEASURED) for key in ordered} for row in found]


def keys(ground: Ground) -> list[str]:
    """Keys of all metrics, the one that is compared by first."""
    found = [entry["key"] for side in ground.measured for entry in side.contender.metrics_spec]
    return list(dict.fromkeys([ground.key, *found]))


def _difference(side: Side) -> str:
    return with_interval(side.difference, *(side.difference_interval or (None, None)))


def _number_row(ground: Ground, side: Side, key: str) -> Row:
    evaluation = side.evaluation
    low, high = (evaluation.intervals.get(key) if evaluation is not None else None) or (None, None)
    main = key == ground.key
    difference_low, difference_high = (side.difference_interval if main else None) or (None, None)
    return {
        "version": side.contender.id,
        "metric": key,
        "value": value_of(side, key),
        "low": low,
        "high": high,
        "baseline": evaluation.baseline.get(key) if evaluation is not None else None,
        "ceiling": evaluation.ceiling.get(key) if evaluation is not None else None,
        "difference": side.difference if main else None,
        "difference_low": difference_low,
        "difference_high": difference_high,
    }


def _metric_rows(ground: Ground, key: str) -> Iterator[tuple[str, list[str], str]]:
    """A metric of each version, and below it what a perfect mask reaches where that bounds it."""
    measured = ground.measured
    yield key, [_metric(side, key) for side in measured], _guess(ground, key)
    ceilings = [
        side.evaluation.ceiling.get(key) if side.evaluation is not None else None for side in measured
    ]
    if any(ceiling is not None for ceiling in ceilings):
        yield f"{key}, ceiling", [shown(ceiling) for ceiling in ceilings], ""


def _metric(side: Side, key: str) -> str:
    ends = (side.evaluation.intervals.get(key) if side.evaluation is not None else None) or (None, None)
    return with_interval(value_of(side, key), *ends)


def _guess(ground: Ground, key: str) -> str:
    """The best of what the versions' evaluations give as the simplest guess: older code knows only one."""
    spec = {entry["key"]: entry for side in ground.measured for entry in side.contender.metrics_spec}
    better = max if spec.get(key, {}).get("higher_is_better", True) else min
    known = [
        value
        for side in ground.measured
        if side.evaluation is not None and (value := side.evaluation.baseline.get(key)) is not None
    ]
    return shown(better(known, default=None))


def _class_rows(measured: Sequence[Side]) -> Iterator[tuple[str, list[str], str]]:
    """Each measure of each class that any version has.

    Measures that a class never has, as objects of the background, are left out. A class of which nothing was
    measured keeps its rows: that is told.
    """
    tables = [
        {str(row["class"]): row for row in side.evaluation.classes} if side.evaluation else {}
        for side in measured
    ]
    for name in dict.fromkeys(name for table in tables for name in table):
        rows = [table.get(name, {}) for table in tables]
        measures = metrics.measures(rows)
        known = [key for key in measures if any(row.get(key) is not None for row in rows)]
        for key in known or measures:
            values = [metrics.measure(row, key) for row in rows]
            guesses: list[Any] = [row.get(f"{key}_baseline") for row in rows]
            guess = max((each for each in guesses if each is not None), default=None)
            yield f"{name}, {key}", values, shown(guess)


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
