"""What chips show, as wholes. RGB chips, 256 x 256 px, about 0.3 m per px."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from pydantic import Field
from torch import Tensor, nn

from fair_models.sdk.classification import training

from .processing import CLASSES

BANDS = 3
CHANNELS = (16, 24, 32, 48, 64)


class Params(training.Params):
    """Hyperparameters of the training.

    Gentle steps: the initial weights know what a building is. Fine-tuned on 36 chips with a step size
    of 0.002 and batches of 4 the network forgot some of it: 10 of 12 held-out chips were right, 11 before.
    """

    batch_size: int = Field(8, ge=1, le=256, description="Chips that are learnt from at once (1 to 256).")
    learning_rate: float = Field(
        0.0003,
        ge=1e-6,
        le=1,
        description="Largest step size of AdamW, reached after the warm-up (0.000001 to 1).",
    )
    dropout: float = Field(
        0.1, ge=0, le=0.9, description="Share of the features left out at random in training (0 to 0.9)."
    )


def build(params: Params, classes: Sequence[str] = CLASSES) -> ChipNet:
    """Make the network: 0.13 million weights. Its head has one score for each class."""
    return ChipNet(params.dropout, len(classes))


train, evaluate, export = training.train, training.evaluate, training.export
calibrate = training.calibrate


class ChipNet(nn.Module):
    """Convolutions that halve the size five times, then the mean and the maximum over the chip.

    Takes float32 of shape (n, 3, height, width) in [0, 1]. Gives scores of shape (n, classes). The mean says
    what the ground is like; the maximum finds the one hut that the mean drowns.
    """

    def __init__(self, dropout: float, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _convolution(BANDS, CHANNELS[0], stride=2),
            *(_block(upper, lower) for upper, lower in pairwise(CHANNELS)),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * CHANNELS[-1], classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Scores of each class."""
        features = self.features(pixels)
        pooled = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        scores: Tensor = self.head(self.dropout(pooled))
        return scores


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, outputs, stride=2), _convolution(outputs, outputs))
