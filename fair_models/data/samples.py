"""Samples in memory: decoded once, targets made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fair_models.types import Array

IGNORE = 255
"""Target value of pixels that count neither in training nor in evaluation (outside a chip's image)."""


@dataclass(frozen=True)
class Samples:
    """Images and what they should be predicted as, in the same order.

    images: uint8, shape (n, bands, height, width), at the model's resolution.
    targets: what the ML task makes of the labels. Segmentation: class index of each pixel, uint8,
        shape (n, height, width), 0 is the background, 255 counts neither way.
    names: where each sample comes from, e.g. "OAM-386690-220241-19".
    classes: class names; the position is the index, 0 the background.
    """

    images: Array
    targets: Array
    names: Sequence[str]
    classes: Sequence[str]

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.targets) == len(self.names):
            raise ValueError(
                "images, targets and names differ in number: "
                f"{len(self.images)}, {len(self.targets)}, {len(self.names)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def select(self, indices: Sequence[int]) -> Samples:
        """These samples, in this order."""
        index = np.asarray(indices, dtype=int)
        return Samples(self.images[index], self.targets[index], [self.names[i] for i in index], self.classes)
