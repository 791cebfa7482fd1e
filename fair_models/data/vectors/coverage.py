"""What a chip as a whole is, by how much of it labels cover."""

from __future__ import annotations

import numpy as np

from fair_models.data.samples import IGNORE
from fair_models.types import Array

MIN_SHARE = 0.005
"""Least share of the imagery that a class has to cover for the whole to count as that class.

Of a chip of zoom 19 (about 68 m wide) that is 23 m², a hut. A chip that shows no more than the edge of a roof
that belongs to its neighbour holds no building.
"""


def main_class(mask: Array, imagery: Array, class_count: int) -> int:
    """Index of the class that covers most of the imagery, 0 where none covers at least `MIN_SHARE` of it.

    Where nothing does but what is to be ignored, nobody knows what the whole is: `IGNORE`.

    Args:
        mask: Class index of each pixel, uint8, shape (height, width); 0 is the background, `IGNORE` what
            counts neither way.
        imagery: Which pixels are imagery, bool, same shape; others do not count.
        class_count: Number of classes, the background included.
    """
    all_shares = np.bincount(mask[imagery], minlength=IGNORE + 1) / max(1, int(imagery.sum()))
    shares = all_shares[1:class_count]
    best = int(shares.argmax())
    if shares[best] >= MIN_SHARE:
        return best + 1
    return IGNORE if all_shares[IGNORE] >= MIN_SHARE else 0
