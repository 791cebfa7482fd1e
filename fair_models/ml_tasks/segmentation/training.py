"""Training, evaluation and export of networks that give scores of each class for each pixel. Needs torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from fair_models.data.samples import IGNORE, Samples
from fair_models.errors import Invalid
from fair_models.inference.parts import Processing, RasterPart, Window
from fair_models.ml_tasks import training_loop
from fair_models.ml_tasks.onnx_export import export_onnx
from fair_models.ml_tasks.results import Evaluation, Report
from fair_models.ml_tasks.segmentation import augmentation, evaluation
from fair_models.ml_tasks.segmentation.instances import InstanceRule
from fair_models.ml_tasks.segmentation.processing import OUTPUT
from fair_models.types import Array


class Params(training_loop.Params):
    """Hyperparameters that every segmentation has. A contribution adds its own."""

    dice_weight: float = Field(
        1.0,
        ge=0,
        le=10,
        description="Weight of the Dice loss beside cross-entropy (0 to 10); more favours small classes.",
    )


def train(
    network: nn.Module, samples: Samples, processing: Processing, params: Params, seed: int, report: Report
) -> None:
    """Fit the network to the samples, in place: AdamW, warm-up and cosine, cross-entropy and Dice.

    All samples are learnt from and the last weights stay: the step size ends at zero, so there is no best
    epoch to choose and no part to set aside for choosing it.

    Args:
        network: Gives scores of shape (n, classes, height, width).
        samples: Images and masks; pixels of `IGNORE` are not learnt from.
        processing: The contribution's own; `preprocess` is applied to every varied sample.
        params: Hyperparameters.
        seed: Everything random derives from it.
        report: Called after each epoch with `loss`, `cross_entropy`, `dice`, `learning_rate`.

    Raises:
        Invalid: There is no sample.
        TrainingFailed: The loss is no finite number any more.
    """

    def losses(scores: Tensor, targets: Tensor) -> Mapping[str, Tensor]:
        return class_losses(scores, targets, params.dice_weight)

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
        network: Gives scores of shape (n, classes, height, width).
        samples: Images and masks that the network has not learnt from.
        processing: The contribution's own.
        params: Hyperparameters; `batch_size` is used.
        inference: Inference parameters without their prefix; with a `confidence_threshold` the masks are
            those of predictions, without it the most probable class of each pixel; with a `min_area_m2`
            smaller objects are none.

    Returns:
        Metrics with intervals beside those of the simplest guess, metrics of each class, and pictures of the
        worst, the median and the best chip: image, truth and prediction side by side.

    Raises:
        Invalid: There is no sample, or post-processing gives something else than a raster.
    """
    given = dict(inference or {})
    likely = _probabilities(network, samples, processing, params, given)
    rule = InstanceRule(min_area_m2=given.get("min_area_m2"))
    return evaluation.evaluate(samples, likely, given.get("confidence_threshold"), rule)


def calibrate(
    network: nn.Module, samples: Samples, processing: Processing, params: Params
) -> dict[str, float]:
    """Choose the threshold with which most pixels of the training samples are right.

    Args:
        network: As it was trained.
        samples: What it learnt from, never what is held out.
        processing: The contribution's own.
        params: Hyperparameters; `batch_size` is used.

    Returns:
        `confidence_threshold`; nothing where none is better than another.
    """
    likely = _probabilities(network, samples, processing, params, {})
    threshold = evaluation.best_threshold(samples, likely)
    return {} if threshold is None else {"confidence_threshold": threshold}


def export(network: nn.Module, path: Path, params: Params) -> None:
    """Write the network as ONNX with dynamic batch, height and width; the output is called `logits`."""
    export_onnx(network, path, output=OUTPUT)


def class_losses(scores: Tensor, targets: Tensor, dice_weight: float) -> dict[str, Tensor]:
    """How far scores are from the truth: `loss`, and the `cross_entropy` and `dice` that it is made of.

    Args:
        scores: float32, shape (n, classes, height, width).
        targets: Class index of each pixel, int64, shape (n, height, width); `IGNORE` counts nowhere.
        dice_weight: Weight of the Dice loss beside cross-entropy.
    """
    cross_entropy, dice = _cross_entropy(scores, targets), _dice(scores, targets)
    return {"loss": cross_entropy + dice_weight * dice, "cross_entropy": cross_entropy, "dice": dice}


def _cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean over the pixels that count; zero where none does (the mean alone would be NaN)."""
    total = functional.cross_entropy(scores, targets, ignore_index=IGNORE, reduction="sum")
    return total / (targets != IGNORE).sum().clamp(min=1)


def _dice(scores: Tensor, targets: Tensor) -> Tensor:
    """One minus the soft Dice of the classes after the background (https://arxiv.org/abs/1606.04797)."""
    counted = (targets != IGNORE).unsqueeze(1)
    truth = functional.one_hot(targets.where(counted[:, 0], 0), scores.shape[1]).permute(0, 3, 1, 2)
    likely = scores.softmax(dim=1) * counted
    truth = truth * counted
    axes = (0, 2, 3)
    overlap = 2 * (likely * truth).sum(axes) + 1
    return 1 - (overlap / (likely.sum(axes) + truth.sum(axes) + 1))[1:].mean()


def _probabilities(
    network: nn.Module,
    samples: Samples,
    processing: Processing,
    params: Params,
    inference: Mapping[str, Any],
) -> Iterator[Array]:
    """Probability of each class for each pixel, sample by sample: all at once would need much memory."""
    for name, scores in training_loop.scores(network, samples, processing, params.batch_size):
        window = Window(row=0, column=0, height=scores.shape[-2], width=scores.shape[-1], source=name)
        (part,) = processing.postprocess({OUTPUT: scores}, window, inference)
        if not isinstance(part, RasterPart):
            raise Invalid(
                f"postprocess returned {type(part).__name__} where a segmentation gives one RasterPart. "
                "Return the probabilities of each class for each pixel."
            )
        yield part.probabilities
