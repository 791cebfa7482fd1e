"""U-Net for building footprints. RGB chips, 256 x 256 px, about 0.3 m per px."""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from fair_models.sdk.networks import Padded, doubled
from fair_models.sdk.segmentation import instances

BANDS = 3
CLASSES = 2
CHANNELS = CLASSES + 2
"""Scores of each class, of boundaries of buildings, and of contacts between them."""
LEVELS = 5
MOST_CHANNELS = 64


class Params(instances.Params):
    """Hyperparameters of the training."""

    epochs: int = Field(160, ge=1, le=1000, description="Passes over the training chips (1 to 1000).")
    width: int = Field(16, ge=4, le=64, description="Channels of the first level (4 to 64).")


def build(params: Params) -> UNet:
    """Make the network: 0.49 million weights at a width of 16."""
    return UNet(params.width)


train, evaluate, export = instances.train, instances.evaluate, instances.export
calibrate = instances.calibrate


class UNet(Padded):
    """U-Net that starts at half resolution (https://arxiv.org/abs/1505.04597).

    Takes float32 of shape (n, 3, height, width) in [0, 1], any height and width from 32 px up. Gives scores
    of shape (n, 4, height, width). Channels double from level to level up to 64: deeper levels of a
    footprint model gain little from more, and the network stays fast without a GPU.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = [min(width * 2**level, MOST_CHANNELS) for level in range(LEVELS)]
        self.stem = _convolution(BANDS, channels[0], stride=2)
        self.down = nn.ModuleList([_block(channels[0], channels[0])])
        self.down.extend(_block(upper, lower) for upper, lower in pairwise(channels))
        self.up = nn.ModuleList(_block(lower + upper, upper) for lower, upper in pairwise(reversed(channels)))
        self.head = nn.Conv2d(channels[0], CHANNELS, kernel_size=1)

    def scores(self, pixels: Tensor) -> Tensor:
        """Scores of each class, of boundaries and of contacts for each pixel."""
        features = self.stem(pixels)
        levels: list[Tensor] = []
        for number, block in enumerate(self.down):
            features = block(functional.max_pool2d(features, 2) if number else features)
            levels.append(features)
        levels.pop()
        for block in self.up:
            features = block(torch.cat([doubled(features), levels.pop()], dim=1))
        return doubled(self.head(features))


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, outputs), _convolution(outputs, outputs))
