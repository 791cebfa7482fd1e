"""Inference parameters that a training sets itself, from what it learnt from. Needs torch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from fair_models.catalog.items import hyperparameters
from fair_models.data.samples import Samples
from fair_models.errors import TrainingFailed
from fair_models.training.config.run_config import RunConfig
from fair_models.training.phases.fit import repeatable, restore
from fair_models.training.phases.model_code import ModelCode

_INFERENCE = "inference"
"""Parameter of a contribution's function that works as predictions do: the inference parameters."""


def calibrate(config: RunConfig, code: ModelCode, state: bytes, train: Samples) -> dict[str, float]:
    """Let a contribution set the inference parameters that it may set, such as the threshold of confidence.

    Args:
        config: The run; `calibrated` says which may be set, and their bounds.
        code: The contribution. Without a `calibrate` nothing is set.
        state: The weights that `fit` left.
        train: The training side of the split: what is held out is never chosen on.

    Returns:
        Values by full key, e.g. {"inference.confidence_threshold": 0.43}, drawn into their bounds.

    Raises:
        TrainingFailed: A value is no finite number.
    """
    choose = getattr(code.pipeline, "calibrate", None)
    if choose is None or not config.calibrated:
        return {}
    with repeatable(config):
        call = with_inference(choose, inference_values(config, {}))
        chosen: Mapping[str, Any] = call(restore(config, code, state), train, code.processing, code.params)
    values = {f"{hyperparameters.INFERENCE}.{name}": value for name, value in chosen.items()}
    odd = [key for key, value in values.items() if not _is_number(value)]
    if odd:
        raise TrainingFailed(
            f"{config.base_model} set no finite number for {', '.join(odd)}. "
            "Its calibrate must leave out what it cannot choose."
        )
    return {
        key: float(min(max(value, bounds.least), bounds.most))
        for key, value in values.items()
        if (bounds := config.calibrated.get(key)) is not None
    }


def inference_values(config: RunConfig, calibrated: Mapping[str, float]) -> hyperparameters.Values:
    """Inference parameters of a run without their prefix, those that the training set in their place."""
    return hyperparameters.with_prefix({**config.hyperparameters, **calibrated}, hyperparameters.INFERENCE)


def with_inference(function: Callable[..., Any], values: Mapping[str, Any]) -> Callable[..., Any]:
    """An `evaluate` or `calibrate` with the inference parameters, where it takes them.

    Args:
        function: Of a contribution.
        values: Inference parameters without their prefix.
    """
    if _INFERENCE not in inspect.signature(function).parameters:
        return function
    return lambda *arguments: function(*arguments, **{_INFERENCE: dict(values)})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
