"""What a model's post-processing says of one window. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fair_models.types import Array


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


Part = RasterPart | FeaturePart | Scores | Embedding
Parts = Sequence[Part]
