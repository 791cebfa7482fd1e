"""Variants of samples for training: turned, stretched, mirrored, in other light. Needs torch.

Everything random comes from the generator that is passed in.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fair_models.ml_tasks.light import change_light
from fair_models.types import Array

SCALE_SPREAD = 0.15
"""Standard deviation of the logarithm of the scale: two thirds of the samples are 0.86 to 1.16 as large."""


def vary(images: Array, targets: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Turn, stretch, mirror and light each sample its own way.

    Args:
        images: uint8, shape (n, bands, height, width).
        targets: uint8, shape (n, height, width) or (n, channels, height, width).
        random: Where all chance comes from.

    Returns:
        New arrays of the same shapes and types. What lies beyond the edge is mirrored in.
    """
    grid = _grid(images.shape, random)
    turned = functional.grid_sample(
        torch.from_numpy(np.asarray(images, dtype=np.float32)),
        grid,
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )
    height, width = targets.shape[-2:]
    masks = functional.grid_sample(
        torch.from_numpy(np.asarray(targets, dtype=np.float32)).reshape(len(targets), -1, height, width),
        grid,
        mode="nearest",
        padding_mode="reflection",
        align_corners=False,
    )
    pixels = turned.round_().clamp_(0, 255).to(torch.uint8).numpy()
    lit = np.stack([change_light(image, random) for image in pixels])
    return lit, masks.round_().to(torch.uint8).numpy().reshape(targets.shape)


def _grid(shape: tuple[int, ...], random: np.random.Generator) -> Tensor:
    """Where each pixel of the varied samples comes from, shape (n, height, width, 2), in [-1, 1]."""
    count, _, height, width = shape
    angles = random.uniform(0, 2 * math.pi, count)
    scales = np.exp(random.normal(0, SCALE_SPREAD, count))
    mirrored = random.choice([-1.0, 1.0], count)
    cosines, sines = np.cos(angles) * scales, np.sin(angles) * scales
    maps = np.zeros((count, 2, 3), dtype=np.float32)
    # In [-1, 1] a pixel of a sample that is not square is not square either.
    maps[:, 0, 0], maps[:, 0, 1] = cosines * mirrored, -sines * height / width
    maps[:, 1, 0], maps[:, 1, 1] = sines * mirrored * width / height, cosines
    return functional.affine_grid(torch.from_numpy(maps), [count, 1, height, width], align_corners=False)
