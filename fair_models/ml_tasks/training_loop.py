"""Fitting a network to samples, whatever the ML task: seeds, batches, optimiser, schedule. Needs torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn, optim

from fair_models.data.samples import Samples
from fair_models.errors import Invalid, TrainingFailed
from fair_models.inference.parts import Processing
from fair_models.ml_tasks.results import Epoch, Report
from fair_models.types import Array


class Params(BaseModel):
    """Hyperparameters that every task has. A task adds its own and may change defaults."""

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
    augment: bool = Field(True, description="Turn, mirror and light the chips anew in each epoch.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Numbers that the network computes with: float32, bfloat16 (half the time on processors "
        "that have it, several times slower on others), or auto, which takes bfloat16 where it is fast.",
    )


Losses = Callable[[Tensor, Tensor], Mapping[str, Tensor]]
"""From scores (float32) and targets (int64, or float32 where they are places) of a batch: `loss`, to be made
small, and metrics beside it."""

Vary = Callable[[Array, Array, np.random.Generator], tuple[Array, Array]]
"""New images and targets of a batch, of the same shapes and types; all chance comes from the generator."""


@dataclass(frozen=True)
class Task:
    """What differs from one ML task to the other.

    losses: What is made small.
    vary: How samples are varied in each epoch.
    """

    losses: Losses
    vary: Vary


def fit(
    task: Task,
    network: nn.Module,
    samples: Samples,
    processing: Processing,
    params: Params,
    seed: int,
    report: Report,
) -> None:
    """Fit the network to the samples, in place: AdamW, warm-up and cosine.

    All samples are learnt from and the last weights stay: the step size ends at zero, so there is no best
    epoch to choose and no part to set aside for choosing it.

    Args:
        task: Losses and variation of the ML task.
        network: Gives scores, the batch on the first axis.
        samples: Images, and targets as integers or, where they are places, float32.
        processing: The contribution's own; `preprocess` is applied to every varied sample.
        params: Hyperparameters.
        seed: Everything random derives from it.
        report: Called after each epoch with the losses by name and `learning_rate`.

    Raises:
        Invalid: There is no sample.
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
            measured = []
            for batch in _batches(samples, processing, params, task.vary, random, device):
                measured.append(_step(network, batch, optimiser, task.losses, params.precision))
                schedule.step()
            values = {key: float(np.mean([each[key] for each in measured])) for key in measured[0]}
            if not math.isfinite(values["loss"]):
                raise TrainingFailed(
                    f"The loss became {values['loss']} in epoch {number}. "
                    f"Lower training.learning_rate (it was {params.learning_rate:g})."
                )
            report(Epoch(number, params.epochs, {**values, "learning_rate": rate}))
    network.eval().cpu()


@torch.no_grad()
def scores(
    network: nn.Module, samples: Samples, processing: Processing, batch_size: int
) -> Iterator[tuple[str, Array]]:
    """Name and scores of each sample in order; the scores as float32 without the batch axis.

    Raises:
        Invalid: There is no sample.
    """
    if not len(samples):
        raise Invalid("There is no held-out sample to measure on. Choose a split that holds chips out.")
    device = _device()
    network.to(device).eval()
    for start in range(0, len(samples), batch_size):
        images = samples.images[start : start + batch_size]
        given = network(_inputs(images, processing).to(device, memory_format=torch.channels_last))
        yield from zip(samples.names[start : start + batch_size], given.cpu().numpy(), strict=True)
    network.cpu()


@dataclass(frozen=True)
class _Batch:
    """inputs: float32, shape (n, bands, height, width). targets: int64 or float32, the batch comes first."""

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
    vary: Vary,
    random: np.random.Generator,
    device: torch.device,
) -> Iterator[_Batch]:
    """One epoch in random order. Sizes differ by one at most: no batch of a single sample is left over."""
    order = random.permutation(len(samples))
    for indices in np.array_split(order, _batch_count(len(samples), params.batch_size)):
        images, targets = samples.images[indices], samples.targets[indices]
        if params.augment:
            images, targets = vary(images, targets, random)
        yield _Batch(
            _inputs(images, processing).to(device, memory_format=torch.channels_last),
            torch.from_numpy(targets.astype(_kind(targets))).to(device),
        )


def _kind(targets: Array) -> type[np.generic]:
    """Class indices are integers to torch, places stay numbers with a point."""
    return np.float32 if np.issubdtype(targets.dtype, np.floating) else np.int64


def _inputs(images: Array, processing: Processing) -> Tensor:
    return torch.from_numpy(np.stack([processing.preprocess(image) for image in images]))


def _step(
    network: nn.Module, batch: _Batch, optimiser: optim.Optimizer, losses: Losses, precision: str
) -> dict[str, float]:
    optimiser.zero_grad(set_to_none=True)
    device = batch.inputs.device.type
    with torch.autocast(device, torch.bfloat16, enabled=_in_bfloat16(precision, device)):
        given = network(batch.inputs)
    # Losses sum over many pixels: bfloat16 would round them away.
    values = losses(given.float(), batch.targets)
    values["loss"].backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return {name: value.item() for name, value in values.items()}


def _in_bfloat16(precision: str, device: str) -> bool:
    if precision != "auto":
        return precision == "bfloat16"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16"))
