"""What a prediction found: one row per feature, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fair_models.types import Array


@dataclass(frozen=True)
class Features:
    """Features of one prediction, in a fixed order.

    geometry: Shapely points and polygons in EPSG:4326, longitude first, shape (n,).
    classes: Index of each one's class, int64, shape (n,).
    confidence: float64 in [0, 1], shape (n,). Polygons from a mask: mean probability of their pixels.
    area_m2: Area on the WGS 84 ellipsoid in m², float64, shape (n,). 0 for points.
    source: Chip or image that each one lies on, str objects, shape (n,).
    """

    geometry: Array
    classes: Array
    confidence: Array
    area_m2: Array
    source: Array

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.classes, self.confidence, self.area_m2, self.source)}
        if lengths != {len(self.geometry)}:
            raise ValueError(f"columns of different length: {sorted(lengths)}, geometry {len(self.geometry)}")

    def __len__(self) -> int:
        return len(self.geometry)

    def select(self, keep: Array) -> Features:
        """The features that a boolean mask or an array of indices names, in that order."""
        return Features(
            self.geometry[keep],
            self.classes[keep],
            self.confidence[keep],
            self.area_m2[keep],
            self.source[keep],
        )

    def counts(self, classes: Sequence[str]) -> dict[str, int]:
        """Number of features of each class.

        Args:
            classes: Class names; the position is the index.

        Returns:
            Count by name, for all classes except a background without features.
        """
        numbers = np.bincount(self.classes, minlength=len(classes))
        return {
            name: int(number)
            for index, (name, number) in enumerate(zip(classes, numbers, strict=True))
            if index or number
        }


def none() -> Features:
    """No features at all."""
    return Features(
        np.empty(0, dtype=object),
        np.empty(0, dtype=np.int64),
        np.empty(0),
        np.empty(0),
        np.empty(0, dtype=object),
    )


def concatenate(parts: Sequence[Features]) -> Features:
    """Features of several blocks, one after the other."""
    if not parts:
        return none()
    return Features(
        np.concatenate([part.geometry for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        np.concatenate([part.area_m2 for part in parts]),
        np.concatenate([part.source for part in parts]),
    )
