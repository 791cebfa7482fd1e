"""How far from the top the right answer is found. Numpy only.

Ties count as what chance would make of them: of k images that are equally like a sentence, the right one is
among the first 10 with a chance of 10 / k. So the same function measures a model, the best that any model
could do (images with an equal caption cannot be told apart) and a blind guess (all are equally like it).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fair_models.types import Array

DEPTHS = (1, 5, 10)
"""How many answers somebody looks at."""

TO_IMAGE, TO_TEXT = "text_to_image", "image_to_text"


def places(scores: Array, right: Array) -> tuple[Array, Array]:
    """How many answers stand before the right one, and how many beside it.

    Args:
        scores: How like each answer is, float, shape (queries, answers).
        right: Which answers are right, bool, same shape, at least one in each row. The best of them counts.

    Returns:
        For each query the number of wrong answers with a higher score than its best right one, and of all
        answers with the same score, itself included; int64, shape (queries,). Of several right answers with
        that score one is enough, so the others shorten the tie.
    """
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    before = (scores > best).sum(axis=1)
    level = scores == best
    equal_right = (level & right).sum(axis=1)
    wrong = (level & ~right).sum(axis=1)
    return before, np.maximum(1, np.round((wrong + 1) / np.maximum(equal_right, 1)).astype(np.int64))


def recall(before: Array, level: Array, depth: int) -> Array:
    """The chance of each query that the right answer is among the first `depth`, 0 to 1, shape (queries,)."""
    return np.clip((depth - before) / level, 0.0, 1.0)


def median_rank(before: Array, level: Array) -> float:
    """Rank of the right answer (1 is the first) in the middle of all queries; a tie counts as its middle."""
    return float(np.median(1 + before + (level - 1) / 2))


def summarise(scores: Array, right: Array, direction: str) -> dict[str, float | None]:
    """Recall at each of `DEPTHS` and the median rank of one direction, by the keys that items use.

    Args:
        scores: As in `places`.
        right: As in `places`.
        direction: `TO_IMAGE` or `TO_TEXT`.

    Returns:
        `fair:<direction>_recall_at_<depth>` in [0, 1] and `fair:<direction>_median_rank`, 1 and more; None
        where nothing was asked.
    """
    if not scores.size:
        keys = [*(f"recall_at_{depth}" for depth in DEPTHS), "median_rank"]
        return {f"fair:{direction}_{key}": None for key in keys}
    return summed(*places(scores, right), direction)


def summed(before: Array, level: Array, direction: str) -> dict[str, float | None]:
    """The metrics of queries whose places are known."""
    found: dict[str, float | None] = {
        f"fair:{direction}_recall_at_{depth}": float(recall(before, level, depth).mean()) for depth in DEPTHS
    }
    return {**found, f"fair:{direction}_median_rank": median_rank(before, level)}


def ceiling(captions: Sequence[str], owners: Array, depth: int) -> float:
    """The best recall that any model could reach from text to image: equal captions cannot be told apart.

    Args:
        captions: All queries.
        owners: Index of the image that each belongs to, shape (queries,).
        depth: How many answers are looked at.

    Returns:
        Mean over the queries of min(1, depth / images with that caption), 0 to 1.
    """
    images: dict[str, set[int]] = {}
    for caption, owner in zip(captions, owners, strict=True):
        images.setdefault(caption, set()).add(int(owner))
    return float(np.mean([min(1.0, depth / len(images[caption])) for caption in captions]))
