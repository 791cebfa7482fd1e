"""What a run must reach before it is published."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pystac import Item

from fair_models.errors import GateFailed, Invalid
from fair_models.params import Gate
from fair_models.types import Json


@dataclass(frozen=True)
class Measured:
    """A candidate's figures.

    subject: Who it is, e.g. "roofs-v3".
    metrics: Held-out values by key of `fair:metrics_spec`; None where nothing was measured.
    held_out_count: Number of held-out samples that they were measured on.
    dataset_id: Exact id of the dataset; items never change, so equal ids mean the same held-out chips.
    """

    subject: str
    metrics: Mapping[str, float | None]
    held_out_count: int
    dataset_id: str


def check(gate: Gate, measured: Measured, base: Item, current: Item | None) -> None:
    """Compare a candidate with its gate, the base model's minimums and the current version.

    Args:
        gate: What the caller asks for.
        measured: The candidate.
        base: Its base model; `fair:metrics_spec` says which metrics there are, the first being the main one,
            and may set a `minimum` for each.
        current: The version that would be replaced, if there is one.

    Raises:
        Invalid: The gate names a metric that the model does not have, or one where lower is better.
        GateFailed: Lists every metric that falls short: its value, the bound, the margin.
    """
    spec = base.properties["fair:metrics_spec"]
    _check_names(gate, measured.subject, spec)
    reasons = [*_unmeasured(measured, spec), *_below_minimum(gate, measured, spec)]
    if gate.not_worse_by is not None and current is not None:
        reasons += _worse(gate.not_worse_by, measured, spec[0], current)
    if reasons:
        raise GateFailed(measured.subject, reasons)


def _check_names(gate: Gate, subject: str, spec: Sequence[Json]) -> None:
    higher = [entry["key"] for entry in spec if entry.get("higher_is_better", True)]
    for key in gate.minimum:
        if key not in higher:
            raise Invalid(
                f"The gate of {subject} asks for a minimum of {key}, which is no metric of its model where "
                f"higher is better. Choose among: {', '.join(higher)}."
            )


def _unmeasured(measured: Measured, spec: Sequence[Json]) -> Iterator[str]:
    main = spec[0]["key"]
    if measured.held_out_count < 1:
        yield (
            "it was not measured on held-out data; train on a dataset whose split keeps an area for "
            "evaluation (held_out_ratio)"
        )
    elif _value(measured.metrics, main) is None:
        yield f"its main metric {main} was not measured on the {measured.held_out_count} held-out samples"


def _below_minimum(gate: Gate, measured: Measured, spec: Sequence[Json]) -> Iterator[str]:
    bounds = {entry["key"]: entry["minimum"] for entry in spec if "minimum" in entry}
    for key, asked in gate.minimum.items():
        bounds[key] = max(asked, bounds.get(key, asked))
    for key, least in bounds.items():
        value = _value(measured.metrics, key)
        if value is None:
            yield f"{key} was not measured, at least {least:g} is needed"
        elif not value >= least:
            yield f"{key} is {value:.4g}, {least - value:.2g} below the minimum of {least:g}"


def _worse(margin: float, measured: Measured, main: Json, current: Item) -> Iterator[str]:
    key = main["key"]
    ours, theirs = _value(measured.metrics, key), _value(current.properties, key)
    dataset_id = current.properties.get("fair:dataset_id")
    if dataset_id != measured.dataset_id:
        yield (
            f"{key} cannot be compared: {measured.subject} was measured on held-out chips of "
            f"{measured.dataset_id}, the current {current.id} on {dataset_id}; train on that, or gate "
            "by a minimum"
        )
    elif theirs is None:
        yield f"{key} cannot be compared: the current {current.id} has no value; gate by a minimum"
    elif ours is not None:
        loss = theirs - ours if main.get("higher_is_better", True) else ours - theirs
        if not loss <= margin + 1e-9:
            yield (
                f"{key} is {ours:.4g}, {loss:.2g} worse than {theirs:.4g} of the current {current.id} on the "
                f"same held-out chips; at most {margin:g} is allowed"
            )


def _value(values: Mapping[str, object], key: str) -> float | None:
    """A finite number, or None: what is not a number was not measured."""
    value = values.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None
