"""Predict over imagery."""

from __future__ import annotations

from fair_models.outcomes import Prediction
from fair_models.params import PredictParams
from flows.artifacts import write_result
from flows.definition import flow
from flows.tasks import predict_over


@flow(run_name="predict with {params.subject}")
def predict(params: PredictParams) -> Prediction:
    """Find what a registered model finds, over a folder of chips or a georeferenced image."""
    return write_result(predict_over(params))
