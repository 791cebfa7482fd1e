"""The ledger over ZenML's models and model versions."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fair_models.catalog.items.agreement import from_json
from fair_models.catalog.items.pins import Pin
from fair_models.catalog.items.pins import read as read_pin
from fair_models.errors import Conflict, NotFound
from fair_models.settings import Settings
from fair_models.training.config.run_config import RunConfig
from fair_models.training.ledger.protocol import Artifact, ModelVersion, Stage, Status
from fair_models.training.mlflow_tracking import MlflowRun
from fair_models.training.process.environment import LOGGER_NAME, zenml_client
from fair_models.training.tracking import (
    AGREEMENT,
    CALIBRATED,
    EVALUATION,
    EXTRAS,
    HYPERPARAMETERS,
    MLFLOW_RUN_ID,
    NOTES,
    SECONDS,
    SOFTWARE,
)

FILES: Mapping[Artifact, str] = {
    "weights": "model.safetensors",
    "onnx": "model.onnx",
    "onnx_int8": "model-int8.onnx",
    "extras": "extras.zip",
}

_PINNED = "fair-pinned"
"""Tag of a version that is pinned, and the metadata that say why."""

_ENDED, _CANCELLED = "ended", "cancelled"
"""Metadata of a run that somebody cancelled: ZenML may have called it failed before that was known."""

_STOPPED = frozenset({"stopped", "cancelled"})
"""What ZenML calls a run that somebody ended."""

_RESERVED = "number-in-use-"
"""How versions are called that only keep the numbers of deleted ones from being used again."""

logger = logging.getLogger(LOGGER_NAME)


class ZenmlLedger:
    """The ledger of one home.

    A version's run is the one that made it; runs that were attached to it later do not count, neither for its
    status nor for its metrics and files.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = zenml_client(settings)

    def models(self) -> list[str]:
        """Names of all models that have a version, in alphabetical order."""
        return sorted(model.name for model in self._all(self._client.list_models) if self._versions_of(model))

    def versions(self, model: str) -> list[ModelVersion]:
        """All versions of a model, oldest first."""
        found = self._model(model)
        runs = self._runs(model=found.id)
        pins = self._pins(model=found.id)
        return [_version(model, one, runs.get(one.id), pins.get(one.id)) for one in self._versions_of(found)]

    def get(self, model: str, number: int) -> ModelVersion:
        """One version."""
        version = self._zenml_version(model, number)
        return _version(model, version, self._run_of(version), self._pins(id=version.id).get(version.id))

    def config(self, model: str, number: int) -> RunConfig:
        """The run config of a version: the parameter that its run was started with."""
        parameters = self._run(model, number).config.parameters or {}
        if "config" not in parameters:
            raise NotFound(f"The run of {model}-v{number} was started without a run config. Train it again.")
        return RunConfig.model_validate(parameters["config"])

    def curves(self, model: str, number: int) -> Sequence[Mapping[str, float]]:
        """Metrics of each epoch in order."""
        curves: list[dict[str, float]] = self._output(model, number, "curves").load()
        return curves

    def fetch(self, model: str, number: int, artifact: Artifact, folder: Path) -> Path:
        """Copy a file of a version into `folder`."""
        content: bytes = self._output(model, number, artifact).load()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / FILES[artifact]
        path.write_bytes(content)
        return path

    def set_stage(self, model: str, number: int, stage: Stage) -> None:
        """Set what a version is used for."""
        version = self._zenml_version(model, number)
        status = _status(self._run_of(version))
        if stage == "production" and status != "completed":
            raise Conflict(
                f"{model}-v{number} cannot go to production: its run is {status}. "
                "Choose a version whose run completed."
            )
        self._client.update_model_version(version.model.id, version.id, stage=stage, force=True)

    def set_pin(self, model: str, number: int, pin: Pin | None) -> None:
        """Pin a version, or take its pin off. The tag counts, so that people can set it in ZenML too."""
        from zenml.enums import MetadataResourceTypes
        from zenml.models import RunMetadataResource

        version = self._zenml_version(model, number)
        if pin is None:
            self._client.update_model_version(version.model.id, version.id, remove_tags=[_PINNED])
            return
        resource = RunMetadataResource(id=version.id, type=MetadataResourceTypes.MODEL_VERSION)
        self._client.create_run_metadata({_PINNED: pin.to_json()}, [resource])
        self._client.update_model_version(version.model.id, version.id, add_tags=[_PINNED])

    def delete(self, model: str, number: int, *, with_run: bool = False) -> None:
        """Take a version away. Its run, with its steps and artifacts, stays in ZenML unless it goes too.

        The run goes first: interrupted between the two, the version is one without a run, and is found again.
        """
        for found in self._all(self._client.list_models, name=model):
            for version in self._versions_of(found):
                if version.number == number:
                    if with_run:
                        self._delete_run(self._run_of(version))
                    self._client.delete_model_version(version.id)

    def delete_model(self, model: str) -> None:
        """Take a model and all its versions away."""
        for found in self._all(self._client.list_models, name=model):
            self._client.delete_model(found.id)

    def reserve(self, model: str, up_to: int) -> None:
        """See to it that the next version gets a larger number.

        ZenML numbers by the largest version that there is, so a version that nobody sees holds the place.
        """
        found = self._all(self._client.list_models, name=model)
        versions = self._all_versions_of(found[0]) if found else []
        highest = max((version.number for version in versions), default=0)
        if highest < up_to:
            known = found[0] if found else self._client.create_model(model)
            for number in range(highest + 1, up_to + 1):
                self._client.create_model_version(known.id, name=f"{_RESERVED}{number}")
            versions = self._all_versions_of(known)
        for version in versions:  # those that were interrupted between the two left some
            if version.name.startswith(_RESERVED) and version.number < up_to:
                self._client.delete_model_version(version.id)

    def mark_failed(self, run_id: str) -> None:
        """Record that an unfinished run is dead, in MLflow too."""
        from zenml.enums import ExecutionStatus

        run = self._run_by_id(run_id)
        if not run.status.is_finished:
            self._close(run, ExecutionStatus.FAILED, ExecutionStatus.FAILED)
            logger.warning("marked run %s (%s) as failed", run.name, run.id)

    def mark_cancelled(self, run_id: str) -> None:
        """Record that a run was cancelled, in MLflow too. ZenML calls it stopped, or failed as before."""
        from zenml.enums import ExecutionStatus, MetadataResourceTypes
        from zenml.models import RunMetadataResource

        run = self._run_by_id(run_id)
        if run.status.is_successful:
            return
        if not run.status.is_finished:
            self._close(run, ExecutionStatus.STOPPED, ExecutionStatus.STOPPING)
        resource = RunMetadataResource(id=run.id, type=MetadataResourceTypes.PIPELINE_RUN)
        self._client.create_run_metadata({_ENDED: _CANCELLED}, [resource])
        logger.warning("marked run %s (%s) as cancelled", run.name, run.id)

    def _close(self, run: Any, of_steps: Any, of_run: Any) -> None:
        """End an unfinished run. A static run's status follows its steps: its own alone leaves it unfinished.

        Args:
            run: ZenML's run.
            of_steps: Status of its unfinished steps.
            of_run: Status of the run where it died between two steps.
        """
        from zenml.models import PipelineRunUpdate, StepRunUpdate

        for step in self._all(self._client.list_run_steps, pipeline_run_id=run.id):
            if not step.status.is_finished:
                self._client.zen_store.update_run_step(
                    step.id, StepRunUpdate(status=of_steps, end_time=datetime.now(UTC))
                )
        if not self._run_by_id(str(run.id)).status.is_finished:
            self._client.zen_store.update_run(run.id, PipelineRunUpdate(status=of_run))
        MlflowRun(self._settings, run.run_metadata.get(MLFLOW_RUN_ID) or None).end("KILLED")

    def _delete_run(self, run: Any | None) -> None:
        """Delete a run with its artifacts, their files, and its run in MLflow."""
        if run is None:
            return
        artifacts = self._all(self._client.list_artifact_versions, pipeline_run=run.id)
        mlflow_run = run.run_metadata.get(MLFLOW_RUN_ID) or None
        self._client.delete_pipeline_run(run.id)
        for artifact in artifacts:
            self._client.delete_artifact_version(str(artifact.id), delete_from_artifact_store=True)
        MlflowRun(self._settings, mlflow_run).delete()

    def _pins(self, **filters: Any) -> dict[Any, Pin]:
        """The pins of versions, by the version's id."""
        found = self._all(self._client.list_model_versions, tags=[_PINNED], hydrate=True, **filters)
        return {each.id: read_pin(each.run_metadata.get(_PINNED)) for each in found}

    def _all(self, method: Any, **filters: Any) -> list[Any]:
        from zenml.utils.pagination_utils import depaginate

        return list(depaginate(method, size=100, **filters))

    def _model(self, name: str) -> Any:
        found = self._all(self._client.list_models, name=name)
        if found:
            return found[0]
        near = difflib.get_close_matches(name, self.models())
        hint = f"Nearest: {', '.join(near)}." if near else "Train one with: fair-models finetune."
        raise NotFound(f"There is no fine-tuned model {name}. {hint}")

    def _versions_of(self, model: Any) -> list[Any]:
        return [each for each in self._all_versions_of(model) if not each.name.startswith(_RESERVED)]

    def _all_versions_of(self, model: Any) -> list[Any]:
        return self._all(self._client.list_model_versions, model=model.id, sort_by="asc:number")

    def _zenml_version(self, model: str, number: int) -> Any:
        versions = self._versions_of(self._model(model))
        for version in versions:
            if version.number == number:
                return version
        numbers = ", ".join(str(version.number) for version in versions) or "none"
        raise NotFound(f"Model {model} has no version {number}. Its versions: {numbers}.")

    def _runs(self, **filters: Any) -> dict[Any, Any]:
        """The run that made each version, by the version's id."""
        runs = self._all(
            self._client.list_pipeline_runs,
            sort_by="desc:created",
            hydrate=True,
            include_full_metadata=True,
            **filters,
        )
        # Newest first: the oldest run of a version is the last that is put in.
        return {run.model_version.id: run for run in runs if run.model_version is not None}

    def _run_of(self, version: Any) -> Any | None:
        return self._runs(model_version_id=version.id).get(version.id)

    def _run(self, model: str, number: int) -> Any:
        run = self._run_of(self._zenml_version(model, number))
        if run is None:
            raise NotFound(f"No run is known that made {model}-v{number}. Train another version.")
        return run

    def _run_by_id(self, run_id: str) -> Any:
        try:
            return self._client.get_pipeline_run(
                run_id, allow_name_prefix_match=False, include_full_metadata=True
            )
        except KeyError as error:
            raise NotFound(f"There is no training run {run_id}. List them with: fair-models runs.") from error

    def _output(self, model: str, number: int, name: str) -> Any:
        for step in self._run(model, number).steps.values():
            if name in step.outputs:
                return step.outputs[name][0]
        raise NotFound(
            f"The run of {model}-v{number} left no {name}: it did not get that far. Train it again."
        )


def _version(model: str, version: Any, run: Any | None, pin: Pin | None) -> ModelVersion:
    noted = dict(run.run_metadata) if run is not None else {}
    evaluation = noted.get(EVALUATION) or {}
    return ModelVersion(
        model=model,
        number=version.number,
        stage=version.stage or "none",
        status=_status(run),
        run_id=str(run.id) if run is not None else None,
        mlflow_run_id=noted.get(MLFLOW_RUN_ID) or None,
        created=version.created.replace(tzinfo=UTC),
        metrics=evaluation.get("metrics", {}),
        baseline=evaluation.get("baseline", {}),
        baseline_name=evaluation.get("baseline_name", ""),
        baseline_names=evaluation.get("baseline_names", {}),
        seconds=noted.get(SECONDS),
        held_out_count=evaluation.get("held_out_count", 0),
        hyperparameters={**noted.get(HYPERPARAMETERS, {}), **noted.get(CALIBRATED, {})},
        software=noted.get(SOFTWARE, {}),
        intervals={key: ends and tuple(ends) for key, ends in evaluation.get("intervals", {}).items()},
        classes=evaluation.get("classes", []),
        confusion=evaluation.get("confusion", {}),
        ceiling=evaluation.get("ceiling", {}),
        pin=pin,
        agreement=from_json(noted[AGREEMENT]) if AGREEMENT in noted else None,
        extras=tuple(noted.get(EXTRAS) or ()),
        notes=tuple(noted.get(NOTES) or ()),
    )


def _status(run: Any | None) -> Status:
    if run is None:
        return "missing"
    if run.status.is_successful:
        return "completed"
    if not run.status.is_finished:
        return "running"
    stopped = run.status.value in _STOPPED or dict(run.run_metadata).get(_ENDED) == _CANCELLED
    return "cancelled" if stopped else "failed"
