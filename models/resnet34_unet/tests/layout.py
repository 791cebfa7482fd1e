"""The state dict of a ResNet-34 as it is published, written down without the network: names and shapes."""

from __future__ import annotations

import torch
from torch import Tensor

Shape = tuple[int, ...]


def shapes(width: int = 64, classes: int = 1000) -> dict[str, Shape]:
    """Shape of each tensor by name."""
    found: dict[str, Shape] = {"conv1.weight": (width, 3, 7, 7), **_norm("bn1", width)}
    inputs = width
    for number, blocks in enumerate((3, 4, 6, 3), start=1):
        outputs = width * 2 ** (number - 1)
        for block in range(blocks):
            name = f"layer{number}.{block}"
            found[f"{name}.conv1.weight"] = (outputs, inputs, 3, 3)
            found |= _norm(f"{name}.bn1", outputs)
            found[f"{name}.conv2.weight"] = (outputs, outputs, 3, 3)
            found |= _norm(f"{name}.bn2", outputs)
            if inputs != outputs:
                found[f"{name}.downsample.0.weight"] = (outputs, inputs, 1, 1)
                found |= _norm(f"{name}.downsample.1", outputs)
            inputs = outputs
    return {**found, "fc.weight": (classes, inputs), "fc.bias": (classes,)}


def state(width: int, seed: int = 5) -> dict[str, Tensor]:
    """Tensors of these shapes: small random weights, variances of one."""
    random = torch.Generator().manual_seed(seed)
    return {name: _tensor(name, shape, random) for name, shape in shapes(width).items()}


def _tensor(name: str, shape: Shape, random: torch.Generator) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    if name.endswith("running_var"):
        return torch.ones(shape)
    return torch.randn(shape, generator=random) * 0.05


def _norm(name: str, channels: int) -> dict[str, Shape]:
    each = {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}
    return {**each, f"{name}.num_batches_tracked": ()}
