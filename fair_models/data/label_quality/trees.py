"""Boosted trees on binned numbers: a small classifier that needs numpy alone and is quick on many rows.

All nodes of one level of a tree ask the same question, so that a tree is a table of 2^depth values (oblivious
trees: https://arxiv.org/abs/1706.09516, section 4). Splits are found by the gradients and curvatures of the
logistic loss (https://arxiv.org/abs/1603.02754, equations 6 and 7).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fair_models.types import Array

BINS = 32
TREES, DEPTH, RATE = 40, 4, 0.25
_COLUMNS = 12
"""Columns that a tree looks at, chosen by chance: trees that differ err less together."""

_SHRINKAGE = 5.0
_RAREST = 0.005


@dataclass(frozen=True)
class BoostedTrees:
    """A classifier that was fitted.

    base: Log-odds before the first tree.
    splits: Column and bin of each question, shape (trees, depth, 2); values above the bin go right.
    values: Log-odds that each leaf adds, shape (trees, 2^depth).
    """

    base: float
    splits: Array
    values: Array

    def predict(self, rows: Array) -> Array:
        """Probabilities, shape (n,).

        Args:
            rows: Bins, uint8, shape (n, columns).
        """
        odds = np.full(len(rows), self.base)
        for splits, values in zip(self.splits, self.values, strict=True):
            odds += values[_leaves(rows, splits)]
        return np.asarray(1 / (1 + np.exp(-odds)))


def edges(values: Array) -> Array:
    """Edges of bins that hold equally many values each, shape (BINS - 1, columns).

    Args:
        values: Shape (n, columns).
    """
    return np.asarray(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1], axis=0))


def binned(values: Array, at: Array) -> Array:
    """The bin of each value, uint8, of the shape of `values`.

    Args:
        values: Shape (n, columns).
        at: Edges, see `edges`.
    """
    columns = [np.searchsorted(at[:, each], values[:, each]) for each in range(values.shape[1])]
    return np.stack(columns, axis=1).astype(np.uint8)


def fit(rows: Array, target: Array, seed: int) -> BoostedTrees:
    """Fit trees.

    Args:
        rows: Bins, uint8, shape (n, columns).
        target: What each row is, bool, shape (n,).
        seed: Chooses the columns of each tree. The same arguments give the same trees.
    """
    rng = np.random.default_rng(seed)
    share = float(np.clip(target.mean(), _RAREST, 1 - _RAREST))
    base = float(np.log(share / (1 - share)))
    odds = np.full(len(rows), base)
    by_column = np.ascontiguousarray(rows.T)
    all_splits, all_values = [], []
    for _ in range(TREES):
        probability = 1 / (1 + np.exp(-odds))
        slope, curve = target - probability, probability * (1 - probability)
        columns = rng.choice(rows.shape[1], min(_COLUMNS, rows.shape[1]), replace=False)
        leaves = np.zeros(len(rows), dtype=np.int64)
        splits: list[tuple[int, int]] = []
        for _ in range(DEPTH):
            column, edge = _best(by_column, columns, leaves, 1 << len(splits), slope, curve)
            splits.append((column, edge))
            leaves = leaves * 2 + (by_column[column] > edge)
        count = 1 << DEPTH
        values = RATE * np.bincount(leaves, slope, count) / (np.bincount(leaves, curve, count) + _SHRINKAGE)
        odds += values[leaves]
        all_splits.append(splits)
        all_values.append(values)
    return BoostedTrees(base, np.array(all_splits), np.array(all_values))


def _best(
    by_column: Array, columns: Array, leaves: Array, count: int, slope: Array, curve: Array
) -> tuple[int, int]:
    """The question that gains most over all nodes of a level: column and bin."""
    best, found = -1.0, (int(columns[0]), 0)
    for column in columns.tolist():
        cells = leaves * BINS + by_column[column]
        slopes, curves = (
            np.bincount(cells, each, count * BINS).reshape(count, BINS).cumsum(axis=1)
            for each in (slope, curve)
        )
        left = slopes[:, :-1] ** 2 / (curves[:, :-1] + _SHRINKAGE)
        right = (slopes[:, -1:] - slopes[:, :-1]) ** 2 / (curves[:, -1:] - curves[:, :-1] + _SHRINKAGE)
        gains = (left + right).sum(axis=0)
        edge = int(gains.argmax())
        if gains[edge] > best:
            best, found = float(gains[edge]), (column, edge)
    return found


def _leaves(rows: Array, splits: Array) -> Array:
    leaves = np.zeros(len(rows), dtype=np.int64)
    for column, edge in splits:
        leaves = leaves * 2 + (rows[:, column] > edge)
    return leaves
