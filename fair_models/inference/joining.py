"""The parts of all windows of a block, put together.

A window answers for its core alone: pixels and features in its margin are its neighbour's. So nothing is
found twice and nothing is cut where windows meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fair_models.errors import Invalid
from fair_models.inference.parts import FeaturePart, Part, RasterPart, Scores
from fair_models.inference.windows import View
from fair_models.types import Array


@dataclass(frozen=True)
class Mask:
    """What is where on a block.

    classes: Class index of each pixel, uint8, shape (height, width); 0 is the background.
    probability: Probability of the best class that is not the background, float32, same shape.
    """

    classes: Array
    probability: Array


@dataclass(frozen=True)
class Found:
    """Boxes or points of a block.

    geometries: float64, shape (n, 4) as x_min, y_min, x_max, y_max or (n, 2) as x, y; in pixels of the block.
    scores: float64, shape (n,).
    classes: int64, shape (n,).
    """

    geometries: Array
    scores: Array
    classes: Array


@dataclass
class Join:
    """Collects the parts of a block's windows.

    Args:
        height: Rows of the block.
        width: Columns of the block.
        classes: Class names; the position is the index, 0 the background.
        threshold: Least probability of a class that is not the background.
        mask: What the raster parts said; None while there was none.
        found: Boxes and points, in the order of the windows.
    """

    height: int
    width: int
    classes: Sequence[str]
    threshold: float
    mask: Mask | None = None
    found: list[Found] = field(default_factory=list)
    _scores: dict[str, list[tuple[int, Mapping[str, float]]]] = field(default_factory=dict)

    def add(self, view: View, parts: Sequence[Part], valid: Array) -> None:
        """Add what one window says.

        Args:
            view: The window and its core.
            parts: What `postprocess` returned.
            valid: Which pixels of the core have imagery, bool, shape (core height, core width).

        Raises:
            Invalid: The parts do not fit the window or the classes.
        """
        for part in parts:
            if isinstance(part, RasterPart):
                self._add_raster(view, part, valid)
            elif isinstance(part, FeaturePart):
                self._add_features(view, part, valid)
            else:
                self._add_scores(view, part)

    def scores(self) -> dict[str, dict[str, float]]:
        """Scores by source and class; where a source had several windows, their mean by area."""
        return {source: _mean(weighted) for source, weighted in self._scores.items()}

    def _add_raster(self, view: View, part: RasterPart, valid: Array) -> None:
        expected = (len(self.classes), view.window.height, view.window.width)
        if part.probabilities.shape != expected:
            raise _wrong(f"a RasterPart of shape {part.probabilities.shape} instead of {expected}")
        if self.mask is None:
            shape = self.height, self.width
            self.mask = Mask(np.zeros(shape, np.uint8), np.zeros(shape, np.float32))
        probabilities = view.crop(part.probabilities)
        if not np.isfinite(probabilities).all():
            raise _wrong("probabilities that are not finite numbers")
        best = probabilities[1:].argmax(axis=0)
        probability = np.take_along_axis(probabilities[1:], best[None], axis=0)[0]
        chosen = valid & (probability >= self.threshold)
        self.mask.classes[view.core.slices] = np.where(chosen, best + 1, 0)
        self.mask.probability[view.core.slices] = np.where(valid, probability, 0)

    def _add_features(self, view: View, part: FeaturePart, valid: Array) -> None:
        geometries = np.asarray(part.geometries, dtype=np.float64)
        scores = np.asarray(part.scores, dtype=np.float64)
        classes = np.asarray(part.classes, dtype=np.int64)
        if geometries.ndim != 2 or geometries.shape[1] not in (2, 4):
            raise _wrong(
                f"a FeaturePart with geometries of shape {geometries.shape} instead of (n, 2) or (n, 4)"
            )
        if not len(geometries) == len(scores) == len(classes):
            raise _wrong(f"{len(geometries)} geometries, {len(scores)} scores and {len(classes)} classes")
        if not (np.isfinite(geometries).all() and np.isfinite(scores).all()):
            raise _wrong("geometries or scores that are not finite numbers")
        if len(classes) and not (classes.min() >= 0 and classes.max() < len(self.classes)):
            raise _wrong(f"the class index {classes.max()}, and there are {len(self.classes)} classes")
        pairs = geometries.shape[1] // 2
        geometries = geometries + np.tile((view.window.column, view.window.row), pairs)
        middle = geometries.reshape(-1, pairs, 2).mean(axis=1)
        keep = (scores >= self.threshold) & _inside(view, middle, valid)
        self.found.append(Found(geometries[keep], scores[keep], classes[keep]))

    def _add_scores(self, view: View, part: Scores) -> None:
        unknown = sorted(set(part.values) - set(self.classes))
        if unknown:
            raise _wrong(f"scores for {', '.join(unknown)}; the classes are {', '.join(self.classes)}")
        if not all(np.isfinite(value) for value in part.values.values()):
            raise _wrong("scores that are not finite numbers")
        pixels = view.core.height * view.core.width
        self._scores.setdefault(view.window.source, []).append((pixels, part.values))


def _inside(view: View, middle: Array, valid: Array) -> Array:
    """Which points (x, y in pixels of the block) lie on imagery in the core."""
    column = np.floor(middle[:, 0]).astype(int) - view.core.column
    row = np.floor(middle[:, 1]).astype(int) - view.core.row
    inside = (row >= 0) & (row < view.core.height) & (column >= 0) & (column < view.core.width)
    inside[inside] = valid[row[inside], column[inside]]
    return inside


def _mean(weighted: Sequence[tuple[int, Mapping[str, float]]]) -> dict[str, float]:
    total = sum(weight for weight, _ in weighted)
    names = dict.fromkeys(name for _, values in weighted for name in values)
    return {
        name: sum(weight * values.get(name, 0.0) for weight, values in weighted) / total for name in names
    }


def _wrong(what: str) -> Invalid:
    return Invalid(
        f"The model's postprocess returned {what}. Its contribution has to be corrected and registered again"
    )
