"""The typed result of a run, and the addresses of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fair_models.client.runs import FlowRun
from fair_models.errors import Invalid
from fair_models.outcomes import OUTCOMES, Outcome
from fair_models.types import Json


@dataclass(frozen=True)
class Results:
    """The result of one run.

    run: The run.
    outcome: Its row, e.g. a `Prediction`. Columns that only a newer server has are left out.
    files: Address of each file, by the row's column: {"vectors": "/srv/…/predictions.geojson", …}. Addresses
        are as the worker has them: a path, s3:// or https://. The store makes links of them that are
        valid for some time without a login.
    """

    run: FlowRun
    outcome: Outcome
    files: Mapping[str, str]


def read_results(run: FlowRun, row: Json) -> Results:
    """The results of a run from the row that it wrote.

    Raises:
        Invalid: It is no run of one of our flows.
    """
    kind = OUTCOMES.get(run.flow)
    if kind is None:
        raise Invalid(f"Run {run.name} is of {run.flow}, which is none of {', '.join(OUTCOMES)}")
    outcome = kind.model_validate({name: row[name] for name in row if name in kind.model_fields})
    written = {} if row.get("dry_run") else {name: row.get(name) for name in kind.files}
    return Results(run, outcome, {name: href for name, href in written.items() if href})
