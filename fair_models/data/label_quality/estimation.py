"""Estimates by how much labels lie beside the imagery, and where that is certain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fair_models.data.images import chips as images
from fair_models.data.images.chips import Chip
from fair_models.data.label_quality import chip_groups, edge_scores
from fair_models.data.label_quality.edge_scores import SHIFTS_M, STEP_M
from fair_models.data.label_quality.registration import (
    NOTICED_M,
    SEARCHED_M,
    Neighbourhood,
    Registration,
)
from fair_models.data.vectors.labels import Labels
from fair_models.types import Array

Evidence = Callable[[Chip], Array]
"""What shows objects on a chip in place of its imagery, such as the probability of a class: float in [0, 1],
shape (height, width) or (bands, height, width), not finite where nothing is known."""

FEWEST = 20
"""Labels that a certain estimate has at least."""

_MOST = 150
"""Labels of a neighbourhood that are looked at."""

_RESAMPLED, _SEED = 200, 0

_MAX_ERROR_M = 0.5
_MIN_RISE = 0.05
"""Score of the best shift above that of the median shift, at least."""

_MIN_PROMINENCE = 6.0
"""The same in standard deviations of the scores of other shifts."""

_MAX_RUNNER_UP, _APART_M = 0.6, 2.0
"""Rise of the best shift elsewhere, by that of the best of all; elsewhere begins at this distance."""

_MAX_OPPOSITE = 0.33
"""Rise on the other side of where the outlines are, by that of the best shift. Outlines that are drawn too
large or too small fit on all sides somewhat, and best at one of them by chance."""

_SURE = 0.99
"""Share of the resampled sets of labels for which the best shift fits better than none."""


@dataclass
class Estimator:
    """Takes chips one after another, in any order, and keeps none of their pixels.

    Args:
        chips: All chips.
        known: The labels.
        any_shape: Whether labels of any shape are looked at. Default: those with right angles, whose edges
            imagery shows truly, see `edge_scores.are_right_angled`.

    Attributes:
        order: All chips, those of a neighbourhood one after another: seen so they take the least memory.
    """

    chips: Sequence[Chip]
    known: Labels
    any_shape: bool = False
    order: Sequence[Chip] = field(init=False)
    _wanted: dict[str, Array] = field(init=False)
    _open: dict[str, _Neighbours] = field(init=False)
    _closed: list[Neighbourhood] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        touching = {chip.name: self.known.touching(chip.grid) for chip in self.chips}
        compared = {chip.name: self._compared(touching[chip.name], chip) for chip in self.chips}
        self._wanted, self._open = {}, {}
        groups = chip_groups.neighbourhoods(self.chips, compared)
        by_name = {chip.name: chip for chip in self.chips}
        self.order = [by_name[name] for names in groups for name in names]
        for names in groups:
            if not any(len(touching[name]) for name in names):
                continue
            here = np.unique(np.concatenate([compared[name] for name in names]))
            chosen = here[np.linspace(0, len(here) - 1, min(len(here), _MOST)).round().astype(int)]
            neighbours = _Neighbours(names, set(names))
            for name in names:
                self._wanted[name] = np.intersect1d(compared[name], chosen)
                self._open[name] = neighbours

    def _compared(self, touching: Array, chip: Chip) -> Array:
        """Those of the labels on a chip whose outlines are compared."""
        if self.any_shape or not len(touching):
            return touching
        outlines, _ = self.known.around(chip.grid)
        return np.asarray(touching[edge_scores.are_right_angled(outlines[touching], chip.grid)])

    def see(self, chip: Chip, pixels: Array, valid: Array) -> None:
        """Take what a chip shows.

        Args:
            chip: One of the chips.
            pixels: uint8, shape (bands, height, width).
            valid: Which are known, bool, shape (height, width).
        """
        neighbours = self._open.pop(chip.name, None)
        if neighbours is None:
            return
        neighbours.add(
            chip.name, edge_scores.scores(self.known, self._wanted[chip.name], chip.grid, pixels, valid)
        )
        if not neighbours.missing:
            self._closed.append(neighbours.estimate())

    def registration(self) -> Registration:
        """What was found; chips that were not seen show nothing."""
        rest = {id(each): each for each in self._open.values()}
        found = [*self._closed, *(each.estimate() for each in rest.values())]
        return Registration(sorted(found, key=lambda each: min(each.chips)))


def estimate(chips: Sequence[Chip], known: Labels, evidence: Evidence | None = None) -> Registration:
    """Estimate by how much labels lie beside the imagery of chips, which are decoded one after another.

    Args:
        chips: The chips.
        known: The labels.
        evidence: What shows the objects. Default: the chip's imagery.

    Raises:
        InvalidImagery: A chip cannot be decoded.
    """
    estimator = Estimator(chips, known, any_shape=evidence is not None)
    for chip in estimator.order:
        estimator.see(chip, *(images.read_with_mask(chip) if evidence is None else _seen(evidence(chip))))
    return estimator.registration()


def _seen(evidence: Array) -> tuple[Array, Array]:
    """Evidence as pixels, and where it is known."""
    bands = evidence if evidence.ndim == 3 else evidence[None]
    valid = np.asarray(np.isfinite(bands).all(axis=0))
    return np.rint(np.where(valid, bands, 0).clip(0, 1) * 255).astype(np.uint8), valid


@dataclass
class _Neighbours:
    """What is known of a neighbourhood: by label the sum of its scores over chips, and their number."""

    chips: Sequence[str]
    missing: set[str]
    found: dict[int, list[Array]] = field(default_factory=dict)

    def add(self, name: str, scores: Mapping[int, Array]) -> None:
        self.missing.discard(name)
        for label, score in scores.items():
            self.found.setdefault(label, []).append(score)

    def estimate(self) -> Neighbourhood:
        scores = np.array([np.mean(parts, axis=0) for parts in self.found.values()])
        if len(scores) < FEWEST:
            why = f"{len(scores)} labels have outlines to compare, at least {FEWEST} are needed"
            return Neighbourhood(self.chips, 0.0, 0.0, float("inf"), len(scores), False, why)
        mean = scores.mean(axis=0)
        weights = np.random.default_rng(_SEED).multinomial(
            len(scores), np.full(len(scores), 1 / len(scores)), _RESAMPLED
        )
        again = np.tensordot(weights / len(scores), scores, 1)
        peaks = np.array([_peak(each) for each in again])
        east_m, north_m = _peak(mean)
        error_m = float(np.sqrt(np.mean((peaks - (east_m, north_m)) ** 2, axis=0)).max())
        why = _weakness(mean, again, (east_m, north_m), error_m)
        return Neighbourhood(self.chips, -east_m, -north_m, error_m, len(scores), not why, why)


def _peak(score: Array) -> tuple[float, float]:
    """The shift with the highest score, between the shifts that were scored: metres east and north."""
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    return (
        float(SHIFTS_M[column]) + STEP_M * _vertex(score[row], int(column)),
        float(SHIFTS_M[row]) + STEP_M * _vertex(score[:, column], int(row)),
    )


def _vertex(values: Array, at: int) -> float:
    """Where the parabola through a highest value and its neighbours has its vertex, -0.5 to 0.5 from it."""
    if at in (0, len(values) - 1):
        return 0.0
    before, highest, after = map(float, values[at - 1 : at + 2])
    bend = before - 2 * highest + after
    return 0.0 if bend == 0 else (before - after) / (2 * bend)


def _weakness(mean: Array, again: Array, shift_m: tuple[float, float], error_m: float) -> str:
    """Why an estimate is not certain; empty where it is."""
    east_m, north_m = shift_m
    if max(abs(east_m), abs(north_m)) > SEARCHED_M - 2 * STEP_M:
        return f"the outlines fit best at the limit of what is searched, {SEARCHED_M:.0f} m"
    median = float(np.median(mean))
    rise = float(mean.max()) - median
    if rise < _MIN_RISE:
        return "the imagery shows hardly any edges along the outlines"
    north, east = np.meshgrid(SHIFTS_M, SHIFTS_M, indexing="ij")
    far = mean[np.hypot(east - east_m, north - north_m) >= _APART_M]
    if rise < _MIN_PROMINENCE * far.std() or far.max() - median > _MAX_RUNNER_UP * rise:
        return "the outlines fit the imagery nearly as well in other places"
    if error_m > _MAX_ERROR_M:
        return f"the labels do not agree, the estimate is right to {error_m:.1f} m only"
    if np.hypot(east_m, north_m) < NOTICED_M:
        return ""
    row, column = np.unravel_index(int(mean.argmax()), mean.shape)
    middle = len(SHIFTS_M) // 2
    better = float((again[:, row, column] > again[:, middle, middle]).mean())
    if better < _SURE:
        return "the outlines fit the imagery nearly as well where they are"
    opposite = float(mean[2 * middle - row, 2 * middle - column]) - median
    if opposite > _MAX_OPPOSITE * rise:
        return "the outlines fit on several sides: they may be too large or too small"
    return ""
