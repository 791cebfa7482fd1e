"""Repeat a prediction."""

from __future__ import annotations

from fair_models.outcomes import Prediction
from fair_models.params import RepeatParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.runtime.hooks import cancel_children
from flows.runtime.shards import AT_ONCE
from flows.tasks.prediction import open_repetition, start_shards, write_prediction


@flow(run_name="repeat {params.prediction}", ended_early=cancel_children, at_once=AT_ONCE)
def repeat_prediction(params: RepeatParams) -> Prediction:
    """Repeat a prediction, and compare the files byte for byte."""
    with open_repetition(params) as work:
        pending = start_shards(work)
        return write_result(write_prediction(work, pending))
