"""Variants of samples for training: turned, mirrored, in other light. Numpy only.

A sample stays whole: what is cut off at a corner or moved beyond an edge could be all that makes its class.
"""

from __future__ import annotations

import numpy as np

from fair_models.ml_tasks.light import change_light
from fair_models.types import Array


def vary(images: Array, targets: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Turn by quarters, mirror and light each sample its own way.

    Args:
        images: uint8, shape (n, bands, size, size); samples are square.
        targets: Class index of each, shape (n,).
        random: Where all chance comes from.

    Returns:
        A new array of images of the same shape and type, and the targets as they are.
    """
    return np.stack([change_light(_turned(image, random), random) for image in images]), targets


def _turned(image: Array, random: np.random.Generator) -> Array:
    turned = np.rot90(image, int(random.integers(4)), axes=(1, 2))
    return turned[:, :, ::-1] if random.random() < 0.5 else turned
