"""Parameters of the flows: one typed model for each.

A flow takes its model as its only parameter; the command line and the client build it. Rules that JSON Schema
has words for are part of the published schema, so that a wrong request is refused before a run is created.
"""

from fair_models.params.audit import AuditParams, MetricPattern, Threshold
from fair_models.params.data import (
    CollectFeedbackParams,
    CutChipsParams,
    IngestDatasetParams,
    SliceDatasetParams,
)
from fair_models.params.evaluation import CompareParams
from fair_models.params.fields import (
    AreaText,
    Destination,
    HyperparameterValue,
    Location,
    Params,
)
from fair_models.params.prediction import (
    Format,
    PredictParams,
    PredictShardsParams,
    RepeatParams,
)
from fair_models.params.publication import (
    CleanRunsParams,
    Gate,
    PinParams,
    PromoteParams,
    RegisterModelParams,
    RetireParams,
)
from fair_models.params.training import FinetuneParams, SearchMethod, SearchParams, SearchRange

__all__ = [
    "AreaText",
    "AuditParams",
    "CleanRunsParams",
    "CollectFeedbackParams",
    "CompareParams",
    "CutChipsParams",
    "Destination",
    "FinetuneParams",
    "Format",
    "Gate",
    "HyperparameterValue",
    "IngestDatasetParams",
    "Location",
    "MetricPattern",
    "Params",
    "PinParams",
    "PredictParams",
    "PredictShardsParams",
    "PromoteParams",
    "RegisterModelParams",
    "RepeatParams",
    "RetireParams",
    "SearchMethod",
    "SearchParams",
    "SearchRange",
    "SliceDatasetParams",
    "Threshold",
]
