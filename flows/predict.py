"""Predict over imagery."""

from __future__ import annotations

from fair_models.outcomes import Prediction
from fair_models.params import PredictParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.runtime.hooks import cancel_children
from flows.runtime.shards import AT_ONCE
from flows.tasks.prediction import open_prediction, start_shards, write_prediction


@flow(run_name="predict with {params.model}", ended_early=cancel_children, at_once=AT_ONCE)
def predict(params: PredictParams) -> Prediction:
    """Find what a registered model finds, over a folder of chips, an image or a service of tiles."""
    with open_prediction(params) as work:
        pending = start_shards(work)
        return write_result(write_prediction(work, pending))
