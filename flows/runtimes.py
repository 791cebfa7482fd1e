"""Sends a training to the runtime that the base model names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from fair_models.errors import Invalid, NotFound, TrainingFailed
from fair_models.outcomes import TrainedVersion
from fair_models.training.run_config import RunConfig

if TYPE_CHECKING:
    from pystac import Item

DEPLOYMENT = "train/train"
_POLL_S = 1


def run_train(base: Item, config: RunConfig) -> TrainedVersion:
    """Run the deployment `train` where the base model's training runtime is, and wait for its result.

    Raises:
        Invalid: The runtime is an image, and the deployment's work pool cannot start images.
        TrainingFailed: The run did not complete; says why.
    """
    from fair_models.catalog import assets

    image = assets.image(base, assets.TRAINING_RUNTIME)
    if image is not None:
        _require_images(base.id, image)
    run = cast(
        FlowRun,
        run_deployment(
            DEPLOYMENT,
            parameters={"params": config.model_dump(mode="json")},
            flow_run_name=f"train {config.model_name}",
            tags=[f"model:{config.model_name}"],
            job_variables={"image": image} if image else {},
            poll_interval=_POLL_S,
        ),
    )
    if run.state is None or not run.state.is_completed():
        raise TrainingFailed(_why(run, config.model_name))
    return _result(run)


def _require_images(base: str, image: str) -> None:
    """A pool that starts processes would ignore the image and train somewhere else."""
    with get_client(sync_client=True) as client:
        pool = client.read_work_pool(str(client.read_deployment_by_name(DEPLOYMENT).work_pool_name))
    variables = pool.base_job_template.get("variables", {}).get("properties", {})
    if "image" not in variables:
        raise Invalid(
            f"{base} is trained in the image {image}, and work pool {pool.name} ({pool.type}) starts none. "
            "Deploy `train` to a Docker or Kubernetes pool"
        )


def _why(run: FlowRun, model: str) -> str:
    state = run.state
    reason = (state.message or state.name) if state is not None else "it has no state"
    return f"Training {model} ended: {reason} (run {run.id} has its log)"


def _result(run: FlowRun) -> TrainedVersion:
    """The row that the child wrote; its return value is not kept anywhere."""
    with get_client(sync_client=True) as client:
        rows = _rows(client, run)
    if not rows:
        raise NotFound(f"Run {run.name} ({run.id}) completed without the artifact `result`")
    return TrainedVersion.model_validate(rows[0])


def _rows(client: SyncPrefectClient, run: FlowRun) -> list[dict[str, Any]]:
    wanted = ArtifactFilter.model_validate({"flow_run_id": {"any_": [run.id]}, "key": {"any_": ["result"]}})
    found = client.read_artifacts(artifact_filter=wanted)
    rows: list[dict[str, Any]] = json.loads(str(found[-1].data)) if found else []
    return rows
