"""What a run must reach before it is published."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fair_models.catalog.items import guesses
from fair_models.catalog.items.local_models import FIELDS
from fair_models.catalog.items.model import ModelItem
from fair_models.errors import GateFailed, Invalid
from fair_models.numbers import compared, shown
from fair_models.params import Gate
from fair_models.types import Json

_METRIC = re.compile(r"fair:[A-Za-z][A-Za-z0-9_]*")
_ROUNDING = 1e-9
"""So that 0.7 - 0.61 is not more than 0.09."""

NEXT = "train it again with a lower training.learning_rate, more epochs or more chips"
"""What helps a version that is no better than guessing."""


@dataclass(frozen=True)
class Measured:
    """A candidate's metrics.

    subject: Who it is, e.g. "roofs-v3".
    metrics: Held-out values by key of `fair:metrics_spec`; None where nothing was measured.
    held_out_count: Number of held-out samples that they were measured on.
    dataset_id: Exact id of the dataset; items never change, so equal ids mean the same held-out chips.
    doubts: Why they cannot be metrics of that dataset's held-out chips, in sentences.
    guess_value: The main metric of the best simple guess; None where none is known.
    guess: What that guess is in words, e.g. "everything is building".
    """

    subject: str
    metrics: Mapping[str, float | None]
    held_out_count: int
    dataset_id: str
    doubts: Sequence[str] = ()
    guess_value: float | None = None
    guess: str = ""


@dataclass(frozen=True)
class Champion:
    """The version that a candidate would replace, on the candidate's held-out chips.

    id: Its exact id, e.g. "roofs-v2".
    value: Its main metric there; None where it cannot be compared, and then `problem` says why.
    measured: Whether that was measured "now", or is what its item has "recorded" of the same chips.
    seen: How many of these chips it was trained on, which favours it; None where that is not known.
    """

    id: str
    value: float | None = None
    measured: Literal["now", "recorded"] | None = None
    seen: int | None = None
    problem: str = ""


def evaluate(gate: Gate, measured: Measured, base: ModelItem, champion: Champion | None) -> Json:
    """Compare a candidate with its gate, a simple guess, the base model's minimums and the current version.

    Whatever the gate, the main metric has to be better than the best simple guess. An override lets a
    candidate pass that falls short. Metrics that are none cannot be overridden: those of
    a run without held-out data, a main metric that was not measured, values that are no numbers.

    Args:
        gate: What the caller asks for.
        measured: The candidate.
        base: Its base model; `fair:metrics_spec` says which metrics there are, the first being the main one,
            and may set a `minimum` for each.
        champion: The version that would be replaced, if there is one and the gate compares with it.

    Returns:
        `fair:gate`: what was asked for, what was compared, and what was overridden for which reason.

    Raises:
        Invalid: The gate names a metric that the model does not have, or one where lower is better.
        GateFailed: Lists every metric that falls short: its value, the bound, the margin.
    """
    spec = base.metrics_spec
    _check_names(gate, measured.subject, spec)
    bounds = _bounds(gate, spec)
    unreal = doubts(measured, base)
    short = [
        *_no_better_than_guessing(measured, spec[0]),
        *_below_minimum(bounds, measured),
        *_worse(gate, measured, spec[0], champion),
    ]
    if unreal and gate.override_reason:
        unreal.append("an override cannot take the place of a measurement")
    if unreal or (short and not gate.override_reason):
        raise GateFailed(measured.subject, [*unreal, *short])
    return _record(gate, measured, spec[0]["key"], champion, bounds, short)


def doubts(measured: Measured, base: ModelItem) -> list[str]:
    """Why a candidate's metrics are none, in sentences. Whatever the gate, it is not published with these."""
    spec = base.metrics_spec
    keys, main = [entry["key"] for entry in spec], spec[0]["key"]
    found = list(measured.doubts)
    if measured.held_out_count < 1:
        found.append(
            "it was not measured on held-out data; train on a dataset whose split keeps an area for "
            "evaluation (held_out_ratio)"
        )
    elif main in measured.metrics and measured.metrics[main] is None:
        found.append(
            f"its main metric {main} was not measured on the {measured.held_out_count} held-out samples"
        )
    found += [
        f"{key} was not measured: its metrics lack what fair:metrics_spec names; its evaluate must give each "
        "metric, None where nothing could be measured"
        for key in keys
        if key not in measured.metrics
    ]
    for key, value in measured.metrics.items():
        if value is not None and _number(value) is None:
            found.append(f"{key} is {value}, which is no finite number and was not measured; train it again")
        if not _METRIC.fullmatch(key) or key in FIELDS:
            found.append(f"{key} is no name for a metric; let its evaluate name it fair:<letters, digits, _>")
    return found


def _check_names(gate: Gate, subject: str, spec: Sequence[Json]) -> None:
    higher = [entry["key"] for entry in spec if entry.get("higher_is_better", True)]
    for key in gate.minimum:
        if key not in higher:
            raise Invalid(
                f"The gate of {subject} asks for a minimum of {key}, which is no metric of its model where "
                f"higher is better. Choose among: {', '.join(higher)}."
            )


def _bounds(gate: Gate, spec: Sequence[Json]) -> dict[str, float]:
    """Least values: the base model's own, raised by the gate's."""
    bounds = {entry["key"]: float(entry["minimum"]) for entry in spec if "minimum" in entry}
    for key, asked in gate.minimum.items():
        bounds[key] = max(asked, bounds.get(key, asked))
    return bounds


def _no_better_than_guessing(measured: Measured, main: Json) -> Iterator[str]:
    doubt = guesses.doubt(main, measured.metrics.get(main["key"]), measured.guess_value, measured.guess)
    if doubt:
        yield f"{doubt}; {NEXT}, or publish it with an override reason"


def _below_minimum(bounds: Mapping[str, float], measured: Measured) -> Iterator[str]:
    for key, least in bounds.items():
        value = _number(measured.metrics.get(key))
        if value is None:
            yield f"{key} was not measured, at least {least:g} is needed"
        elif not value >= least:
            yield f"{key} is {compared(value)}, {shown(least - value, 2)} below the minimum of {least:g}"


def _worse(gate: Gate, measured: Measured, main: Json, champion: Champion | None) -> Iterator[str]:
    if gate.not_worse_by is None or champion is None:
        return
    key, ours, theirs = main["key"], _number(measured.metrics.get(main["key"])), _number(champion.value)
    if theirs is None:
        why = champion.problem or f"the current {champion.id} has no value"
        yield f"{key} cannot be compared: {why}; gate by a minimum, or override with a reason"
    elif ours is not None:
        loss = theirs - ours if main.get("higher_is_better", True) else ours - theirs
        if not loss <= gate.not_worse_by + _ROUNDING:
            yield (
                f"{key} is {compared(ours)}, {shown(loss, 2)} worse than {compared(theirs)} of the current "
                f"{champion.id} on the same held-out chips of {measured.dataset_id}; at most "
                f"{gate.not_worse_by:g} is allowed"
            )


def _record(
    gate: Gate,
    measured: Measured,
    main: str,
    champion: Champion | None,
    bounds: Mapping[str, float],
    short: Sequence[str],
) -> Json:
    record: Json = {
        "passed": not short,
        "reasons": list(short),
        "override_reason": gate.override_reason if short else None,
        "minimum": dict(bounds),
        "metric": main,
        "challenger_value": measured.metrics[main],
        "measured_on": measured.dataset_id,
        "held_out_count": measured.held_out_count,
        "not_worse_by": gate.not_worse_by,
    }
    if champion is not None:
        record["champion"] = champion.id
        record["champion_value"] = champion.value
        record["measured"] = champion.measured
        record["seen_by_champion"] = champion.seen
    return {key: value for key, value in record.items() if value is not None}


def _number(value: object) -> float | None:
    """A finite number, or None: what is not a number was not measured."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None
