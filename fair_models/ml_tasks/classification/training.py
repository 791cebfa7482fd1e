"""Training, evaluation and export of networks that give one score of each class for a chip. Needs torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from fair_models.data.samples import Samples
from fair_models.errors import Invalid
from fair_models.inference.parts import Part, Processing, Scores, Window
from fair_models.ml_tasks import training_loop
from fair_models.ml_tasks.classification import augmentation, evaluation
from fair_models.ml_tasks.classification.processing import OUTPUT
from fair_models.ml_tasks.onnx_export import export_onnx
from fair_models.ml_tasks.results import Evaluation, Report
from fair_models.types import Array


class Params(training_loop.Params):
    """Hyperparameters that every classification has. A contribution adds its own."""

    epochs: int = Field(30, ge=1, le=1000, description="Passes over the training chips (1 to 1000).")
    learning_rate: float = Field(
        0.002,
        ge=1e-6,
        le=1,
        description="Largest step size of AdamW, reached after the warm-up (0.000001 to 1).",
    )
    balance: bool = Field(
        True, description="Let chips of a rare class count for more, so that all classes weigh the same."
    )


def train(
    network: nn.Module, samples: Samples, processing: Processing, params: Params, seed: int, report: Report
) -> None:
    """Fit the network to the samples, in place: AdamW, warm-up and cosine, cross-entropy.

    Args:
        network: Gives scores of shape (n, classes).
        samples: Images, and the class index of each.
        processing: The contribution's own; `preprocess` is applied to every varied sample.
        params: Hyperparameters.
        seed: Everything random derives from it.
        report: Called after each epoch with `loss`, `learning_rate`.

    Raises:
        Invalid: There is no sample, or all are of one class.
        TrainingFailed: The loss is no finite number any more.
    """
    counts = np.bincount(samples.targets, minlength=len(samples.classes))
    if len(samples) and np.count_nonzero(counts) < 2:
        raise Invalid(
            f"All {len(samples)} samples are {samples.classes[int(counts.argmax())]}: there is nothing to "
            "tell apart. Train on chips of at least two classes."
        )
    weights = _class_weights(counts) if params.balance else None

    def losses(scores: Tensor, targets: Tensor) -> Mapping[str, Tensor]:
        each = functional.cross_entropy(scores, targets, reduction="none")
        if weights is not None:
            each = each * weights.to(targets.device)[targets]
        return {"loss": each.mean()}

    task = training_loop.Task(losses, augmentation.vary)
    training_loop.fit(task, network, samples, processing, params, seed, report)


def evaluate(
    network: nn.Module,
    samples: Samples,
    processing: Processing,
    params: Params,
    inference: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Measure the network on held-out samples, after the contribution's own post-processing.

    Args:
        network: Gives scores of shape (n, classes).
        samples: Images that the network has not learnt from, and the class index of each.
        processing: The contribution's own.
        params: Hyperparameters; `batch_size` is used.
        inference: Inference parameters without their prefix; with a `confidence_threshold` the classes are
            those of predictions, without it the most probable class of each chip.

    Returns:
        Metrics with intervals beside those of the simplest guess, metrics of each class, and pictures of the
        chips whose true class was found least, medium and most likely.

    Raises:
        Invalid: There is no sample, or post-processing gives something else than scores of the classes.
    """
    given = dict(inference or {})
    likely = _probabilities(network, samples, processing, params, given)
    return evaluation.evaluate(samples, likely, given.get("confidence_threshold"))


def calibrate(
    network: nn.Module, samples: Samples, processing: Processing, params: Params
) -> dict[str, float]:
    """Choose the threshold with which most training samples are right.

    Args:
        network: As it was trained.
        samples: What it learnt from, never what is held out.
        processing: The contribution's own.
        params: Hyperparameters; `batch_size` is used.

    Returns:
        `confidence_threshold`; nothing where none is better than another.
    """
    threshold = evaluation.best_threshold(samples, _probabilities(network, samples, processing, params, {}))
    return {} if threshold is None else {"confidence_threshold": threshold}


def export(network: nn.Module, path: Path, params: Params, size_px: int = 256) -> None:
    """Write the network as ONNX with a dynamic batch; the output is called `logits`.

    Args:
        network: Takes float32 of shape (n, bands, size_px, size_px).
        path: Where to write.
        params: Hyperparameters; not needed here.
        size_px: Height and width that the file takes. What a chip is depends on how much of it is seen, so
            that no other size is offered.
    """
    export_onnx(network, path, output=OUTPUT, size_px=size_px, dynamic_size=False)


def _class_weights(counts: Array) -> Tensor:
    """Weight of a sample of each class: their mean over the samples is one, and classes weigh the same."""
    present = max(1, np.count_nonzero(counts))
    return torch.from_numpy((counts.sum() / (present * np.maximum(counts, 1))).astype(np.float32))


def _probabilities(
    network: nn.Module,
    samples: Samples,
    processing: Processing,
    params: Params,
    inference: Mapping[str, Any],
) -> Array:
    """Probability of each class of each sample, shape (n, classes)."""
    given = training_loop.scores(network, samples, processing, params.batch_size)
    height, width = samples.images.shape[-2:]
    return np.stack(
        [
            _of_one(
                processing.postprocess({OUTPUT: scores}, Window(0, 0, height, width, name), inference),
                samples.classes,
            )
            for name, scores in given
        ]
    )


def _of_one(parts: Sequence[Part], classes: Sequence[str]) -> Array:
    (part,) = parts
    if not isinstance(part, Scores) or set(part.values) != set(classes):
        said = ", ".join(part.values) if isinstance(part, Scores) else type(part).__name__
        raise Invalid(
            f"postprocess returned {said} where a classification gives one Scores of {', '.join(classes)}. "
            "Return the probability of each class by its name."
        )
    return np.array([part.values[each] for each in classes])
