"""Runs one training in this process, as a ZenML pipeline run."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from fair_models.contract.code import loader
from fair_models.errors import FairModelsError, TrainingFailed, reason_of
from fair_models.ml_tasks.results import Report
from fair_models.settings import Settings, current
from fair_models.store.opening import open_store
from fair_models.training.config.run_config import RunConfig
from fair_models.training.ledger import Ledger, ModelVersion, open_ledger
from fair_models.training.mlflow_tracking import MlflowRun, Outcome
from fair_models.training.process import full_disk, stack
from fair_models.training.process.environment import LOGGER_NAME, zenml_client
from fair_models.training.process.epoch_progress import reporting_to
from fair_models.training.process.termination import asking, ending_on_request

logger = logging.getLogger(LOGGER_NAME)


def run(
    config: RunConfig,
    report: Report | None = None,
    above: int = 0,
    cancelled: Callable[[], bool] | None = None,
) -> ModelVersion:
    """Train: run the pipeline that the config's entrypoint asks for, and say which version came out.

    Args:
        config: All that the training depends on.
        report: Called after each epoch. What it raises ends the training.
        above: The version gets a larger number than this: the largest that was ever published.
        cancelled: Asked when the training is interrupted: whether somebody cancelled it. Default: so it is.

    Returns:
        The version, its run completed.

    Raises:
        FairModelsError: What a step found wrong, unchanged; nothing can be promoted from the run.
        TrainingCancelled: What `report` raised because the run was cancelled.
        TrainingFailed: A step failed for another reason.
    """
    settings = current()
    client = zenml_client(settings)
    stack.arrange(client, settings)
    pipeline = _pipeline(config, settings)
    name = f"{config.model_name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
    with ending_on_request(), asking(cancelled):
        open_ledger(settings).reserve(config.model_name, above)
        try:
            with reporting_to(report):
                _start(pipeline, config, name)
        except BaseException as error:
            _end_at_once(client, settings, name, error)
            if isinstance(error, FairModelsError) or not isinstance(error, Exception):
                raise
            full = full_disk.told(error, settings)
            if full is not None:
                raise TrainingFailed(
                    f"Training {config.model_name} ended: {full}. Make room there, then start it again"
                ) from error
            raise TrainingFailed(
                f"Training {config.model_name} from {config.base_model} on {config.dataset} failed: "
                f"{type(error).__name__}: {reason_of(error)}. The run {name} has the whole log."
            ) from error
        return _completed(client, settings, name, config.tags)


def _pipeline(config: RunConfig, settings: Settings) -> Any:
    """The library's pipeline, or the one that the entrypoint names after a colon."""
    if ":" not in config.code.entrypoint:
        from fair_models.training.pipeline import training_pipeline

        return training_pipeline
    code = config.code
    archive = open_store(settings).fetch(code.archive.href, code.archive.checksum)
    return loader.load_attribute(archive, code.archive.checksum, code.entrypoint)


def _start(pipeline: Any, config: RunConfig, name: str) -> None:
    from zenml import Model

    with_options = pipeline.with_options(
        run_name=name,
        model=Model(name=config.model_name),
        enable_cache=False,
        execution_mode="fail_fast",
    )
    with_options(config=config.model_dump(mode="json"))


def _end_at_once(client: Any, settings: Settings, name: str, error: BaseException) -> None:
    """Leave no run open. Where a full disk keeps even that from being noted, the first error is told."""
    try:
        _end(client, settings, name, error)
    except Exception as second:
        if full_disk.told(second, settings) is None:
            raise
        logger.warning("The run %s could not be closed: %s", name, second)


def _end(client: Any, settings: Settings, name: str, error: BaseException) -> None:
    """Leave no run open: neither in ZenML nor in MLflow."""
    from fair_models.training.tracking import outcome_of, was_cancelled

    run = _find(client, name)
    if run is None:  # it failed before ZenML knew of it
        return
    _end_mlflow(run, settings, outcome_of(error))
    ledger = open_ledger(settings)
    if was_cancelled(error):
        ledger.mark_cancelled(str(run.id))
    else:
        ledger.mark_failed(str(run.id))


def _completed(client: Any, settings: Settings, name: str, tags: Sequence[str]) -> ModelVersion:
    run = _find(client, name)
    if run is None or run.model_version is None:
        raise TrainingFailed(f"ZenML has no version for the run {name}. Train it again.")
    _end_mlflow(run, settings, "FINISHED")
    if tags:
        version = run.model_version
        client.update_model_version(version.model.id, version.id, add_tags=list(tags))
    ledger: Ledger = open_ledger(settings)
    return ledger.get(run.model_version.model.name, run.model_version.number)


def _end_mlflow(run: Any, settings: Settings, outcome: Outcome) -> None:
    from fair_models.training.tracking import MLFLOW_RUN_ID

    MlflowRun(settings, run.run_metadata.get(MLFLOW_RUN_ID) or None).end(outcome)


def _find(client: Any, name: str) -> Any | None:
    found = client.list_pipeline_runs(name=name, hydrate=True, include_full_metadata=True).items
    return found[0] if found else None
