"""What a run says about itself: to ZenML, to MLflow, to the log, and to whoever waits for it.

A pipeline of a model's own uses the same, in each of its steps:

    with tracking.tracked(config) as run:
        ...
        run.epoch(Epoch(1, 20, {"loss": 0.4}))
        run.fitted(seconds=81.5, threads=2)
        run.evaluation(evaluation)

and returns its files as the step outputs `weights` and `onnx` (bytes). It may have `onnx_int8` too, with what
`run.agreement` was given; the library's own step `export_onnx` shows how both are made.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fair_models.catalog.items.agreement import Agreement
from fair_models.errors import TrainingCancelled
from fair_models.ml_tasks.results import Epoch, Evaluation
from fair_models.numbers import shown, with_interval
from fair_models.settings import current
from fair_models.training.config.run_config import RunConfig
from fair_models.training.mlflow_tracking import MlflowRun, Outcome
from fair_models.training.process import epoch_progress, software, termination
from fair_models.training.process.environment import LOGGER_NAME

MLFLOW_RUN_ID = "mlflow_run_id"
"""Empty where MLflow did not answer when the run began; it is then left alone until the end."""

EVALUATION = "evaluation"
AGREEMENT = "agreement"
CALIBRATED = "calibrated"
EXTRAS = "extras"
NOTES = "notes"
SECONDS = "training_seconds"
HYPERPARAMETERS = "hyperparameters"
SOFTWARE = "software"

logger = logging.getLogger(LOGGER_NAME)


@dataclass(frozen=True)
class TrackedRun:
    """The run that a step belongs to.

    run_id: ZenML's id.
    mlflow: The same run in MLflow.
    """

    run_id: Any
    mlflow: MlflowRun

    def note(self, facts: Mapping[str, Any]) -> None:
        """Log facts to ZenML: on the run, and on the model version that comes out."""
        from zenml import log_metadata

        log_metadata(dict(facts), run_id_name_or_prefix=self.run_id)
        log_metadata(dict(facts), infer_model=True)

    def epoch(self, epoch: Epoch) -> None:
        """Log one epoch. Cancelling may raise from here."""
        values = " ".join(f"{name} {shown(value)}" for name, value in epoch.values.items())
        logger.info("epoch %d/%d %s", epoch.number, epoch.total, values)
        self.mlflow.epoch(epoch)
        epoch_progress.tell(epoch)

    def fitted(self, seconds: float, threads: int) -> None:
        """Log that the training itself is over: its wall time in seconds, and the CPU threads it used."""
        logger.info("trained for %.1f s on %d threads", seconds, threads)
        self.note({SECONDS: seconds, "threads": threads})

    def calibrated(self, values: Mapping[str, float]) -> None:
        """Log inference parameters, by full key, that the training set itself."""
        if values:
            logger.info("chosen on the training side: %s", ", ".join(f"{k} {v:g}" for k, v in values.items()))
            self.note({CALIBRATED: dict(values)})
            self.mlflow.calibrated(values)

    def evaluation(self, evaluation: Evaluation) -> None:
        """Log held-out metrics, the baseline beside them, and the pictures."""
        for name, value in evaluation.metrics.items():
            logger.info(
                "held out %s %s (%s: %s)",
                name,
                with_interval(value, *(evaluation.intervals.get(name) or (None, None))),
                evaluation.baseline_names.get(name, evaluation.baseline_name),
                shown(evaluation.baseline.get(name)),
            )
        self.note({EVALUATION: evaluation_facts(evaluation)})
        self.mlflow.evaluation(evaluation)

    def extras(self, files: Sequence[str]) -> None:
        """Log the names of further files that the contribution made."""
        if files:
            self.note({EXTRAS: list(files)})

    def notes(self, sentences: Sequence[str]) -> None:
        """Log what else is to be known of the training; it is told in the result."""
        for sentence in sentences:
            logger.warning("%s", sentence)
        if sentences:
            self.note({NOTES: list(sentences)})

    def agreement(self, agreement: Agreement | None) -> None:
        """Log how well quicker ways to run the network agree with it. None: nothing was measured."""
        if agreement is not None:
            self.note({AGREEMENT: agreement.to_json()})


@contextmanager
def tracked(config: RunConfig) -> Iterator[TrackedRun]:
    """The tracked run of the ZenML step that this is called in. The first step of a run begins the tracking.

    An error or a cancellation within ends the run in MLflow and is raised again.
    """
    from zenml import get_step_context

    context = get_step_context()
    run_id = context.pipeline_run.id
    known = _metadata(run_id)
    run = TrackedRun(run_id, MlflowRun(current(), known.get(MLFLOW_RUN_ID) or None))
    if MLFLOW_RUN_ID not in known:
        _begin(run, config, context.model.number)
    try:
        yield run
    except BaseException as error:
        run.mlflow.end(outcome_of(error))
        if was_cancelled(error):
            _stop_step(context.step_run.id)
        raise


def was_cancelled(error: BaseException) -> bool:
    """Whether a run ended because somebody cancelled it: not by an error, nor because its machine went."""
    return isinstance(error, TrainingCancelled) or (
        outcome_of(error) == "KILLED" and termination.is_cancelled()
    )


def _stop_step(step_id: Any) -> None:
    """Have ZenML call a step stopped that is about to end by an exception, and its run too."""
    from zenml.client import Client
    from zenml.enums import ExecutionStatus
    from zenml.models import StepRunUpdate

    Client().zen_store.update_run_step(step_id, StepRunUpdate(status=ExecutionStatus.STOPPING))


def outcome_of(error: BaseException) -> Outcome:
    """Whether a run was cancelled (SIGTERM, Ctrl-C, Prefect) or failed."""
    from zenml.exceptions import RunInterruptedException, RunStoppedException

    cancelled = not isinstance(error, Exception) or isinstance(
        error, RunInterruptedException | RunStoppedException | TrainingCancelled
    )
    return "KILLED" if cancelled else "FAILED"


def evaluation_facts(evaluation: Evaluation) -> dict[str, Any]:
    """What is told of an evaluation as metadata, as JSON holds it: what does not grow with the samples."""
    return {
        "metrics": _plain(evaluation.metrics),
        "baseline": _plain(evaluation.baseline),
        "baseline_name": evaluation.baseline_name,
        "baseline_names": dict(evaluation.baseline_names),
        "held_out_count": evaluation.sample_count,
        "intervals": {key: ends and [*map(float, ends)] for key, ends in evaluation.intervals.items()},
        "classes": [dict(row) for row in evaluation.classes],
        "confusion": {truth: dict(row) for truth, row in evaluation.confusion.items()},
        "ceiling": _plain(evaluation.ceiling),
    }


def evaluation_details(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation without its pictures, as JSON holds it: the facts, the curves, and each sample."""
    return {
        **evaluation_facts(evaluation),
        "curves": {name: [list(point) for point in points] for name, points in evaluation.curves.items()},
        "samples": {name: _plain(values) for name, values in evaluation.samples.items()},
    }


def _begin(run: TrackedRun, config: RunConfig, number: int) -> None:
    version = f"{config.model_name}-v{number}"
    logger.info("training %s from %s on %s", version, config.base_model, config.dataset)
    run.mlflow.start(config, str(run.run_id), version)
    run.note(
        {
            MLFLOW_RUN_ID: run.mlflow.run_id or "",  # ZenML takes no None
            HYPERPARAMETERS: dict(config.hyperparameters),
            "base_model": config.base_model,
            "dataset": config.dataset,
            SOFTWARE: software.versions(),
        }
    )


def _metadata(run_id: Any) -> Mapping[str, Any]:
    from zenml.client import Client

    return dict(Client().get_pipeline_run(run_id, include_full_metadata=True).run_metadata)


def _plain(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else float(value) for name, value in values.items()}
