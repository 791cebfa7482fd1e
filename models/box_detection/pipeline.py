"""Buildings as boxes, found by their centres. RGB chips, 256 x 256 px, about 0.3 m per px."""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from fair_models.sdk.detection import training

BANDS = 3
CLASSES = 1
CHANNELS = (16, 32, 48, 64, 64)
"""Of the levels at a half, a quarter, an eighth, a sixteenth and a thirty-second of the size."""

RARE = -2.2
"""Score of a centre before anything is learnt: one cell in ten. Most cells are none."""


class Params(training.Params):
    """Hyperparameters of the training."""

    batch_size: int = Field(8, ge=1, le=256, description="Chips that are learnt from at once (1 to 256).")
    width: int = Field(32, ge=8, le=128, description="Channels that boxes are read from (8 to 128).")


def build(params: Params) -> BoxNet:
    """Make the network: 0.24 million weights at a width of 32."""
    return BoxNet(params.width)


train, evaluate, export = training.train, training.evaluate, training.export
calibrate = training.calibrate


class BoxNet(nn.Module):
    """Convolutions that halve the size five times and come back to a quarter of it; boxes without anchors.

    Takes float32 of shape (n, 3, height, width) in [0, 1], any height and width from 32 px up. Gives `heads`
    of shape (n, 5, height / 4, width / 4), see `detection.processing.found_objects`
    (https://arxiv.org/abs/1904.07850 is where the idea comes from).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = _convolution(BANDS, CHANNELS[0], stride=2)
        self.down = nn.ModuleList(_block(upper, lower) for upper, lower in pairwise(CHANNELS))
        self.across = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in CHANNELS[1:])
        self.up = nn.ModuleList(_convolution(width, width) for _ in CHANNELS[2:])
        self.centres = _head(width, CLASSES)
        self.sizes = _head(width, 4)
        nn.init.constant_(self.get_parameter("centres.1.bias"), RARE)
        nn.init.zeros_(self.get_parameter("sizes.1.weight"))

    def forward(self, pixels: Tensor) -> Tensor:
        """Scores of centres, offsets and sizes."""
        features = self.stem(pixels)
        levels: list[Tensor] = []
        for block in self.down:
            # With ceil_mode any size goes through, not only multiples of 32.
            features = block(functional.max_pool2d(features, 2, ceil_mode=True))
            levels.append(features)
        features = self.across[-1](levels[-1])
        for level in range(len(levels) - 2, -1, -1):
            beside = self.across[level](levels[level])
            features = self.up[level](beside + _resize_like(features, beside))
        return torch.cat([self.centres(features), self.sizes(features)], dim=1)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _head(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, inputs), nn.Conv2d(inputs, outputs, kernel_size=1))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, outputs), _convolution(outputs, outputs))


def _resize_like(features: Tensor, other: Tensor) -> Tensor:
    return functional.interpolate(features, size=other.shape[-2:], mode="bilinear", align_corners=False)
