"""Varied samples for training: the same ground in other light, a little moved, described in other words."""

from __future__ import annotations

import numpy as np

from fair_models.ml_tasks.light import change_light
from fair_models.types import Array

MAX_MOVE = 1 / 32
"""How far an image is moved at most, as a part of its size. North stays north: none is turned or mirrored."""


def vary(images: Array, targets: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Change the light, move the picture a little, and put the captions of each in another order.

    Args:
        images: uint8, shape (n, bands, height, width).
        targets: Numbers of words, shape (n, captions, length); a caption of zeros alone is none.
        random: Where all chance comes from.

    Returns:
        New images and targets of the same shapes and types; the first caption of each image is one it has.
    """
    moved = np.stack([_moved(change_light(image, random), random) for image in images])
    return moved, np.stack([_reordered(each, random) for each in targets])


def _moved(image: Array, random: np.random.Generator) -> Array:
    most = max(1, round(image.shape[-1] * MAX_MOVE))
    down, right = random.integers(-most, most + 1, 2)
    padded = np.pad(image, ((0, 0), (most, most), (most, most)), mode="edge")
    height, width = image.shape[1:]
    return padded[:, most + down : most + down + height, most + right : most + right + width]


def _reordered(captions: Array, random: np.random.Generator) -> Array:
    there = np.flatnonzero(captions.any(axis=1))
    order = [*random.permutation(there), *np.flatnonzero(~captions.any(axis=1))]
    reordered: Array = captions[np.asarray(order, dtype=int)]
    return reordered
