"""ResNet-34 without its classifier, with the names that published weights have.

https://arxiv.org/abs/1512.03385
"""

from __future__ import annotations

from torch import Tensor, nn

BANDS = 3
BLOCKS = (3, 4, 6, 3)
FACTORS = (1, 2, 4, 8)
"""Blocks of each of the four layers, and their channels as multiples of the first layer's."""


class Encoder(nn.Module):
    """Features at five sizes: one half, one quarter, down to one 32nd of the input's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(BANDS, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        outer = [width, *(width * factor for factor in FACTORS)]
        layers = [
            _layer(inputs, outputs, blocks, stride=1 if number == 0 else 2)
            for number, (inputs, outputs, blocks) in enumerate(
                zip(outer[:-1], outer[1:], BLOCKS, strict=True)
            )
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = layers

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Features from fine to coarse, with `width` times 1, 1, 2, 4 and 8 channels."""
        features = self.relu(self.bn1(self.conv1(pixels)))
        found = [features]
        features = self.maxpool(features)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = layer(features)
            found.append(features)
        return found


class Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Features of the next depth."""
        cut = features if self.downsample is None else self.downsample(features)
        inner = self.relu(self.bn1(self.conv1(features)))
        result: Tensor = self.relu(self.bn2(self.conv2(inner)) + cut)
        return result


def _layer(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    first = Block(inputs, outputs, stride)
    return nn.Sequential(first, *(Block(outputs, outputs, stride=1) for _ in range(blocks - 1)))
