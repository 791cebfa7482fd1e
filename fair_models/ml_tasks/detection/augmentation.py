"""Variants of samples for training, with their boxes: turned, mirrored, scaled, moved, in other light.

Needs torch. Turns are by quarters: the box around a building that is turned by less is not the turned box.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from fair_models.ml_tasks.detection.targets import FILLING, SMALLEST_PX
from fair_models.ml_tasks.light import change_light
from fair_models.types import Array

SCALE_SPREAD = 0.15
"""Standard deviation of the logarithm of the scale: two thirds of the samples are 0.86 to 1.16 as large."""

MAX_SHIFT = 0.125
"""How far a sample is moved at most, as a share of its size."""

_MIN_VISIBLE = 0.25
"""Share of a box that has to stay on the sample."""


def vary(images: Array, targets: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Turn, mirror, scale, move and light each sample its own way.

    Args:
        images: uint8, shape (n, bands, size, size); samples are square.
        targets: Boxes, float32, shape (n, boxes, 5), see `targets.from_labels`.
        random: Where all chance comes from.

    Returns:
        New arrays of the same shapes and types. What is moved in from beyond the edge is black; boxes end at
        the edge, and are left out where a quarter of them or less stays.
    """
    maps = np.stack([_map(random) for _ in images])
    grid = functional.affine_grid(
        torch.from_numpy(maps.astype(np.float32)), list(images.shape), align_corners=False
    )
    moved = functional.grid_sample(
        torch.from_numpy(np.asarray(images, dtype=np.float32)),
        grid,
        padding_mode="zeros",
        align_corners=False,
    )
    pixels = moved.round_().clamp_(0, 255).to(torch.uint8).numpy()
    lit = np.stack([change_light(image, random) for image in pixels])
    size = images.shape[-1]
    return lit, np.stack([_moved(target, each, size) for target, each in zip(targets, maps, strict=True)])


def _map(random: np.random.Generator) -> Array:
    """Where a varied sample comes from, shape (2, 3), in coordinates from -1 to 1."""
    turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), int(random.integers(4)))
    mirror = np.diag([random.choice([-1, 1]), 1])
    scale = np.exp(random.normal(0, SCALE_SPREAD))
    shift = random.uniform(-2 * MAX_SHIFT, 2 * MAX_SHIFT, size=(2, 1))
    return np.hstack([turn @ mirror * scale, shift])


def _moved(target: Array, where: Array, size: int) -> Array:
    """Boxes of a sample after the move that `where` undoes."""
    corners = target[:, :4].reshape(-1, 2, 2) * 2 / size - 1
    back = np.linalg.inv(where[:, :2])
    corners = ((corners - where[:, 2]) @ back.T + 1) * size / 2
    whole = np.hstack([corners.min(axis=1), corners.max(axis=1)])
    seen = np.clip(whole, 0, size)
    sides, before = seen[:, 2:] - seen[:, :2], whole[:, 2:] - whole[:, :2]
    keep = (target[:, 4] != FILLING) & (sides.min(axis=1) >= SMALLEST_PX)
    keep &= sides.prod(axis=1) > _MIN_VISIBLE * before.prod(axis=1)
    made = np.zeros_like(target)
    made[:, 4] = FILLING
    made[: keep.sum(), :4], made[: keep.sum(), 4] = seen[keep], target[keep, 4]
    return made
