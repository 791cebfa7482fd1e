"""Which runs of a mask touch, or lie near to each other, and what that connects."""

from __future__ import annotations

import numpy as np

from fair_models.inference.windowing.mask_runs import Runs
from fair_models.types import Array


def meetings(runs: Runs, width: int) -> tuple[Array, Array]:
    """Runs of one class that share an edge with one of the next row: indices of the upper and the lower ones.

    Both are in ascending order.
    """
    starts, stops = runs.rows * width + runs.starts, runs.rows * width + runs.stops
    first = np.searchsorted(stops, starts + width, side="right")
    count = np.maximum(np.searchsorted(starts, stops + width, side="left") - first, 0)
    upper = np.repeat(np.arange(len(runs)), count)
    lower = np.arange(len(upper)) + np.repeat(first - (np.cumsum(count) - count), count)
    same = runs.classes[upper] == runs.classes[lower]
    return upper[same], lower[same]


def near(runs: Runs, width: int, gap_px: int) -> tuple[Array, Array]:
    """Runs of one class with no more than `gap_px` pixels between them, across and down: pairs of indices.

    With 0 they share an edge or a corner. Every pair comes once.

    Args:
        runs: Runs of a part of a block.
        width: Columns of the block.
        gap_px: Pixels, not negative.
    """
    across = width + gap_px + 1  # so that what ends a row is not near to what begins the next
    starts, stops = runs.rows * across + runs.starts, runs.rows * across + runs.stops
    pairs = []
    for down in range(gap_px + 2):
        first = np.searchsorted(stops, starts + down * across - gap_px)
        if down == 0:
            first = np.arange(1, len(runs) + 1)
        count = np.maximum(np.searchsorted(starts, stops + down * across + gap_px, side="right") - first, 0)
        one = np.repeat(np.arange(len(runs)), count)
        other = np.arange(len(one)) + np.repeat(first - (np.cumsum(count) - count), count)
        same = runs.classes[one] == runs.classes[other]
        pairs.append((one[same], other[same]))
    return np.concatenate([one for one, _ in pairs]), np.concatenate([other for _, other in pairs])


def groups(one: Array, other: Array, count: int) -> tuple[Array, int]:
    """What links connect.

    Args:
        one: Indices of the things at the one end of each link.
        other: Of those at the other end, same shape.
        count: How many things there are.

    Returns:
        Number of the group of each thing, from 0 on, int64, shape (count,); and how many groups there are.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
    found, group = connected_components(links, directed=False)
    return group.astype(np.int64), int(found)


def ranges(begins: Array, lengths: Array) -> Array:
    """Whole numbers from each of the begins on, so many as its length, one after the other."""
    before = np.cumsum(lengths) - lengths
    return np.asarray(np.arange(int(lengths.sum())) + np.repeat(begins - before, lengths))
