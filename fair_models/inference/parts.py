"""The contract's inference half: from pixels to the network's input, from its output to parts. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fair_models.types import Array

NO_IMAGERY = 255
"""Value of pixels that there is no imagery of, in both rasters. There are at most 255 classes."""

SCALE = 0.01
"""Confidence is kept in per cent: value x 0.01 is the probability."""

MARKER_THRESHOLD = 0.5
"""Least probability of an interior of an object where nothing else is asked for."""

REACH_M = 3.0
"""How far markers grow where nothing else is asked for, in metres."""


@dataclass(frozen=True)
class Window:
    """One rectangle of pixels that a model sees, on the pixel grid at the model's resolution.

    `row` and `column` are the position of the top left pixel on the grid of the whole imagery,
    `height` and `width` the size in pixels, margins included. `source` names the chip or image.
    """

    row: int
    column: int
    height: int
    width: int
    source: str


@dataclass(frozen=True)
class RasterPart:
    """Probabilities of each class for each pixel of a window.

    probabilities: float32, shape (classes, height, width), in [0, 1]; class 0 is the background.
    """

    probabilities: Array


@dataclass(frozen=True)
class InstancePart:
    """Probabilities of each class for each pixel of a window, and where the interiors of objects are.

    Interiors of two objects never touch, so connected ones of one class are the marker of one object.
    After the windows are joined, each pixel of the class belongs to the nearest marker within reach.

    probabilities: float32, shape (classes, height, width), in [0, 1]; class 0 is the background.
    interior: Probability that a pixel lies in the interior of an object, float32, shape (height, width), in
        [0, 1]. Classes whose objects are not told apart have none.
    """

    probabilities: Array
    interior: Array


@dataclass(frozen=True)
class FeaturePart:
    """Boxes or points found in a window.

    geometries: float32; boxes have shape (n, 4) as x_min, y_min, x_max, y_max, points (n, 2) as x, y;
        in pixels from the window's top left corner.
    scores: float32, shape (n,), in [0, 1].
    classes: integer index of each one's class, shape (n,).
    """

    geometries: Array
    scores: Array
    classes: Array


@dataclass(frozen=True)
class Scores:
    """Numbers for a window as a whole, by class name, in [0, 1]."""

    values: Mapping[str, float]


@dataclass(frozen=True)
class Embedding:
    """Where a window as a whole lies among all that a model compares. It is nothing on a map.

    vector: float32, shape (d,), of length 1.
    """

    vector: Array


Part = RasterPart | InstancePart | FeaturePart | Scores | Embedding
Parts = Sequence[Part]


class Processing(Protocol):
    """`processing.py`, numpy only: the same functions in training, evaluation and prediction."""

    def preprocess(self, window: Array) -> Array:
        """Make what the network takes.

        Args:
            window: Pixels at the model's resolution, uint8, shape (bands, height, width), 0 to 255.

        Returns:
            float32, shape (bands, height, width), in the range that the item's `mlm:input` declares.
        """

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        """Say what the network's outputs mean for one window.

        Args:
            outputs: Arrays without the batch axis, by the name of the ONNX output.
            window: Where the pixels lie.
            params: Inference parameters without their prefix, e.g. {"confidence_threshold": 0.5}.
        """


def to_percent(probability: Array, valid: Array) -> Array:
    """Probabilities (0 to 1) as they are kept: per cent in uint8, `NO_IMAGERY` where `valid` is false."""
    percent = np.rint(np.where(valid, probability, 0) / SCALE).astype(np.uint8)
    return np.where(valid, percent, np.uint8(NO_IMAGERY))
