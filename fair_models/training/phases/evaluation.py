"""Measures a fitted network on what it has not learnt from. Needs torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from fair_models.data.samples import Samples
from fair_models.errors import TrainingFailed
from fair_models.ml_tasks.results import ClassRow, Evaluation
from fair_models.training.config.run_config import RunConfig
from fair_models.training.phases.calibration import inference_values, with_inference
from fair_models.training.phases.fit import repeatable, restore
from fair_models.training.phases.model_code import ModelCode


def evaluate(
    config: RunConfig,
    code: ModelCode,
    state: bytes,
    held_out: Samples,
    calibrated: Mapping[str, float] | None = None,
) -> Evaluation:
    """Measure the weights that `fit` left on held-out samples.

    Args:
        config: The run.
        code: The contribution.
        state: The weights.
        held_out: What they have not learnt from.
        calibrated: Inference parameters by full key that the training set; they go over those of the config.

    Returns:
        What the contribution measured, and in the row of each class how many labels of it each side has.

    Raises:
        TrainingFailed: A metric is no finite number, names each one; or more was measured than is held out.
    """
    with repeatable(config):
        network = restore(config, code, state)
        call = with_inference(code.pipeline.evaluate, inference_values(config, calibrated or {}))
        evaluation: Evaluation = call(network, held_out, code.processing, code.params)
    odd = _not_finite(_numbers(evaluation))
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
    return replace(evaluation, classes=_with_counts(config, evaluation.classes))


def _with_counts(config: RunConfig, rows: Sequence[ClassRow]) -> list[ClassRow]:
    """A row for each class, also for one of which nothing was measured."""
    measured = {row["class"]: row for row in rows}
    sides = config.data.class_counts
    counts = {
        name: {side: sides.get(side, {}).get(name) for side in ("train", "held_out")}
        for name in [*config.classes, *(str(name) for name in measured if name not in config.classes)]
    }
    return [{"class": name, **each, **measured.get(name, {})} for name, each in counts.items()]


def _numbers(evaluation: Evaluation) -> Iterable[tuple[str, object]]:
    yield from evaluation.metrics.items()
    yield from evaluation.baseline.items()
    yield from ((f"the ceiling of {key}", value) for key, value in evaluation.ceiling.items())
    for key, interval in evaluation.intervals.items():
        for end in interval or ():
            yield f"the interval of {key}", end
    for row in evaluation.classes:
        for key, value in row.items():
            yield f"{key} of {row.get('class')}", value


def _not_finite(values: Iterable[tuple[str, object]]) -> list[str]:
    odd = [key for key, value in values if isinstance(value, float) and not math.isfinite(value)]
    return list(dict.fromkeys(odd))
