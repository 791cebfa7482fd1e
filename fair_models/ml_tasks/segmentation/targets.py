"""What a segmentation learns: the class of each pixel."""

from __future__ import annotations

from collections.abc import Sequence

from fair_models.data.images.grid import Grid
from fair_models.data.samples import IGNORE
from fair_models.data.vectors.labels import Labels, rasterise
from fair_models.types import Array, Mask


def from_labels(labels: Labels, grid: Grid, classes: Sequence[str], imagery: Array) -> Mask:
    """Draw labels onto a sample's pixels.

    Args:
        labels: Polygons with their classes.
        grid: Where the sample's pixels lie.
        classes: Class names; the position is the index, 0 the background.
        imagery: Which pixels are imagery; not needed here, the others are ignored in training anyway.

    Returns:
        Class index of each pixel, uint8, shape (height, width); `IGNORE` where a label lies whose class is
        not known.
    """
    return rasterise(labels, grid.transform, grid.height, grid.width, grid.crs, classes, IGNORE)


def labelled(targets: Array) -> Array:
    """Which samples have a pixel of a class but the background that counts.

    Args:
        targets: Class index of each pixel, shape (n, height, width).

    Returns:
        Bool, shape (n,).
    """
    pixels = targets.reshape(len(targets), -1)
    found: Array = ((pixels > 0) & (pixels != IGNORE)).any(axis=1)
    return found
