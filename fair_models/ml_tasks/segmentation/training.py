"""Training, evaluation and export of networks that give scores of each class for each pixel. Needs torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn, optim
from torch.nn import functional

from fair_models.data.samples import IGNORE, Samples
from fair_models.errors import Invalid, TrainingFailed
from fair_models.inference.parts import RasterPart, Window
from fair_models.inference.processing import Processing
from fair_models.ml_tasks.onnx_export import export_onnx
from fair_models.ml_tasks.results import Epoch, Evaluation, Report
from fair_models.ml_tasks.segmentation import augmentation, metrics, pictures
from fair_models.ml_tasks.segmentation.processing import OUTPUT
from fair_models.types import Array


class Params(BaseModel):
    """Hyperparameters that every segmentation has. A contribution adds its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(80, ge=1, le=1000, description="Passes over the training chips (1 to 1000).")
    batch_size: int = Field(4, ge=1, le=256, description="Chips that are learnt from at once (1 to 256).")
    learning_rate: float = Field(
        0.006,
        ge=1e-6,
        le=1,
        description="Largest step size of AdamW, reached after the warm-up (0.000001 to 1).",
    )
    weight_decay: float = Field(
        0.01, ge=0, le=1, description="How strongly weights are pulled to zero (0 to 1)."
    )
    warm_up: float = Field(
        0.1, ge=0, le=0.9, description="Share of the training in which the step size grows (0 to 0.9)."
    )
    dice_weight: float = Field(
        1.0,
        ge=0,
        le=10,
        description="Weight of the Dice loss beside cross-entropy (0 to 10); more favours small classes.",
    )
    augment: bool = Field(True, description="Turn, mirror and light the chips anew in each epoch.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Numbers that the network computes with: float32, bfloat16 (half the time on processors "
        "that have it, several times slower on others), or auto, which takes bfloat16 where it is fast.",
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
        TrainingFailed: The loss is no finite number any more.
    """
    if not len(samples):
        raise Invalid("There is no sample to train on. Choose a split with at least one chip for training.")
    random = np.random.default_rng(seed)
    device = _device()
    network.to(device).train()
    optimiser = _optimiser(network, params)
    steps = params.epochs * _batch_count(len(samples), params.batch_size)
    schedule = optim.lr_scheduler.LambdaLR(optimiser, lambda step: _pace(step, steps, params.warm_up))
    with torch.random.fork_rng(devices=[]):  # for networks with dropout
        torch.manual_seed(seed)
        for number in range(1, params.epochs + 1):
            rate = float(schedule.get_last_lr()[0])
            losses = [
                _step(network, batch, optimiser, schedule, params)
                for batch in _batches(samples, processing, params, random, device)
            ]
            values = {key: float(np.mean([loss[key] for loss in losses])) for key in losses[0]}
            if not math.isfinite(values["loss"]):
                raise TrainingFailed(
                    f"The loss became {values['loss']} in epoch {number}. "
                    f"Lower training.learning_rate (it was {params.learning_rate:g})."
                )
            report(Epoch(number, params.epochs, {**values, "learning_rate": rate}))
    network.eval().cpu()


def evaluate(network: nn.Module, samples: Samples, processing: Processing, params: Params) -> Evaluation:
    """Measure the network on held-out samples, after the contribution's own post-processing.

    Args:
        network: Gives scores of shape (n, classes, height, width).
        samples: Images and masks that the network has not learnt from.
        processing: The contribution's own.
        params: Hyperparameters; `batch_size` is used.

    Returns:
        Metrics beside those of the simplest guess, and pictures of the worst, the median and the best chip:
        image, truth and prediction side by side.
    """
    if not len(samples):
        raise Invalid("There is no held-out sample to measure on. Choose a split that holds chips out.")
    predicted = np.concatenate(list(_predict(network, samples, processing, params.batch_size)))
    guess, guess_name = metrics.simplest_guess(samples.targets, samples.classes)
    return Evaluation(
        metrics=metrics.measure(predicted, samples.targets, samples.classes),
        baseline=metrics.measure(guess, samples.targets, samples.classes),
        baseline_name=guess_name,
        sample_count=len(samples),
        pictures=_pictures(samples, predicted),
    )


def export(network: nn.Module, path: Path, params: Params) -> None:
    """Write the network as ONNX with dynamic batch, height and width; the output is called `logits`."""
    export_onnx(network, path, output=OUTPUT)


@dataclass(frozen=True)
class _Batch:
    """inputs: float32, shape (n, bands, height, width). targets: int64, shape (n, height, width)."""

    inputs: Tensor
    targets: Tensor


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _optimiser(network: nn.Module, params: Params) -> optim.AdamW:
    """AdamW that decays matrices only: biases and norms have no scale to hold down."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": params.weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    return optim.AdamW(groups, lr=params.learning_rate)


def _pace(step: int, steps: int, warm_up: float) -> float:
    """Step size as a share of the largest: linear warm-up, then a cosine down to zero."""
    warm = warm_up * steps
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1.0, steps - warm))))


def _batch_count(samples: int, batch_size: int) -> int:
    return math.ceil(samples / batch_size)


def _batches(
    samples: Samples,
    processing: Processing,
    params: Params,
    random: np.random.Generator,
    device: torch.device,
) -> Iterator[_Batch]:
    """One epoch in random order. Sizes differ by one at most: no batch of a single sample is left over."""
    order = random.permutation(len(samples))
    for indices in np.array_split(order, _batch_count(len(samples), params.batch_size)):
        images, targets = samples.images[indices], samples.targets[indices]
        if params.augment:
            images, targets = augmentation.vary(images, targets, random)
        yield _Batch(
            _inputs(images, processing).to(device, memory_format=torch.channels_last),
            torch.from_numpy(targets.astype(np.int64)).to(device),
        )


def _inputs(images: Array, processing: Processing) -> Tensor:
    return torch.from_numpy(np.stack([processing.preprocess(image) for image in images]))


def _step(
    network: nn.Module,
    batch: _Batch,
    optimiser: optim.Optimizer,
    schedule: optim.lr_scheduler.LRScheduler,
    params: Params,
) -> Mapping[str, float]:
    optimiser.zero_grad(set_to_none=True)
    device = batch.inputs.device.type
    with torch.autocast(device, torch.bfloat16, enabled=_in_bfloat16(params.precision, device)):
        scores = network(batch.inputs)
    scores = scores.float()  # losses sum over many pixels: bfloat16 would round them away
    cross_entropy, dice = _cross_entropy(scores, batch.targets), _dice(scores, batch.targets)
    loss = cross_entropy + params.dice_weight * dice
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    schedule.step()
    return {"loss": loss.item(), "cross_entropy": cross_entropy.item(), "dice": dice.item()}


def _in_bfloat16(precision: str, device: str) -> bool:
    if precision != "auto":
        return precision == "bfloat16"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16"))


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


@torch.no_grad()
def _predict(
    network: nn.Module, samples: Samples, processing: Processing, batch_size: int
) -> Iterator[Array]:
    """Class index of each pixel, uint8, shape (n, height, width), batch by batch."""
    device = _device()
    network.to(device).eval()
    for start in range(0, len(samples), batch_size):
        images = samples.images[start : start + batch_size]
        scores = network(_inputs(images, processing).to(device, memory_format=torch.channels_last))
        named = zip(scores.cpu().numpy(), samples.names[start : start + batch_size], strict=True)
        yield np.stack([_class_of_each_pixel(one, name, processing) for one, name in named])
    network.cpu()


def _class_of_each_pixel(scores: Array, name: str, processing: Processing) -> Array:
    window = Window(row=0, column=0, height=scores.shape[-2], width=scores.shape[-1], source=name)
    (part,) = processing.postprocess({OUTPUT: scores}, window, {})
    if not isinstance(part, RasterPart):
        raise Invalid(
            f"postprocess returned {type(part).__name__} where a segmentation gives one RasterPart. "
            "Return the probabilities of each class for each pixel."
        )
    best: Array = part.probabilities.argmax(axis=0).astype(np.uint8)
    return best


def _pictures(samples: Samples, predicted: Array) -> dict[str, Array]:
    scores = [
        metrics.per_class_iou(one[None], truth[None], samples.classes)[samples.classes[1]]
        for one, truth in zip(predicted, samples.targets, strict=True)
    ]
    return {
        samples.names[index]: pictures.side_by_side(
            samples.images[index], samples.targets[index], predicted[index]
        )
        for index in pictures.worst_median_best(scores)
    }
