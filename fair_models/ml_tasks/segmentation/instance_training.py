"""Training, evaluation and export of networks that tell objects of a class apart. Needs torch.

A network gives scores of each class and, in two more channels, of boundaries (pixels of an object near its
outline) and of contacts (pixels near to two objects), as RAMP does (https://rampml.global). What of a class
is neither is an interior. Interiors of neighbours do not touch, so each is the marker of one object.
`docs/explanation/instances.md` says what else was tried.
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
from fair_models.ml_tasks.segmentation.instances import InstanceRule, contacts, interiors
from fair_models.ml_tasks.segmentation.processing import OUTPUT
from fair_models.types import Array


class Params(training.Params):
    """Hyperparameters that every model of objects has. A contribution adds its own."""

    boundary_m: float = Field(
        0.6,
        ge=0,
        le=5,
        description="How wide the boundary of an object is, from its outline inwards, in metres (0 to 5); "
        "more keeps neighbours apart, and leaves small objects without an interior.",
    )
    contact_m: float = Field(
        0.5,
        ge=0,
        le=5,
        description="How near to two objects a pixel is that counts as their contact, in metres (0 to 5).",
    )
    boundary_weight: float = Field(
        1.0,
        ge=0,
        le=10,
        description="Weight of the losses of boundaries and contacts beside that of classes (0 to 10).",
    )


def train(
    network: nn.Module, samples: Samples, processing: Processing, params: Params, seed: int, report: Report
) -> None:
    """Fit the network to the samples, in place, as `training.train` does, and to where objects end and meet.

    Boundaries and contacts cost binary cross-entropy and Dice each. Samples that number no objects teach
    classes alone.

    Args:
        network: Gives scores of shape (n, classes + 2, height, width); the last channels are of boundaries
            and of contacts.
        samples: Images, masks and numbered objects; pixels of `IGNORE` are not learnt from.
        processing: The contribution's own; `preprocess` is applied to every varied sample.
        params: Hyperparameters.
        seed: Everything random derives from it.
        report: Called after each epoch with `loss`, `cross_entropy`, `dice`, `boundary`, `contact`,
            `learning_rate`.

    Raises:
        Invalid: There is no sample.
        TrainingFailed: The loss is no finite number any more.
    """

    def losses(scores: Tensor, targets: Tensor) -> Mapping[str, Tensor]:
        values = training.class_losses(scores[:, :-2], targets[:, 0], params.dice_weight)
        boundary, contact = (
            _loss_where(scores[:, at], targets[:, at], params.dice_weight) for at in (-2, -1)
        )
        loss = values["loss"] + params.boundary_weight * (boundary + contact)
        return {**values, "loss": loss, "boundary": boundary, "contact": contact}

    aimed = replace(samples, targets=_aims(samples, params))
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
        network: Gives scores of shape (n, classes + 2, height, width).
        samples: Images, masks and numbered objects that the network has not learnt from.
        processing: The contribution's own.
        params: Hyperparameters; `batch_size` and `boundary_m` are used.
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


def _aims(samples: Samples, params: Params) -> Array:
    """Class, boundary and contact of each pixel, uint8, shape (n, 3, height, width).

    Boundaries and contacts are 1, all else 0; `IGNORE` where the class is, or where no objects are numbered.
    """
    aims = np.full((len(samples), 3, *samples.targets.shape[1:]), IGNORE, np.uint8)
    aims[:, 0] = samples.targets
    if samples.instances is not None:
        for aim, numbers, size_m in zip(
            aims, samples.instances, InstanceRule().pixel_sizes(samples), strict=True
        ):
            pixel_m, ignored = size_m or 1, aim[0] == IGNORE
            boundary = (numbers > 0) & ~interiors(numbers, params.boundary_m / pixel_m)
            contact = contacts(numbers, round(params.contact_m / pixel_m))
            aim[1:] = np.where(ignored, IGNORE, np.stack([boundary, contact]))
    return aims


def _loss_where(scores: Tensor, targets: Tensor, dice_weight: float) -> Tensor:
    """Binary cross-entropy and soft Dice over the pixels that count; zero where none does."""
    counted = (targets != IGNORE).float()
    truth = (targets == 1).float()
    each = functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    entropy = (each * counted).sum() / counted.sum().clamp(min=1)
    likely = scores.sigmoid() * counted
    dice = 1 - (2 * (likely * truth).sum() + 1) / (likely.sum() + truth.sum() + 1)
    return entropy + dice_weight * dice * (counted.sum() > 0)


def _rule(params: Params, inference: Mapping[str, Any]) -> InstanceRule:
    known = {name: inference[name] for name in _RULED if name in inference}
    return InstanceRule(erosion_m=params.boundary_m, **known)


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
