"""Which further channels of a network tell objects apart best, on chips of the training side alone.

    python -m benchmarks.object_channels CHIPS LABELS [--seeds 0 1 2] [--epochs 160] [--only WAY ...]

For each seed the training side of a split is split again: each fourth chip by name is measured on, the others
are learnt from, by the U-Net of `models/unet_segmentation` from its initial weights with one layer made anew.
What is held out is never looked at. Ways:

* interior: pixels further than 1 m from an object's outline.
* boundary-contact: pixels within 0.6 m of the outline, and pixels within 0.5 m of two objects.
* distance: how far a pixel lies from the outline, up to 3 m.

F1 counts objects one by one, chip by chip, with thresholds chosen on the chips that were learnt from.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import held_out
from fair_models.data.samples import IGNORE, Samples
from fair_models.inference.parts import InstancePart
from fair_models.ml_tasks import training_loop, weights
from fair_models.ml_tasks.scaling import softmax
from fair_models.ml_tasks.segmentation import augmentation, evaluation, training
from fair_models.ml_tasks.segmentation.instance_training import Params, _aims, _loss_where
from fair_models.ml_tasks.segmentation.instances import InstanceRule, interiors
from fair_models.ml_tasks.segmentation.processing import _averaged
from fair_models.types import Array

INTERIOR_M = 1.0
FAR_M = 3.0
STEPS = 200
"""Steps of a byte that distances up to `FAR_M` are kept in."""

RULE = InstanceRule(marker_reach_m=5.0, min_area_m2=4.0)


@dataclass(frozen=True)
class Way:
    """One way to tell objects apart.

    channels: Further channels.
    aims: Further channels of the truth of a sample, uint8, from its numbers and the size of a pixel (m).
    loss: From further scores and aims of a batch.
    interior: Probability of interiors from the probability of any class and further scores.
    """

    channels: int
    aims: Callable[[Array, float], Array]
    loss: Callable[[Tensor, Tensor], Tensor]
    interior: Callable[[Array, Array], Array]


def main() -> None:
    """Read the arguments, train each way for each seed, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("chips", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=160)
    parser.add_argument("--only", nargs="+", choices=sorted(WAYS), default=sorted(WAYS))
    given = parser.parse_args()
    scores: dict[str, list[float]] = {name: [] for name in given.only}
    with tempfile.TemporaryDirectory(prefix="fair-channels-") as home:
        for seed in given.seeds:
            os.environ["FAIR_HOME"] = str(Path(home) / str(seed))
            samples = held_out.prepare(held_out.CONTRIBUTION, given.chips, given.labels, seed, 30.0).train
            for name in given.only:
                scores[name].append(measure(name, samples, seed, given.epochs))
    for name, values in scores.items():
        print(f"{name}: median F1 {statistics.median(values):.3f}")


def measure(name: str, samples: Samples, seed: int, epochs: int) -> float:
    """Train one way on three of four chips and measure it on the others; F1 of objects."""
    from models.unet_segmentation import pipeline, processing

    way, order = WAYS[name], np.argsort(samples.names)
    asked, learnt = (
        samples.select(order[1::4].tolist()),
        samples.select(np.delete(order, np.s_[1::4]).tolist()),
    )
    params = pipeline.Params(epochs=epochs)
    network = pipeline.build(params)
    weights.load(network, held_out.CONTRIBUTION / "weights" / "initial.safetensors")
    torch.manual_seed(seed)
    network.head = nn.Conv2d(network.head.in_channels, 2 + way.channels, kernel_size=1)
    before = time.process_time()
    training_loop.fit(
        training_loop.Task(lambda given, aims: losses(way, given, aims), augmentation.vary),
        network, replace(learnt, targets=aimed(way, learnt)), processing, params, seed, lambda epoch: None,
    )  # fmt: skip
    seconds = time.process_time() - before

    def parts(of: Samples) -> Iterator[InstancePart]:
        for _, given in training_loop.scores(network, of, processing, params.batch_size):
            likely = softmax(given[:2])
            yield InstancePart(likely, _averaged(way.interior(1 - likely[0], given[2:])))

    threshold = evaluation.best_threshold(learnt, parts(learnt))
    marker = evaluation.best_marker_threshold(learnt, parts(learnt), threshold, RULE)
    found = evaluation.evaluate(asked, parts(asked), threshold, replace(RULE, marker_threshold=marker or 0.5))
    f1, iou = found.metrics["fair:instance_f1"] or 0.0, found.metrics["fair:building_iou"]
    print(f"seed {seed} {name}: F1 {f1:.3f}, mask IoU {iou:.3f}, {seconds:.0f} s of CPU", flush=True)
    return f1


def aimed(way: Way, samples: Samples) -> Array:
    """Class and further channels of each pixel, uint8; `IGNORE` where nothing counts."""
    further = []
    for at in range(len(samples)):
        assert samples.instances is not None
        made = way.aims(samples.instances[at], RULE.pixel_sizes(samples)[at] or 1)
        further.append(np.where(samples.targets[at] == IGNORE, IGNORE, made))
    return np.concatenate([samples.targets[:, None], np.stack(further)], axis=1).astype(np.uint8)


def losses(way: Way, scores: Tensor, aims: Tensor) -> Mapping[str, Tensor]:
    """The loss of classes and that of the further channels, of equal weight."""
    classes = training.class_losses(scores[:, :2], aims[:, 0], 1.0)
    return {"loss": classes["loss"] + way.loss(scores[:, 2:], aims[:, 1:])}


def binary(scores: Tensor, aims: Tensor) -> Tensor:
    """Binary cross-entropy and Dice of each channel, summed."""
    return torch.stack([_loss_where(scores[:, at], aims[:, at], 1.0) for at in range(scores.shape[1])]).sum()


def boundary_and_contact(numbers: Array, pixel_m: float) -> Array:
    """What the library's own training learns."""
    one = numbers[None]
    sample = Samples(
        np.zeros((1, 3, *numbers.shape), np.uint8), np.zeros(one.shape, np.uint8), ["one"], ["background"],
        instances=one, pixel_m=np.array([pixel_m]),
    )  # fmt: skip
    return _aims(sample, Params())[0, 1:]


def distances(numbers: Array, pixel_m: float) -> Array:
    """Distance of each pixel of an object from its outline, in steps of `FAR_M` / `STEPS`."""
    steps = np.arange(1, STEPS + 1, 4)
    far = np.sum([interiors(numbers, step * FAR_M / STEPS / pixel_m) for step in steps], axis=0)
    steps_away: Array = (far * 4)[None].astype(np.uint8)
    return steps_away


def distance_loss(scores: Tensor, aims: Tensor) -> Tensor:
    """How far distances are off, large errors linear, weighted to the size of the other losses."""
    counted = (aims != IGNORE).float()
    aim = aims.float().clamp(max=STEPS) / STEPS * counted
    return 4 * functional.smooth_l1_loss(scores.sigmoid() * counted, aim, beta=0.1)


def likely(scores: Array) -> Array:
    """Scores as probabilities."""
    made: Array = 1 / (1 + np.exp(-scores))
    return made


WAYS = {
    "interior": Way(
        1,
        lambda numbers, pixel_m: interiors(numbers, INTERIOR_M / pixel_m)[None],
        binary,
        lambda classes, further: likely(further[0]),
    ),
    "boundary-contact": Way(
        2,
        boundary_and_contact,
        binary,
        lambda classes, further: classes * (1 - likely(further.max(axis=0))),
    ),
    "distance": Way(1, distances, distance_loss, lambda classes, further: likely(further[0])),
}

if __name__ == "__main__":
    main()
