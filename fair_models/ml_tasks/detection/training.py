"""Training, evaluation and export of networks that find objects as boxes without anchors. Needs torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from fair_models.data.samples import Samples
from fair_models.errors import Invalid
from fair_models.inference.parts import FeaturePart, Processing, Window
from fair_models.ml_tasks import training_loop
from fair_models.ml_tasks.detection import augmentation, evaluation
from fair_models.ml_tasks.detection.aims import aims, box_loss, centre_loss
from fair_models.ml_tasks.detection.metrics import Boxes
from fair_models.ml_tasks.detection.processing import OUTPUT
from fair_models.ml_tasks.onnx_export import export_onnx
from fair_models.ml_tasks.results import Evaluation, Report
from fair_models.types import Array

USUAL_THRESHOLD = 0.3
"""Least score of a box where nobody says another."""


class Params(training_loop.Params):
    """Hyperparameters that every detection has. A contribution adds its own."""

    learning_rate: float = Field(
        0.003,
        ge=1e-6,
        le=1,
        description="Largest step size of AdamW, reached after the warm-up (0.000001 to 1).",
    )
    box_weight: float = Field(
        1.0,
        ge=0,
        le=10,
        description="Weight of the size of boxes beside their centres (0 to 10); more makes tighter boxes.",
    )


def train(
    network: nn.Module, samples: Samples, processing: Processing, params: Params, seed: int, report: Report
) -> None:
    """Fit the network to the samples, in place: AdamW, warm-up and cosine, focal loss and generalised IoU.

    Args:
        network: Gives `heads` of shape (n, classes - 1 + 4, height / 4, width / 4), see
            `processing.found_objects`.
        samples: Images and boxes.
        processing: The contribution's own; `preprocess` is applied to every varied sample.
        params: Hyperparameters.
        seed: Everything random derives from it.
        report: Called after each epoch with `loss`, `centres`, `boxes`, `learning_rate`.

    Raises:
        Invalid: There is no sample, or no box on any.
        TrainingFailed: The loss is no finite number any more.
    """
    if len(samples) and not any(len(each) for each in evaluation.true_boxes(samples)):
        raise Invalid(
            f"None of {len(samples)} samples has a box: there is nothing to find. Train on chips that hold "
            f"{' or '.join(samples.classes[1:])}."
        )

    def losses(heads: Tensor, targets: Tensor) -> Mapping[str, Tensor]:
        aim = aims(targets, heads.shape[1] - 4, *heads.shape[-2:])
        centres, boxes = centre_loss(heads[:, :-4], aim.centres, aim.counts), box_loss(heads[:, -4:], aim)
        return {"loss": centres + params.box_weight * boxes, "centres": centres, "boxes": boxes}

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
        network: Gives `heads`, see `train`.
        samples: Images that the network has not learnt from, and the boxes on them.
        processing: The contribution's own.
        params: Hyperparameters; `batch_size` is used.
        inference: Inference parameters without their prefix.

    Returns:
        Metrics beside those of the simplest guess, and pictures of the worst, the median and the best chip.

    Raises:
        Invalid: There is no sample, or post-processing gives something else than boxes.
    """
    asked = dict(inference or {})
    found = list(_found(network, samples, processing, params, asked))
    return evaluation.evaluate(samples, found, float(asked.get("confidence_threshold", USUAL_THRESHOLD)))


def calibrate(
    network: nn.Module, samples: Samples, processing: Processing, params: Params
) -> Mapping[str, float]:
    """The score from which on boxes count, chosen on training samples: that of the best F1.

    Args:
        network: Gives `heads`, see `train`.
        samples: The training side of the split.
        processing: The contribution's own.
        params: Hyperparameters; `batch_size` is used.
    """
    threshold = evaluation.best_threshold(samples, list(_found(network, samples, processing, params, {})))
    return {} if threshold is None else {"confidence_threshold": threshold}


def export(network: nn.Module, path: Path, params: Params) -> None:
    """Write the network as ONNX with dynamic batch, height and width; the output is called `heads`."""
    export_onnx(network, path, output=OUTPUT)


def _found(
    network: nn.Module, samples: Samples, processing: Processing, params: Params, asked: Mapping[str, Any]
) -> Iterator[Boxes]:
    height, width = samples.images.shape[-2:]
    for name, heads in training_loop.scores(network, samples, processing, params.batch_size):
        window = Window(row=0, column=0, height=height, width=width, source=name)
        yield _boxes(list(processing.postprocess({OUTPUT: heads}, window, asked)))


def _boxes(parts: list[Any]) -> Boxes:
    if len(parts) != 1 or not isinstance(parts[0], FeaturePart) or parts[0].geometries.shape[1:] != (4,):
        said = ", ".join(type(part).__name__ for part in parts) or "nothing"
        raise Invalid(
            f"postprocess returned {said} where a detection gives one FeaturePart of boxes. "
            "Return boxes of shape (n, 4); the library makes points of them where they are wanted."
        )
    (part,) = parts
    geometries: Array = np.asarray(part.geometries, np.float64)
    return Boxes(geometries, np.asarray(part.classes), np.asarray(part.scores, np.float64))
