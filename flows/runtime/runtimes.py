"""Sends work to the runtime that a model's item names, as a run of a deployment."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, FlowFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments import run_deployment

from fair_models import ownership, settings
from fair_models.client.requests import NAMED
from fair_models.client.runs import in_words
from fair_models.errors import NotFound, TrainingCancelled, TrainingFailed
from fair_models.outcomes import TrainedVersion
from fair_models.reports.artifacts import Table
from fair_models.training.config.run_config import RunConfig
from flows.runtime import resources

if TYPE_CHECKING:
    from pystac import Item

DEPLOYMENT = "train/train"
_POLL_S = 1.0


def submit(
    deployment: str,
    item: Item | None,
    role: str,
    parameters: Mapping[str, Any],
    name: str,
    tags: Iterable[str] = (),
    idempotency_key: str | None = None,
) -> FlowRun:
    """Start a run of a deployment in the runtime of a model or of predictions. Returns at once; `wait` waits.

    Within a flow it becomes a child, so that a cancelled flow can cancel it. It is for whom the flow works.

    Args:
        deployment: Flow and deployment, e.g. "train/train".
        item: The model that the run works with: its image, memory and accelerator become the job's. None
            where it works with none.
        role: Which of its runtimes: "mlm:training-runtime" or "mlm:inference-runtime".
        parameters: Parameters of the flow, as JSON.
        name: Name of the run, for people.
        tags: Tags of the run.
        idempotency_key: The same key starts one run only. Default: each call starts a run.

    Raises:
        Invalid: The model needs an image or a GPU that the work pool does not give.
        NotFound: There is no such deployment in the pool that the settings name.
    """
    current = settings.current()
    with get_client(sync_client=True) as client:
        target = _deployment_in(client, deployment, resources.defaults(current, role).pool)
        pool = client.read_work_pool(str(target.work_pool_name))
    variables = resources.job_variables(item, role, pool.name, pool.base_job_template, current)
    return cast(
        FlowRun,
        run_deployment(
            target.id,
            parameters=dict(parameters),
            flow_run_name=name,
            tags=[*tags, NAMED, *ownership.current().tags()],
            job_variables=variables,
            idempotency_key=idempotency_key,
            timeout=0,
        ),
    )


def wait(run_id: UUID, meanwhile: Callable[[], None] | None = None) -> FlowRun:
    """Wait until a run is over, however it ends. `meanwhile` is called after each poll."""
    with get_client(sync_client=True) as client:
        while True:
            run = client.read_flow_run(run_id)
            if run.state is not None and run.state.is_final():
                return run
            if meanwhile is not None:
                meanwhile()
            time.sleep(_POLL_S)


def run_train(
    base: Item,
    config: RunConfig,
    began: Callable[[FlowRun], None] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> TrainedVersion:
    """Run the deployment `train` where the base model's training runtime is, and wait for its result.

    Args:
        base: The model whose runtime it is.
        config: The training.
        began: Called with the started run.
        meanwhile: Called after each poll while it is running.

    Raises:
        Invalid: The runtime is an image, and the deployment's work pool cannot start images.
        TrainingCancelled: Somebody cancelled the run.
        TrainingFailed: The run did not complete; says why.
    """
    from fair_models.catalog.items import assets

    started = submit(
        DEPLOYMENT,
        base,
        assets.TRAINING_RUNTIME,
        {"params": config.model_dump(mode="json")},
        " ".join([f"train {config.model_name}", *(tag for tag in config.tags if tag.startswith("trial:"))]),
        [f"model:{config.model_name}", *config.tags],
    )
    if began is not None:
        began(started)
    run = wait(started.id, meanwhile)
    if run.state is not None and run.state.is_cancelled():
        raise TrainingCancelled(
            f"Training {config.model_name} was cancelled (run {run.id}); start it again to train it"
        )
    if run.state is None or not run.state.is_completed():
        raise TrainingFailed(_why(run, config.model_name))
    return _result(run)


def _deployment_in(client: SyncPrefectClient, deployment: str, pool: str | None) -> DeploymentResponse:
    """The deployment of this name, or the one of the same flow in another pool."""
    named = client.read_deployment_by_name(deployment)
    if pool is None or named.work_pool_name == pool:
        return named
    flow = FlowFilter.model_validate({"name": {"any_": [deployment.partition("/")[0]]}})
    found = [each for each in client.read_deployments(flow_filter=flow) if each.work_pool_name == pool]
    if len(found) != 1:
        many = ", ".join(sorted(each.name for each in found)) or "none"
        raise NotFound(
            f"The settings send {deployment} to work pool {pool}, and its deployments there are: {many}. "
            "Deploy it there, with `also_in` in the file of your place, or name another pool in the settings"
        )
    return found[0]


def _why(run: FlowRun, model: str) -> str:
    state = run.state
    reason = "it has no state" if state is None else state.message or state.name or state.type.value
    return f"Training {model} ended: {in_words(reason)} (run {run.id} has its log)"


def _result(run: FlowRun) -> TrainedVersion:
    """The row that the child wrote; its return value is not stored."""
    tables = tables_of(run, "result")
    if not tables:
        raise NotFound(f"Run {run.name} ({run.id}) completed without the artifact `result`")
    return TrainedVersion.model_validate(tables[0].rows[0])


def tables_of(run: FlowRun, *keys: str) -> list[Table]:
    """The tables that a run has written under some keys; the latest of each."""
    wanted = ArtifactFilter.model_validate({"flow_run_id": {"any_": [run.id]}, "key": {"any_": list(keys)}})
    with get_client(sync_client=True) as client:
        found = {each.key: each for each in client.read_artifacts(artifact_filter=wanted)}
    return [
        Table(key, json.loads(str(found[key].data)), found[key].description or "")
        for key in keys
        if key in found
    ]


def progress_of(run: FlowRun, key: str) -> tuple[float, str] | None:
    """Progress of a run in percent and in words; None if it has shown none yet."""
    wanted = ArtifactFilter.model_validate({"flow_run_id": {"any_": [run.id]}, "key": {"any_": [key]}})
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=wanted)
    if not found:
        return None
    return float(str(found[-1].data)), found[-1].description or ""
