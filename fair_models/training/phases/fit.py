"""Fits a network to samples and brings a fitted one back. Needs torch."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fair_models.contract import classes
from fair_models.data.samples import Samples
from fair_models.errors import TrainingFailed
from fair_models.ml_tasks import weights
from fair_models.ml_tasks.results import Epoch, Report
from fair_models.store.protocol import Store
from fair_models.training.config.run_config import RunConfig, StopRule
from fair_models.training.phases.model_code import ModelCode

if TYPE_CHECKING:
    from torch import nn

WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True)
class Fitted:
    """What a training leaves behind.

    weights: The network's state as safetensors.
    curves: Metrics of each epoch in order, with `epoch` counted from 1.
    seconds: Wall time from building the network to its last epoch.
    """

    weights: bytes
    curves: list[dict[str, float]]
    seconds: float


def fit(config: RunConfig, code: ModelCode, store: Store, samples: Samples, report: Report) -> Fitted:
    """Build the network, load the initial weights, train.

    Args:
        config: The run; its seed and threads make the result repeatable on the same machine.
        code: The contribution.
        store: Where the initial weights lie.
        samples: The training side of the split.
        report: Called after each epoch; what it raises ends the training.

    Raises:
        TrainingFailed: The weights are no finite numbers any more.
    """
    curves: list[dict[str, float]] = []

    def record(epoch: Epoch) -> None:
        curves.append({"epoch": epoch.number, **{name: float(value) for name, value in epoch.values.items()}})
        report(epoch)
        if config.stop is not None and _does_badly(config.stop, epoch):
            raise _EndedEarly

    initial = store.fetch(config.weights.href, config.weights.checksum)
    began = time.perf_counter()
    with repeatable(config):
        network = _built(config, code)
        weights.load(network, initial, config.new_layers)
        with suppress(_EndedEarly):
            code.pipeline.train(network, samples, code.processing, code.params, config.seed, record)
    _require_finite(network, config)
    seconds = time.perf_counter() - began
    return Fitted(_to_bytes(network), curves, seconds)


def _require_finite(network: nn.Module, config: RunConfig) -> None:
    """The last step can spoil the weights after the last loss was looked at."""
    import torch

    broken = [name for name, each in network.state_dict().items() if not bool(torch.isfinite(each).all())]
    if broken:
        rate = config.hyperparameters.get("training.learning_rate")
        was = "" if rate is None else f" (it was {rate})"
        raise TrainingFailed(
            f"The weights of {config.base_model} became NaN or infinite in the training: "
            f"{', '.join(broken[:5])}. Lower training.learning_rate{was}."
        )


class _EndedEarly(Exception):
    """Raised through the contribution's loop: what is learnt until then stays in the network."""


def _does_badly(rule: StopRule, epoch: Epoch) -> bool:
    return epoch.number == rule.epoch and epoch.values.get(rule.figure, rule.most) > rule.most


def restore(config: RunConfig, code: ModelCode, state: bytes) -> nn.Module:
    """The network with the weights that `fit` left."""
    with tempfile.TemporaryDirectory(prefix="fair-weights-") as folder:
        path = Path(folder) / WEIGHTS_FILE
        path.write_bytes(state)
        network = _built(config, code)
        weights.load(network, path)
    return network


def _built(config: RunConfig, code: ModelCode) -> nn.Module:
    """The network for the run's classes, with fresh weights."""
    network: nn.Module = classes.bound(code.pipeline.build, config.classes)(code.params)
    return network


@contextmanager
def repeatable(config: RunConfig) -> Iterator[None]:
    """Within, everything random starts from the config's seed and torch uses the config's threads.

    Sums of floats depend on how many threads share the work: equal metrics need equal threads.
    """
    import torch

    threads_before = torch.get_num_threads()
    strict_before = torch.are_deterministic_algorithms_enabled()
    random.seed(config.seed)
    np.random.seed(config.seed)  # a contribution may draw from the global generator
    torch.manual_seed(config.seed)
    torch.set_num_threads(thread_count(config))
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        torch.use_deterministic_algorithms(strict_before)


def thread_count(config: RunConfig) -> int:
    """CPU threads of the run: those of the config, else as many as this process may use."""
    if config.threads:
        return config.threads
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _to_bytes(network: nn.Module) -> bytes:
    with tempfile.TemporaryDirectory(prefix="fair-weights-") as folder:
        path = Path(folder) / WEIGHTS_FILE
        weights.save(network, path)
        return path.read_bytes()
