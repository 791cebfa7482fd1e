"""Make a dataset of feedback on a prediction."""

from __future__ import annotations

from fair_models.outcomes import PublishedItem
from fair_models.params import CollectFeedbackParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.tasks.registry import collect_verdicts


@flow(run_name="feedback {params.dataset}")
def collect_feedback(params: CollectFeedbackParams) -> PublishedItem:
    """Publish accepted, rejected and corrected polygons of a prediction as the next version of a dataset."""
    return write_result(collect_verdicts(params))
