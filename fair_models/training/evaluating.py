"""Measures a fitted network on what it has not learnt from. Needs torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fair_models.data.samples import Samples
from fair_models.errors import TrainingFailed
from fair_models.ml_tasks.results import Evaluation
from fair_models.training.fitting import repeatable, restore
from fair_models.training.model_code import ModelCode
from fair_models.training.run_config import RunConfig


def evaluate(config: RunConfig, code: ModelCode, state: bytes, held_out: Samples) -> Evaluation:
    """Measure the weights that `fit` left on held-out samples.

    Raises:
        TrainingFailed: A metric is no finite number, names each one; or more was measured than is held out.
    """
    with repeatable(config):
        network = restore(config, code, state)
        evaluation = code.pipeline.evaluate(network, held_out, code.processing, code.params)
    odd = _not_finite(evaluation.metrics) + _not_finite(evaluation.baseline)
    if odd:
        raise TrainingFailed(
            f"{config.base_model} measured no finite number for {', '.join(odd)}. "
            "Its evaluate must give None where nothing was measured."
        )
    if evaluation.sample_count > len(held_out):
        raise TrainingFailed(
            f"{config.base_model} says that it measured {evaluation.sample_count} samples where "
            f"{len(held_out)} are held out. Its evaluate must measure the samples that it is given."
        )
    return evaluation


def _not_finite(values: Mapping[str, float | None]) -> list[str]:
    return [key for key, value in values.items() if value is not None and not math.isfinite(value)]
