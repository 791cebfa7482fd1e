"""Which deployment a request is for."""

from __future__ import annotations

from types import MappingProxyType

from pydantic import BaseModel

from fair_models.errors import Invalid
from fair_models.params import (
    AuditParams,
    CleanRunsParams,
    CollectFeedbackParams,
    CompareParams,
    FinetuneParams,
    IngestDatasetParams,
    PinParams,
    PredictParams,
    PromoteParams,
    RegisterModelParams,
    RepeatParams,
    RetireParams,
    SearchParams,
    SliceDatasetParams,
)

Request = (
    RegisterModelParams
    | IngestDatasetParams
    | FinetuneParams
    | PromoteParams
    | RetireParams
    | SliceDatasetParams
    | CompareParams
    | SearchParams
    | PinParams
    | CleanRunsParams
    | CollectFeedbackParams
    | PredictParams
    | RepeatParams
    | AuditParams
)
"""Something that can be asked for."""

DEPLOYMENTS = MappingProxyType(
    {
        RegisterModelParams: "register-model",
        IngestDatasetParams: "ingest-dataset",
        FinetuneParams: "finetune",
        PromoteParams: "promote",
        RetireParams: "retire",
        SliceDatasetParams: "slice-dataset",
        CompareParams: "compare",
        SearchParams: "search",
        PinParams: "pin",
        CleanRunsParams: "clean-runs",
        CollectFeedbackParams: "collect-feedback",
        PredictParams: "predict",
        RepeatParams: "repeat-prediction",
        AuditParams: "audit",
    }
)
"""The deployment that takes these parameters. `train` and `predict-shards` are asked for by other runs."""


def deployment_of(params: BaseModel) -> str:
    """Name of the deployment that takes these parameters. Raises Invalid."""
    for kind, name in DEPLOYMENTS.items():
        if type(params) is kind:
            return name
    raise Invalid(
        f"{type(params).__name__} can be no request by itself. Name its deployment: start('train', params)"
    )
