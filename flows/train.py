"""Train from a run config."""

from __future__ import annotations

from fair_models.outcomes import TrainedVersion
from fair_models.training.config.run_config import RunConfig
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.runtime.hooks import close_training
from flows.runtime.limits import one_training_of
from flows.tasks.registry import close_dead_trainings, train_model


@flow(run_name="train {params.model_name}", ended_early=close_training)
def train(params: RunConfig) -> TrainedVersion:
    """Run one training from its run config. The run config of a version repeats its run."""
    with one_training_of(params.model_name):
        close_dead_trainings(params.model_name)
        return write_result(train_model(params))
