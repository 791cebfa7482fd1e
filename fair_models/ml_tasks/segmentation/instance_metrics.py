"""How well objects are told apart, held against the numbered objects of the labels. Numpy only.

A predicted and a true object of one class are a pair where their IoU is above one half; then no other can be
(Kirillov et al. 2019, https://arxiv.org/abs/1801.00868). What is smaller than the smallest object is none, on
either side. A predicted object counts neither way where it is in no pair and more than half of it lies on
ground that does not count: pixels to ignore, and pixels of its class that belong to no object that counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fair_models.data.samples import IGNORE
from fair_models.ml_tasks import evaluation
from fair_models.ml_tasks.average_precision import IOU_THRESHOLDS, average_precision
from fair_models.ml_tasks.averages import mean, ratio
from fair_models.ml_tasks.evaluation import Intervals, Measurement
from fair_models.ml_tasks.segmentation.instances import Objects, classes_of
from fair_models.types import Array

PAIR = 0.5
"""Above this IoU two objects are the same one."""

MEASURES = ("f1", "precision", "recall", "pq", "ap50", "ap")
"""What is measured of objects: `fair:instance_<measure>`."""


@dataclass(frozen=True)
class SampleMatches:
    """The objects of one sample that count.

    classes: Class index of each object that was found, shape (n,).
    scores: How sure the prediction is of each, shape (n,).
    ious: IoU of each with the true object of its pair; 0 where it is in none. Shape (n,).
    wanted: Number of true objects of each class, shape (classes,).
    """

    classes: Array
    scores: Array
    ious: Array
    wanted: Array


@dataclass(frozen=True)
class Matches:
    """The objects of one class on all samples, the surest first.

    samples: Position of the sample of each object that was found, shape (n,).
    scores: Shape (n,).
    ious: As in `SampleMatches`, shape (n,).
    wanted: Number of true objects on each sample, shape (samples,).
    """

    samples: Array
    scores: Array
    ious: Array
    wanted: Array

    @cached_property
    def right(self) -> Array:
        """Whether each is right for each of `IOU_THRESHOLDS`, bool, shape (10, n)."""
        return np.asarray(self.ious >= IOU_THRESHOLDS[:, None])

    def of_sample(self, position: int) -> Matches:
        """Those of one sample."""
        own = self.samples == position
        there = np.zeros(own.sum(), np.int64)
        return Matches(there, self.scores[own], self.ious[own], self.wanted[[position]])


def match(
    found: Objects, targets: Array, instances: Array, class_count: int, smallest_px: float
) -> SampleMatches:
    """Pair the objects of a prediction with those of the truth, the surest first.

    Args:
        found: The objects of a prediction.
        targets: True class of each pixel, shape (height, width); `IGNORE` counts nowhere.
        instances: Number of the true object of each pixel, same shape; 0 is none. Pixels of one number have
            one class.
        class_count: Number of classes, the background included.
        smallest_px: Pixels that an object has at least.
    """
    counted = targets != IGNORE
    wanted = np.where(counted, instances, 0).astype(np.int64)
    count, total = len(found.classes), int(wanted.max(initial=0))
    true_area = np.bincount(wanted.ravel(), minlength=total + 1)
    true_class = np.concatenate([[0], classes_of(wanted, targets, total)])
    is_true = (true_area >= max(smallest_px, 1)) & (true_class > 0)
    area = np.bincount(found.numbers.ravel(), minlength=count + 1)
    seen = np.bincount(found.numbers[counted], minlength=count + 1)
    own_class = np.concatenate([[0], found.classes])
    is_found = seen >= max(smallest_px, 1)
    is_found[0] = False

    ground = (targets == own_class[found.numbers]) & ~is_true[wanted]
    unclear = np.bincount(found.numbers[~counted | ground], minlength=count + 1)
    scores = np.concatenate([[0.0], found.scores])
    ious = np.zeros(count + 1)
    both = (found.numbers > 0) & is_true[wanted]
    pairs, shared = np.unique(found.numbers[both] * (total + 1) + wanted[both], return_counts=True)
    ours, theirs = np.divmod(pairs, total + 1)
    iou = shared / (seen[ours] + true_area[theirs] - shared)
    possible = (iou >= PAIR) & is_found[ours] & (own_class[ours] == true_class[theirs])
    _pair(ious, ours[possible], theirs[possible], iou[possible], scores)
    keep = np.flatnonzero(is_found & ((ious > 0) | (2 * unclear <= area)))
    return SampleMatches(
        own_class[keep], scores[keep], ious[keep], np.bincount(true_class[is_true], minlength=class_count)
    )


def gather(samples: Sequence[SampleMatches], index: int) -> Matches:
    """The objects of one class on all samples."""
    chosen = [each.classes == index for each in samples]
    position = np.repeat(np.arange(len(samples)), [int(own.sum()) for own in chosen])
    scores, ious = (
        np.concatenate([np.empty(0), *(values[own] for values, own in zip(column, chosen, strict=True))])
        for column in ([each.scores for each in samples], [each.ious for each in samples])
    )
    surest = np.argsort(-scores, kind="stable")
    wanted = np.array([each.wanted[index] for each in samples], np.int64)
    return Matches(position[surest], scores[surest], ious[surest], wanted)


def best_order(matched: Matches) -> Matches:
    """The same with the scores that give the best average precision: right ones first.

    A perfect prediction is as sure of one object as of another, so that nothing else would order them.
    """
    first = np.argsort(-matched.ious, kind="stable")
    ious = matched.ious[first]
    return Matches(matched.samples[first], ious, ious, matched.wanted)


def summarise(matched: Mapping[str, Matches], weights: Array | None = None) -> Measurement:
    """All metrics of objects.

    Args:
        matched: The objects of each class that has some, by its name.
        weights: How often each sample counts, shape (samples,). Default: once.

    Returns:
        `fair:instance_f1`, `fair:instance_precision` and `fair:instance_recall` over the objects of all
        classes; `fair:instance_pq`, `fair:instance_ap50` and `fair:instance_ap` as means over the classes
        that occur. In [0, 1], None where there was nothing. Of each class the same without `fair:`.
    """
    counts = {name: _counts(each, weights) for name, each in matched.items()}
    values = {name: _of_class(matched[name], weights, counts[name]) for name in matched}
    both = _f1(np.sum([*counts.values()], axis=0)) if counts else dict.fromkeys(MEASURES[:3])
    means = {key: mean([each[key] for each in values.values()]) for key in MEASURES[3:]}
    return Measurement(
        {f"fair:instance_{key}": value for key, value in {**both, **means}.items()},
        {name: {f"instance_{key}": value for key, value in each.items()} for name, each in values.items()},
    )


def ends(matched: Mapping[str, Matches], count: int) -> Intervals:
    """Intervals of `summarise` over other draws of `count` samples."""

    def measure(positions: Array) -> Measurement:
        return summarise(matched, np.bincount(positions, minlength=count).astype(np.float64))

    return evaluation.with_samples(count, measure)


def _pair(ious: Array, ours: Array, theirs: Array, iou: Array, scores: Array) -> None:
    """Note the IoU of pairs, each true object once: the surest object first takes the one that it fits best.

    Only where the IoU is exactly one half can there be two.
    """
    taken: set[int] = set()
    for place in np.lexsort((-theirs, -iou, ours, -scores[ours])):
        mine, other = ours[place], int(theirs[place])
        if ious[mine] == 0 and other not in taken:
            ious[mine] = iou[place]
            taken.add(other)


def _counts(matched: Matches, weights: Array | None) -> Array:
    """Objects in pairs, found, wanted, and the sum of the IoU of the pairs."""
    each = 1.0 if weights is None else weights[matched.samples]
    paired = (matched.ious > PAIR) * each
    total = float(len(matched.scores)) if weights is None else float(np.sum(each))
    wanted = matched.wanted.sum() if weights is None else weights @ matched.wanted
    return np.array([paired.sum(), total, wanted, paired @ matched.ious])


def _f1(counts: Array) -> dict[str, float | None]:
    paired, found, wanted, _ = counts
    return {
        "f1": ratio(2 * paired, found + wanted),
        "precision": ratio(paired, found),
        "recall": ratio(paired, wanted),
    }


def _of_class(matched: Matches, weights: Array | None, counts: Array) -> dict[str, float | None]:
    _, found, wanted, iou_sum = counts
    each = np.ones(len(matched.scores)) if weights is None else weights[matched.samples]
    precision = average_precision(matched.right, each, float(wanted))
    return {
        **_f1(counts),
        "pq": ratio(2 * iou_sum, found + wanted),
        "ap50": None if precision is None else float(precision[0]),
        "ap": None if precision is None else float(precision.mean()),
    }
