"""Predict over imagery."""

from __future__ import annotations

from fair_models.outcomes import Prediction
from fair_models.params import PredictParams
from flows.artifacts import write_result
from flows.definition import flow
from flows.hooks import cancel_children
from flows.predicting import open_prediction, share_out, write_prediction
from flows.shards import AT_ONCE


@flow(run_name="predict with {params.model}", ended_early=cancel_children, at_once=AT_ONCE)
def predict(params: PredictParams) -> Prediction:
    """Find what a registered model finds, over a folder of chips, an image or a service of tiles."""
    with open_prediction(params) as work:
        making = share_out(work)
        return write_result(write_prediction(work, making))
