"""Delete old training runs."""

from __future__ import annotations

from fair_models.outcomes import CleanedRuns
from fair_models.params import CleanRunsParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.tasks.registry import clean_old_runs


@flow(run_name="clean runs")
def clean_runs(params: CleanRunsParams) -> CleanedRuns:
    """Delete old runs that are not published, pinned, running, or among the newest of their model."""
    return write_result(clean_old_runs(params))
