"""What a classification learns: the class of each sample as a whole, from how much of it labels cover."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fair_models.data.images.grid import Grid
from fair_models.data.samples import IGNORE
from fair_models.data.vectors.coverage import main_class
from fair_models.data.vectors.labels import Labels, rasterise
from fair_models.types import Array


def from_labels(labels: Labels, grid: Grid, classes: Sequence[str], imagery: Array) -> Array:
    """Say which class a sample is.

    Args:
        labels: Polygons with their classes: of what is mapped, or of whole chips.
        grid: Where the sample's pixels lie.
        classes: Class names; the position is the index, 0 the background.
        imagery: Which pixels are imagery, bool, shape (height, width). Labels on others do not count.

    Returns:
        Class index, uint8, shape (): of the class that covers most of the imagery, 0 where none covers
        `data.coverage.MIN_SHARE` of it; `IGNORE`, which leaves the sample out, where a label whose class is
        not known does.
    """
    mask = rasterise(labels, grid.transform, grid.height, grid.width, grid.crs, classes, IGNORE)
    return np.asarray(main_class(mask, imagery, len(classes)), dtype=np.uint8)


def labelled(targets: Array) -> Array:
    """Which samples have a class: all of them.

    Args:
        targets: Class index of each sample, shape (n,).

    Returns:
        Bool, shape (n,).
    """
    return np.ones(len(targets), bool)
