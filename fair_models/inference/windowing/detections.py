"""What the parts of one window say of its core.

A window answers for its core alone: pixels and features in its margin are its neighbour's. So nothing is
cut where windows meet. Boxes and points may be found by two windows, because both answer for what lies right
on the seam: both report it, because either may miss it. `suppression` makes one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fair_models.errors import Invalid
from fair_models.inference.parts import (
    MARKER_THRESHOLD,
    Embedding,
    FeaturePart,
    InstancePart,
    Part,
    RasterPart,
    Scores,
)
from fair_models.inference.windows import View
from fair_models.types import Array

SEAM_PX = 8
"""How far into a neighbour's core a window answers for boxes and points: two networks' middles of one object
differ by less."""


@dataclass(frozen=True)
class Mask:
    """What is where.

    classes: Class index of each pixel, uint8, shape (height, width); 0 is the background.
    probability: Probability of the best class that is not the background, float32, same shape.
    markers: Which pixels are the interior of an object, bool, same shape: some of those with a class. None
        where the model does not tell objects apart.
    """

    classes: Array
    probability: Array
    markers: Array | None = None


@dataclass(frozen=True)
class FoundObjects:
    """Boxes or points.

    geometries: float64, shape (n, 4) as x_min, y_min, x_max, y_max or (n, 2) as x, y; in pixels of the block.
    scores: float64, shape (n,).
    classes: int64, shape (n,).
    """

    geometries: Array
    scores: Array
    classes: Array


@dataclass(frozen=True)
class Detections:
    """What one window says.

    mask: Its core, where there was a raster part.
    found: Boxes and points in the core, or within `SEAM_PX` of it.
    scores: Scores of the window's source, each with the core's number of pixels.
    """

    mask: Mask | None
    found: Sequence[FoundObjects]
    scores: Sequence[tuple[int, Mapping[str, float]]]


def detections(
    view: View,
    parts: Sequence[Part],
    valid: Array,
    classes: Sequence[str],
    threshold: float,
    marker_threshold: float = MARKER_THRESHOLD,
    things: Sequence[int] | None = None,
) -> Detections:
    """What the parts of one window say of its core.

    Args:
        view: The window and its core.
        parts: What `postprocess` returned.
        valid: Which pixels of the core have imagery, bool, shape (core height, core width).
        classes: Class names; the position is the index, 0 the background.
        threshold: Least probability of a class that is not the background.
        marker_threshold: Least probability of an interior.
        things: Indices of the classes whose objects are told apart. Default: all but the background.

    Raises:
        Invalid: The parts do not fit the window or the classes.
    """
    mask, found, scores = None, [], []
    for part in parts:
        if isinstance(part, RasterPart | InstancePart):
            mask = _mask(view, part, valid, len(classes), threshold)
            if isinstance(part, InstancePart):
                mask = replace(mask, markers=_markers(view, part, mask.classes, marker_threshold, things))
        elif isinstance(part, FeaturePart):
            found.append(_found(view, part, valid, len(classes), threshold))
        elif isinstance(part, Embedding):
            raise wrong("an Embedding, which is nothing on a map")
        else:
            scores.append((view.core.height * view.core.width, _checked(part, classes)))
    return Detections(mask, found, scores)


def mean_scores(weighted: Sequence[tuple[int, Mapping[str, float]]]) -> dict[str, float]:
    """Scores of a source by class: where it had several windows, their mean by area."""
    total = sum(weight for weight, _ in weighted)
    names = dict.fromkeys(name for _, values in weighted for name in values)
    return {
        name: sum(weight * values.get(name, 0.0) for weight, values in weighted) / total for name in names
    }


def _mask(view: View, part: RasterPart | InstancePart, valid: Array, classes: int, threshold: float) -> Mask:
    expected = (classes, view.window.height, view.window.width)
    if part.probabilities.shape != expected:
        name = type(part).__name__
        what = f"a {name}" if isinstance(part, RasterPart) else f"an {name} with probabilities"
        raise wrong(f"{what} of shape {part.probabilities.shape} instead of {expected}")
    probabilities = view.crop(part.probabilities)
    if not np.isfinite(probabilities).all():
        raise wrong("probabilities that are not finite numbers")
    probability = probabilities[1:].max(axis=0)
    chosen = valid & (probability >= threshold)
    best = np.full(chosen.shape, classes - 1, np.uint8)
    for index in range(classes - 2, 0, -1):
        best[probabilities[index] == probability] = index  # the first of equal ones counts
    return Mask(best * chosen, np.where(valid, probability, 0).astype(np.float32))


def _markers(
    view: View, part: InstancePart, classes: Array, threshold: float, things: Sequence[int] | None
) -> Array:
    interior, expected = np.asarray(part.interior), (view.window.height, view.window.width)
    if interior.shape != expected:
        raise wrong(f"an InstancePart with an interior of shape {interior.shape} instead of {expected}")
    interior = view.crop(interior)
    if not np.isfinite(interior).all():
        raise wrong("an InstancePart with an interior that has other than finite numbers")
    told_apart = classes > 0 if things is None else np.isin(classes, things)
    return np.asarray((interior >= threshold) & told_apart)


def _found(view: View, part: FeaturePart, valid: Array, known: int, threshold: float) -> FoundObjects:
    geometries = np.asarray(part.geometries, dtype=np.float64)
    scores = np.asarray(part.scores, dtype=np.float64)
    classes = np.asarray(part.classes, dtype=np.int64)
    if geometries.ndim != 2 or geometries.shape[1] not in (2, 4):
        raise wrong(f"a FeaturePart with geometries of shape {geometries.shape} instead of (n, 2) or (n, 4)")
    if not len(geometries) == len(scores) == len(classes):
        raise wrong(f"{len(geometries)} geometries, {len(scores)} scores and {len(classes)} classes")
    if not (np.isfinite(geometries).all() and np.isfinite(scores).all()):
        raise wrong("geometries or scores that are not finite numbers")
    if len(classes) and not (classes.min() >= 0 and classes.max() < known):
        raise wrong(f"the class index {classes.max()}, and there are {known} classes")
    pairs = geometries.shape[1] // 2
    geometries = geometries + np.tile((view.window.column, view.window.row), pairs)
    if pairs == 2:
        geometries = np.clip(geometries, *_limits(view))
    middle = geometries.reshape(-1, pairs, 2).mean(axis=1)
    keep = (scores >= threshold) & _inside(view, middle, valid)
    return FoundObjects(geometries[keep], scores[keep], classes[keep])


def _checked(part: Scores, classes: Sequence[str]) -> Mapping[str, float]:
    unknown = sorted(set(part.values) - set(classes))
    if unknown:
        raise wrong(f"scores for {', '.join(unknown)}; the classes are {', '.join(classes)}")
    if not all(np.isfinite(value) for value in part.values.values()):
        raise wrong("scores that are not finite numbers")
    return part.values


def _inside(view: View, middle: Array, valid: Array) -> Array:
    """Which points (x, y in pixels of the block) lie on imagery in the core, or near to it and were seen.

    Near to the core the nearest pixel of the core says whether there is imagery.
    """
    low, high = _limits(view)
    seen = ((middle >= low[:2]) & (middle < high[:2])).all(axis=1)
    column = np.floor(middle[:, 0]).astype(int) - view.core.column
    row = np.floor(middle[:, 1]).astype(int) - view.core.row
    nearest_column = np.clip(column, 0, view.core.width - 1)
    nearest_row = np.clip(row, 0, view.core.height - 1)
    near = np.maximum(np.abs(column - nearest_column), np.abs(row - nearest_row)) <= SEAM_PX
    return np.asarray(seen & near & valid[nearest_row, nearest_column])


def _limits(view: View) -> tuple[Array, Array]:
    """The corners of what a window sees of its block, twice: the bounds of a box."""
    seen = view.seen
    low = np.array([seen.column, seen.row], np.float64)
    return np.tile(low, 2), np.tile(low + np.array([seen.width, seen.height]), 2)


def wrong(what: str) -> Invalid:
    """What is said of parts that cannot be used, e.g. "scores that are not finite numbers"."""
    return Invalid(
        f"The model's postprocess returned {what}. Its contribution has to be corrected and registered again"
    )
