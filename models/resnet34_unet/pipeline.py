"""U-Net with a ResNet-34 encoder for building footprints. RGB chips, 256 x 256 px, about 0.3 m per px."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from fair_models.sdk import weights
from fair_models.sdk.networks import Padded, doubled
from fair_models.sdk.segmentation import instances

from .encoder import FACTORS, Encoder

CLASSES = 2
CHANNELS = CLASSES + 2
"""Scores of each class, of boundaries of buildings, and of contacts between them."""
CLASSIFIER = ("fc",)
"""Layers of the published network that a segmentation has no use for."""


class Params(instances.Params):
    """Hyperparameters of the training.

    Smaller steps and fewer epochs than those of a network that starts from nothing.
    """

    epochs: int = Field(40, ge=1, le=1000, description="Passes over the training chips (1 to 1000).")
    batch_size: int = Field(8, ge=1, le=256, description="Chips that are learnt from at once (1 to 256).")
    learning_rate: float = Field(
        0.0005,
        ge=1e-6,
        le=1,
        description="Largest step size of AdamW, reached after the warm-up (0.000001 to 1).",
    )
    width: int = Field(
        64, ge=4, le=64, multiple_of=4, description="Channels of the encoder's first layer (4 to 64)."
    )


def build(params: Params) -> ResNetUNet:
    """Make the network: 24.4 million weights at a width of 64."""
    return ResNetUNet(params.width)


def adopt(network: ResNetUNet, tensors: Mapping[str, Tensor]) -> None:
    """Put the weights of a published ResNet-34 into the encoder; its classifier is left out.

    Raises:
        InvalidContribution: They are not those of a ResNet-34; lists every tensor that does not fit.
    """
    own = network.encoder.state_dict()
    counters = {name: tensor for name, tensor in own.items() if name.endswith("num_batches_tracked")}
    # Files made before torch 0.4.1 have no counters, and nothing depends on them.
    found = {**counters, **weights.without(tensors, CLASSIFIER)}
    weights.put(network.encoder, found, "published ResNet-34")


train, evaluate, export = instances.train, instances.evaluate, instances.export
calibrate = instances.calibrate


class ResNetUNet(Padded):
    """U-Net (https://arxiv.org/abs/1505.04597) over the features of a ResNet-34.

    Takes float32 of shape (n, 3, height, width), any height and width from 32 px up. Gives scores of shape
    (n, 4, height, width).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = Encoder(width)
        coarse, *finer = [width * factor for factor in reversed((1, *FACTORS))]
        blocks = []
        for skip, outputs in zip(
            [*finer, 0], (width * 4, width * 2, width, width // 2, width // 4), strict=True
        ):
            blocks.append(_block(coarse + skip, outputs))
            coarse = outputs
        self.decoder = nn.ModuleList(blocks)
        self.head = nn.Conv2d(coarse, CHANNELS, kernel_size=3, padding=1)

    def scores(self, pixels: Tensor) -> Tensor:
        """Scores of each class, of boundaries and of contacts for each pixel."""
        *above, features = self.encoder(pixels)
        for block, skip in zip(self.decoder, [*reversed(above), None], strict=True):
            features = doubled(features)
            features = block(features if skip is None else torch.cat([features, skip], dim=1))
        scores: Tensor = self.head(features)
        return scores


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(inputs, outputs), *_convolution(outputs, outputs))


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
