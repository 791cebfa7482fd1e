"""Measure versions side by side."""

from __future__ import annotations

from fair_models.outcomes import Comparison
from fair_models.params import CompareParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.tasks.comparison import compare_versions


@flow(run_name="compare {params.summary}")
def compare(params: CompareParams) -> Comparison:
    """Measure versions on the same held-out chips: metrics, intervals, curves, and where they differ most."""
    return write_result(compare_versions(params))
