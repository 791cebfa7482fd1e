"""The networks that predictions are measured with, trained a little so that they find buildings.

    python -m benchmarks.networks FOLDER [--chips CHIPS --labels LABELS]

r34: a U-Net with a ResNet-34 as its encoder, 24.4 million weights. c16: the U-Net of this project, 0.49
million. Both are written once as ONNX with dynamic batch, height and width, and in 8 bits where that agrees
well enough. Without chips they learn from an invented settlement.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.seams import invented, split_samples
from fair_models.data.samples import Samples
from fair_models.ml_tasks import weights
from fair_models.ml_tasks.padded import Padded
from fair_models.ml_tasks.results import Epoch
from fair_models.training.phases import agreement
from models.unet_segmentation import pipeline, processing
from models.unet_segmentation.weights import WEIGHTS_FILE

EPOCHS = {"r34": 16, "c16": 20}


def main() -> None:
    """Read the arguments and write what is not there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="Where r34.onnx and c16.onnx are written.")
    parser.add_argument("--chips", type=Path, help="Folder of chips. Default: an invented settlement.")
    parser.add_argument("--labels", type=Path, help="GeoJSON of the chips.")
    given = parser.parse_args()
    make(given.folder, given.chips, given.labels)


def make(folder: Path, chips: Path | None, labels: Path | None) -> None:
    """Write what is not there yet: `<name>.onnx`, and its quicker ways beside it.

    The chips of a quarter of the area are held out: on them the quicker ways are compared with the exact one.
    `<name>-agreement.json` says how well they agree, `<name>-int8.onnx` is there where it agrees well enough.
    """
    if chips is None or labels is None:
        chips = invented(folder / "settlement", columns=8, rows=6)
        labels = chips / "labels.geojson"
    loaded = split_samples(chips, labels)
    folder.mkdir(parents=True, exist_ok=True)
    for name in NETWORKS:
        path, figures = folder / f"{name}.onnx", folder / f"{name}-agreement.json"
        if not path.exists():
            train(name, path, loaded.train)
        if not figures.exists():
            quick = agreement.quicken(path, loaded, processing, os.cpu_count() or 1)
            if quick.int8:
                path.with_name(f"{name}-int8.onnx").write_bytes(quick.int8)
            figures.write_text(json.dumps(quick.agreement.to_json() if quick.agreement else {}, indent=2))
        print(path, f"{path.stat().st_size / 1e6:.1f} MB", figures.read_text())


def train(name: str, path: Path, learnt_from: Samples) -> None:
    """Train a network and write it as ONNX."""
    params = pipeline.Params(epochs=EPOCHS[name])
    torch.manual_seed(0)
    network = NETWORKS[name](params)
    if name == "c16":
        weights.load(network, WEIGHTS_FILE)

    def report(epoch: Epoch) -> None:
        print(name, epoch.number, "of", epoch.total, f"loss {epoch.values['loss']:.3f}", flush=True)

    pipeline.train(network, learnt_from, processing, params, 0, report)
    pipeline.export(network, path, params)


class ResidualUNet(Padded):
    """U-Net over a ResNet-34 (https://arxiv.org/abs/1512.03385), with channels as most libraries have them.

    Takes float32 of shape (n, 3, height, width), gives scores of shape (n, 2, height, width).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _convolution(3, 64, size=7, stride=2)
        stages = zip(pairwise((64, 64, 128, 256, 512)), (3, 4, 6, 3), strict=True)
        self.stages = nn.ModuleList(
            nn.Sequential(
                _Residual(inputs, outputs, stride=1 if inputs == outputs else 2),
                *(_Residual(outputs, outputs) for _ in range(depth - 1)),
            )
            for (inputs, outputs), depth in stages
        )
        above = (512, 256, 128, 64, 32)
        skipped = (256, 128, 64, 64, 0)
        self.up = nn.ModuleList(
            nn.Sequential(_convolution(lower + skip, upper), _convolution(upper, upper))
            for lower, skip, upper in zip(above, skipped, (256, 128, 64, 32, 16), strict=True)
        )
        self.head = nn.Conv2d(16, 2, kernel_size=3, padding=1)

    def scores(self, pixels: Tensor) -> Tensor:
        """Scores of each class for each pixel."""
        features = self.stem(pixels)
        levels = [features]
        features = functional.max_pool2d(features, 3, stride=2, padding=1)
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        levels.pop()
        for block in self.up:
            features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = block(torch.cat([features, levels.pop()], dim=1) if levels else features)
        return self.head(features)  # type: ignore[no-any-return]


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, stride=stride)
        self.second = _convolution(outputs, outputs, active=False)
        same = stride == 1 and inputs == outputs
        self.beside = (
            nn.Identity() if same else _convolution(inputs, outputs, size=1, stride=stride, active=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.second(self.first(features)) + self.beside(features))


def _convolution(
    inputs: int, outputs: int, size: int = 3, stride: int = 1, active: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel_size=size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if active else []))


NETWORKS: dict[str, Callable[[Any], nn.Module]] = {
    "r34": lambda params: ResidualUNet(),
    "c16": pipeline.build,
}
"""What builds each network from the hyperparameters of the training."""


if __name__ == "__main__":
    main()
