"""The requests, their deployments, and the names of their runs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

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
"""Parameters that start a run."""

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
"""The deployment of each. `train`, `predict-shards` and `cut-chips` are started by other runs."""


NAMED = "named"
"""Tag of a run that keeps the name that its caller gave. Others are named by their flow when they begin."""

RUN_NAMES = MappingProxyType(
    {
        "register-model": "register {source}",
        "ingest-dataset": "ingest {name}",
        "finetune": "fine-tune {model_name}",
        "train": "train {model_name}",
        "promote": "promote {model}",
        "retire": "{action} {name}",
        "slice-dataset": "slice {dataset} as {name}",
        "search": "search {model_name}",
        "pin": "pin {name}",
        "clean-runs": "clean runs",
        "collect-feedback": "feedback {dataset}",
        "predict": "predict with {model}",
        "repeat-prediction": "repeat {prediction}",
        "audit": "audit",
    }
)
"""Names of runs for people, from their creation on. The flows use the same names."""


def run_name(deployment: str, params: Mapping[str, Any]) -> str | None:
    """Name of a run. None: the server makes one up until the run begins."""
    template = RUN_NAMES.get(deployment)
    try:
        return None if template is None else template.format(**params)
    except (LookupError, AttributeError):  # a parameter that the name needs is left at its default
        return None


def deployment_of(params: BaseModel) -> str:
    """Name of the deployment that takes these parameters. Raises Invalid."""
    for kind, name in DEPLOYMENTS.items():
        if type(params) is kind:
            return name
    raise Invalid(f"{type(params).__name__} belongs to no deployment. Name one: start('train', params)")
