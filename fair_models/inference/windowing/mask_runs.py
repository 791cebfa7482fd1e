"""Masks as runs: pixels of one class that lie side by side in a row. Far fewer than pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from fair_models.types import Array


@dataclass(frozen=True)
class Runs:
    """Runs of some rows of a block, sorted by row and column. Beside a run lies none of its own class.

    rows: Row of each, int64, shape (n,).
    starts: Its first column, int64, shape (n,).
    stops: The column after its last, int64, shape (n,).
    classes: Index of its class, from 1 on, int64, shape (n,).
    totals: Sum of the probabilities of its pixels, float64, shape (n,).
    """

    rows: Array
    starts: Array
    stops: Array
    classes: Array
    totals: Array

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, keep: Array | slice) -> Runs:
        """Those that a boolean mask, an array of indices or a slice names."""
        return Runs(*(getattr(self, field.name)[keep] for field in fields(self)))


def none() -> Runs:
    """No runs."""
    nothing = np.empty(0, np.int64)
    return Runs(nothing, nothing, nothing, nothing, np.empty(0))


def of_mask(classes: Array, probability: Array, row: int = 0, column: int = 0) -> Runs:
    """Runs of a part of a block.

    Args:
        classes: Class index of each pixel, uint8, shape (height, width); 0 is the background.
        probability: float32, same shape.
        row: Row of the part's top left pixel on the block.
        column: Column of that pixel.
    """
    width = classes.shape[1]
    inside = classes > 0
    begins, ends = inside.copy(), inside
    changes = classes[:, 1:] != classes[:, :-1]
    begins[:, 1:] &= changes
    ends[:, :-1] &= changes
    first, last = np.flatnonzero(begins), np.flatnonzero(ends)
    rows, starts = np.divmod(first, width)
    # The sums of what lies between two runs are every second one, and left out.
    bounds = np.column_stack((first, last + 1)).ravel()
    values = np.append(probability.ravel(), np.float32(0))
    totals = np.add.reduceat(values, bounds, dtype=np.float64)[::2] if len(first) else np.empty(0)
    return Runs(
        rows + row,
        starts + column,
        last % width + column + 1,
        classes.ravel()[first].astype(np.int64),
        totals,
    )


def stacked(*parts: Runs) -> Runs:
    """Runs of parts of a block, one part after the other."""
    names = [field.name for field in fields(Runs)]
    return Runs(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def joined(parts: Sequence[Runs]) -> Runs:
    """Runs of parts of a block that share no pixel, as those of one: joined where parts meet."""
    together = stacked(none(), *parts)
    runs = together.select(np.lexsort((together.starts, together.rows)))
    if not len(runs):
        return runs
    apart = (
        (runs.rows[1:] != runs.rows[:-1])
        | (runs.starts[1:] != runs.stops[:-1])
        | (runs.classes[1:] != runs.classes[:-1])
    )
    begins = np.append(True, apart)
    ends = np.append(apart, True)
    return Runs(
        runs.rows[begins],
        runs.starts[begins],
        runs.stops[ends],
        runs.classes[begins],
        np.add.reduceat(runs.totals, np.flatnonzero(begins)),
    )
