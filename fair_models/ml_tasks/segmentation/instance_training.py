"""Training, evaluation and export of networks that tell objects of a class apart. Needs torch.

A network gives scores of each class and, in one more channel, of the interiors of objects: pixels that lie
further from an object's outline than a distance. Interiors of neighbours do not touch, so each is the marker
of one object. `docs/explanation/instances.md` says what else was tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from fair_models.data.samples import IGNORE, Samples
from fair_models.errors import Invalid
from fair_models.inference.parts import InstancePart, Processing, Window
from fair_models.ml_tasks import training_loop
from fair_models.ml_tasks.results import Evaluation, Report
from fair_models.ml_tasks.segmentation import augmentation, evaluation, training
from fair_models.ml_tasks.segmentation.instances import InstanceRule, interiors
from fair_models.ml_tasks.segmentation.processing import OUTPUT
from fair_models.types import Array


class Params(training.Params):
    """Hyperparameters that every model of objects has. A contribution adds its own."""

    erosion_m: float = Field(
        0.5,
        ge=0,
        le=5,
        description="How far from its outline the interior of an object begins, in metres (0 to 5); more "
        "keeps neighbours apart, and leaves small objects without an interior.",
    )
    interior_weight: float = Field(
        1.0, ge=0, le=10, description="Weight of the loss of interiors beside that of classes (0 to 10)."
    )


def train(
    network: nn.Module, samples: Samples, processing: Processing, params: Params, seed: int, report: Report
) -> None:
    """Fit the network to the samples, in place, as `training.train` does, and to interiors of objects.

    Interiors cost binary cross-entropy and Dice. Samples that number no objects teach classes alone.

    Args:
        network: Gives scores of shape (n, classes + 1, height, width); the last channel is that of interiors.
        samples: Images, masks and numbered objects; pixels of `IGNORE` are not learnt from.
        processing: The contribution's own; `preprocess` is applied to every varied sample.
        params: Hyperparameters.
        seed: Everything random derives from it.
        report: Called after each epoch with `loss`, `cross_entropy`, `dice`, `interior`, `learning_rate`.

    Raises:
        Invalid: There is no sample.
        TrainingFailed: The loss is no finite number any more.
    """

    def losses(scores: Tensor, targets: Tensor) -> Mapping[str, Tensor]:
        values = training.class_losses(scores[:, :-1], targets[:, 0], params.dice_weight)
        interior = _interior_loss(scores[:, -1], targets[:, 1], params.dice_weight)
        return {**values, "loss": values["loss"] + params.interior_weight * interior, "interior": interior}

    aimed = replace(samples, targets=_with_interiors(samples, params.erosion_m))
    task = training_loop.Task(losses, augmentation.vary)
    training_loop.fit(task, network, aimed, processing, params, seed, report)


def evaluate(
    network: nn.Module,
    samples: Samples,
    processing: Processing,
    params: Params,
    inference: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Measure the network on held-out samples, after the contribution's own post-processing.

    Args:
        network: Gives scores of shape (n, classes + 1, height, width).
        samples: Images, masks and numbered objects that the network has not learnt from.
        processing: The contribution's own.
        params: Hyperparameters; `batch_size` and `erosion_m` are used.
        inference: Inference parameters without their prefix: with them masks and objects are those of
            predictions.

    Returns:
        As `training.evaluate` does; objects are what interiors grow into.

    Raises:
        Invalid: There is no sample, or post-processing gives no interiors.
    """
    given = dict(inference or {})
    parts = _parts(network, samples, processing, params, given)
    return evaluation.evaluate(samples, parts, given.get("confidence_threshold"), _rule(params, given))


def calibrate(
    network: nn.Module,
    samples: Samples,
    processing: Processing,
    params: Params,
    inference: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Choose the thresholds with which most pixels, and then most objects, of the training samples are right.

    Args:
        network: As it was trained.
        samples: What it learnt from, never what is held out.
        processing: The contribution's own.
        params: Hyperparameters; `batch_size` is used.
        inference: Inference parameters without their prefix; those that are not chosen here are used.

    Returns:
        `confidence_threshold` and `marker_threshold`; one that is no better than another is left out.
    """
    given = dict(inference or {})

    def parts() -> Iterator[InstancePart]:
        return _parts(network, samples, processing, params, given)

    found = {"confidence_threshold": evaluation.best_threshold(samples, parts())}
    threshold = found["confidence_threshold"] or given.get("confidence_threshold")
    rule = _rule(params, given)
    found["marker_threshold"] = evaluation.best_marker_threshold(samples, parts(), threshold, rule)
    return {name: value for name, value in found.items() if value is not None}


export = training.export


def _with_interiors(samples: Samples, erosion_m: float) -> Array:
    """Class and interior of each pixel, uint8, shape (n, 2, height, width).

    Interiors are 1, all else 0, and `IGNORE` where the class is, or where no objects are numbered.
    """
    aims = np.full((len(samples), 2, *samples.targets.shape[1:]), IGNORE, np.uint8)
    aims[:, 0] = samples.targets
    if samples.instances is not None:
        for at, size_m in enumerate(InstanceRule().pixel_sizes(samples)):
            inside = interiors(samples.instances[at], erosion_m / (size_m or 1))
            aims[at, 1] = np.where(samples.targets[at] == IGNORE, IGNORE, inside)
    return aims


def _interior_loss(scores: Tensor, targets: Tensor, dice_weight: float) -> Tensor:
    """Binary cross-entropy and soft Dice over the pixels that count; zero where none does."""
    counted = (targets != IGNORE).float()
    truth = (targets == 1).float()
    each = functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    entropy = (each * counted).sum() / counted.sum().clamp(min=1)
    likely = scores.sigmoid() * counted
    dice = 1 - (2 * (likely * truth).sum() + 1) / (likely.sum() + truth.sum() + 1)
    return entropy + dice_weight * dice


def _rule(params: Params, inference: Mapping[str, Any]) -> InstanceRule:
    known = {name: inference[name] for name in _RULED if name in inference}
    return InstanceRule(erosion_m=params.erosion_m, **known)


_RULED = ("marker_threshold", "marker_reach_m", "min_area_m2")
"""Inference parameters that say how objects are made."""


def _parts(
    network: nn.Module,
    samples: Samples,
    processing: Processing,
    params: Params,
    inference: Mapping[str, Any],
) -> Iterator[InstancePart]:
    """What the contribution makes of each sample, one by one: all at once would need much memory."""
    for name, scores in training_loop.scores(network, samples, processing, params.batch_size):
        window = Window(row=0, column=0, height=scores.shape[-2], width=scores.shape[-1], source=name)
        parts = processing.postprocess({OUTPUT: scores}, window, inference)
        if len(parts) != 1 or not isinstance(parts[0], InstancePart):
            given = ", ".join(type(part).__name__ for part in parts) or "nothing"
            raise Invalid(
                f"postprocess returned {given} where a model of objects gives one InstancePart. "
                "Return the probabilities of each class for each pixel, and those of interiors."
            )
        yield parts[0]
