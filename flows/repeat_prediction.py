"""Make a prediction once more."""

from __future__ import annotations

from fair_models.outcomes import Prediction
from fair_models.params import RepeatParams
from flows.artifacts import write_result
from flows.definition import flow
from flows.hooks import cancel_children
from flows.predicting import open_repetition, share_out, write_prediction
from flows.shards import AT_ONCE


@flow(run_name="repeat {params.prediction}", ended_early=cancel_children, at_once=AT_ONCE)
def repeat_prediction(params: RepeatParams) -> Prediction:
    """Predict what a prediction predicted, and compare the files byte for byte."""
    with open_repetition(params) as work:
        making = share_out(work)
        return write_result(write_prediction(work, making))
