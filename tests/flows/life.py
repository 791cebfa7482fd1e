"""A model's life from registration to deletion, asked for as a backend does: the same at every place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from fair_models.client import Client, FlowRun
from fair_models.outcomes import AuditSummary, Prediction, PromotedVersion, RetiredVersions, TrainedVersion
from fair_models.params import (
    AuditParams,
    FinetuneParams,
    Gate,
    IngestDatasetParams,
    PredictParams,
    PromoteParams,
    RegisterModelParams,
    RetireParams,
)
from tests.publishing.tiny_contribution import UNTRAINED


def published(client: Client, contribution: Path, chips: Path, model: str) -> PromotedVersion:
    """Register and ingest side by side, finetune, promote."""
    dataset = IngestDatasetParams(name="hamlet", title="Hamlet", chips=str(chips))
    first = client.submit(
        RegisterModelParams(source=str(contribution)), idempotency_key=f"register-{contribution.name}"
    )
    second = client.submit(dataset, idempotency_key="ingest-hamlet")
    base, data = (_outcome(client, run) for run in (first, second))
    few = {"training.epochs": 1, "training.precision": "float32"}
    wish = FinetuneParams(base_model=base.item, dataset=data.item, model_name=model, overrides=few)
    trained = cast(TrainedVersion, done(client, wish))
    assert trained.version == 1
    gate = Gate(minimum={"fair:building_iou": 0.0}, override_reason=UNTRAINED)
    promoted = cast(PromotedVersion, done(client, PromoteParams(model=model, gate=gate)))
    assert (promoted.item, promoted.replaced) == (f"{model}-v1", None)
    return promoted


def predicted(client: Client, model: str, imagery: str, sub_runs: int = 1) -> Prediction:
    """Predict, then audit."""
    found = cast(Prediction, done(client, PredictParams(model=model, imagery=imagery, sub_runs=sub_runs)))
    assert found.model == f"{model}-v1"
    audited = cast(AuditSummary, done(client, AuditParams(digests=True)))
    assert (audited.ok, audited.errors, audited.warnings) == (True, 0, 0)
    return found


def retired(client: Client, model: str) -> None:
    """Delete it for good."""
    gone = cast(RetiredVersions, done(client, RetireParams(name=model, action="delete")))
    assert gone.items == f"{model}-v1"


def done(client: Client, params: BaseModel) -> BaseModel:
    """Ask for a run, wait until it has completed, read its result."""
    outcome: BaseModel = _outcome(client, client.submit(params))
    return outcome


def _outcome(client: Client, started: FlowRun) -> Any:
    run = client.wait(started.id, timeout_s=300, poll_s=0.3)
    assert run.state.status == "completed", run.state.message
    return client.results(run.id).outcome
