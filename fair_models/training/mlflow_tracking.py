"""Curves and pictures for people, in MLflow. Losing them never loses a training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal

from filelock import FileLock

from fair_models.ml_tasks.results import Epoch, Evaluation
from fair_models.settings import Settings
from fair_models.training.config.run_config import RunConfig
from fair_models.training.process.environment import LOGGER_NAME, set_mlflow_variables

Outcome = Literal["FINISHED", "FAILED", "KILLED"]
"""How a run ended: KILLED where somebody cancelled it."""

logger = logging.getLogger(LOGGER_NAME)


class MlflowRun:
    """One run in MLflow. After the first failure it warns once and does nothing more.

    run_id: MLflow's id; None where the run could not be made.
    """

    def __init__(self, settings: Settings, run_id: str | None = None) -> None:
        self.run_id = run_id
        self._settings = settings
        self._client: Any = None
        self._answers = True

    def start(self, config: RunConfig, zenml_run_id: str, version: str) -> None:
        """Make the run in the experiment named after the model, with the parameters of the config.

        Args:
            config: What is trained.
            zenml_run_id: Id of ZenML's run, kept as a tag.
            version: What comes out, e.g. "banepa-roofs-v3"; becomes the run's name.
        """

        def action(client: Any) -> None:
            experiment = open_experiment(client, self._settings, config.model_name)
            run = client.create_run(experiment, tags={"zenml_run_id": zenml_run_id}, run_name=version)
            self.run_id = run.info.run_id
            for name, value in _parameters(config).items():
                client.log_param(self.run_id, name, value)
            client.log_text(self.run_id, config.to_zenml(), "run.yaml")

        self._attempt(action)

    def delete(self) -> None:
        """Take the run away. MLflow keeps it as deleted until `mlflow gc`."""
        if self.run_id is not None:
            self._attempt(lambda client: client.delete_run(self.run_id))

    def epoch(self, epoch: Epoch) -> None:
        """Add one point to each curve."""
        self._metrics(epoch.values, step=epoch.number)

    def calibrated(self, values: Mapping[str, float]) -> None:
        """Log inference parameters, by full key, that the training set itself."""

        def action(client: Any) -> None:
            for name, value in values.items():
                client.log_param(self.run_id, f"calibrated.{name}", value)

        self._attempt_on_run(action)

    def evaluation(self, evaluation: Evaluation) -> None:
        """Log held-out metrics with intervals, baseline and ceiling, tables, curves and pictures."""
        self._metrics(evaluation.metrics)
        for end, suffix in enumerate(("low", "high")):
            known = {key: ends[end] for key, ends in evaluation.intervals.items() if ends is not None}
            self._metrics({f"{key}_{suffix}": value for key, value in known.items()})
        self._metrics({f"baseline/{name}": value for name, value in evaluation.baseline.items()})
        self._metrics({f"ceiling/{name}": value for name, value in evaluation.ceiling.items()})

        def action(client: Any) -> None:
            for name, picture in evaluation.pictures.items():
                client.log_image(self.run_id, picture, artifact_file=f"pictures/{name}.png")
            for name, table in _tables(evaluation).items():
                client.log_dict(self.run_id, table, f"evaluation/{name}.json")

        self._attempt_on_run(action)

    def end(self, outcome: Outcome) -> None:
        """Say how the run ended, unless that was said before."""

        def action(client: Any) -> None:
            if client.get_run(self.run_id).info.status == "RUNNING":
                client.set_terminated(self.run_id, outcome)

        self._attempt_on_run(action)

    def _metrics(self, values: Mapping[str, float | None], step: int = 0) -> None:
        def action(client: Any) -> None:
            for name, value in values.items():
                if value is not None:
                    client.log_metric(self.run_id, name, float(value), step=step)

        self._attempt_on_run(action)

    def _attempt_on_run(self, action: Callable[[Any], None]) -> None:
        if self.run_id is not None:
            self._attempt(action)

    def _attempt(self, action: Callable[[Any], None]) -> None:
        """What MLflow, its database or the network say against it is a warning."""
        if not self._answers:
            return
        set_mlflow_variables()
        from alembic.util import CommandError
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._client = self._client or open_client(self._settings)
            action(self._client)
        except (MlflowException, SQLAlchemyError, CommandError, OSError) as error:
            self._answers = False
            logger.warning(
                "MLflow at %s does not take this run's curves; the training goes on without them: %s",
                self._settings.mlflow_uri,
                error,
            )


def open_client(settings: Settings) -> Any:
    """MLflow's client. Raises what its server or its database raises."""
    settings.mlflow_folder.mkdir(parents=True, exist_ok=True)
    from mlflow import MlflowClient

    # Two processes that set up one database at once would spoil it.
    with FileLock(settings.mlflow_folder / "opening.lock"):
        client = MlflowClient(tracking_uri=settings.mlflow_uri)
        client.search_experiments(max_results=1)
    return client


def open_experiment(client: Any, settings: Settings, name: str) -> str:
    """Id of the experiment of this name, which is made where there is none."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
    # Without a location MLflow uses ./mlruns of the working folder; a server knows a place of its own.
    local = settings.mlflow_uri.startswith("sqlite:")
    place = (settings.mlflow_folder / "artifacts" / name).as_uri() if local else None
    return str(client.create_experiment(name, artifact_location=place))


def _tables(evaluation: Evaluation) -> dict[str, Any]:
    """What is more than one number, by the name of its file."""
    return {
        "classes": [dict(row) for row in evaluation.classes],
        "confusion": {truth: dict(row) for truth, row in evaluation.confusion.items()},
        "curves": {name: [list(point) for point in points] for name, points in evaluation.curves.items()},
        "samples": {name: dict(values) for name, values in evaluation.samples.items()},
    }


def _parameters(config: RunConfig) -> dict[str, Any]:
    return {
        **config.hyperparameters,
        "seed": config.seed,
        "threads": config.threads,
        "base_model": config.base_model,
        "dataset": config.dataset,
    }
