"""Whether labels are complete: how much of each chip objects seem to cover, and how much labels do.

What objects look like is learnt from the labels themselves: pixels of some chips teach a classifier, and the
pixels of the others are judged by it, so that no chip is judged by its own labels. Labels that lack on some
chips lower what is expected on all of them alike; the median chip, weighted by what is expected of it, says
by how much. A model may judge in place of the classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fair_models.data.label_quality import trees
from fair_models.data.label_quality.glimpses import Glimpse, Places
from fair_models.data.label_quality.report import Cover, Finding
from fair_models.data.samples import IGNORE
from fair_models.data.vectors import labels
from fair_models.data.vectors.labels import Labels
from fair_models.types import Array

COVERED = 0.6
"""Labels that cover less than this part of what is expected may be incomplete."""

NOTABLE = 0.35
"""Part of the usual cover of a labelled chip that has to lack, or to be unseen, before it is told."""

LEAST_SHARE = 0.01
"""And part of the chip that has to lack, or to be unseen: less is noise."""

SEEN = 0.15
"""Labels are on nothing where their pixels look like objects less than this part of what is usual."""

FEWEST_CHIPS = 8
"""Labelled chips that are needed to learn from some and judge the others."""

LEAST_AUC = 0.7
"""Probability that a labelled pixel looks more like an object than another does, from which on looks tell."""

MOST_CLASSES = 5
"""Of more classes than these all count as one."""

_WITH_A_MODEL = "check with a model instead (check_with)"
_FOLDS = 4
_LEARNT = 30_000
_FOR_EDGES = 64
_LEAST_COUNTED = 30
_POWER = 1.75
"""Probabilities count by this power: many small ones make no object."""

_QUANTILE = 0.6
"""Above the median: up to a third of the chips may lack labels, and none has too many."""

_MODEL_SCALE = 0.75
"""The least part of what a model sees that labels should cover: it learnt elsewhere."""


@dataclass(frozen=True)
class Sight:
    """A model that tells what is there.

    model: Its exact id.
    classes: Classes that it knows, without the background.
    see: Gives for each chip the probability of each of these classes at each place, shape (places, classes).
    """

    model: str
    classes: Sequence[str]
    see: Callable[[Sequence[Places]], Sequence[Array]]


@dataclass(frozen=True)
class Judged:
    """What the check of completeness found.

    covers: By the name of each chip that could be judged.
    findings: By the name of each chip with any.
    marks: Where that was seen, by the name of each of these chips: x and y as parts of its width and height,
        shape (n, 2).
    how: What it went by and its limits, as a sentence.
    why_not: Why nothing was judged; empty where it was.
    """

    covers: Mapping[str, Cover] = field(default_factory=dict)
    findings: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    marks: Mapping[str, Array] = field(default_factory=dict)
    how: str = ""
    why_not: str = ""


@dataclass(frozen=True)
class _Seen:
    """Places of a chip, what labels say of them (class index, uint8), and what they look like.

    covered: Part of the chip by class index, of all its pixels where all are imagery, else of the places.
    """

    places: Places
    said: Array
    looks: Array
    covered: Array

    def cover(self, indices: Sequence[int]) -> float:
        """Part of the chip that labels of some classes cover, 0 to 1."""
        return float(self.covered[list(indices)].sum())


def judge(
    glimpses: Mapping[str, Glimpse],
    known: Labels,
    classes: Sequence[str],
    sight: Sight | None = None,
) -> Judged:
    """Compare what labels cover with what seems to be there.

    Args:
        glimpses: Some pixels of each chip, by its name.
        known: All labels.
        classes: Class names without the background.
        sight: A model that tells what is there. Default: learnt from the labels.
    """
    seen = [_labelled(each, known, [labels.BACKGROUND, *classes]) for each in glimpses.values()]
    seen = [each for each in seen if len(each.said) >= _LEAST_COUNTED]
    if not seen:
        return Judged(why_not="no chip has enough ground that counts")
    parts: list[_Class] = []
    why: list[str] = []
    if sight is None:
        seen = _binned(seen)
    told = sight.see([each.places for each in seen]) if sight is not None else []
    for number, name in enumerate(sight.classes if sight is not None else []):
        index = classes.index(name) + 1
        truths = [each.said == index for each in seen]
        covered = np.array([each.cover([index]) for each in seen])
        guesses = [each[:, number] for each in told]
        parts.append(_Class.of(name, truths, guesses, covered, by_model=True))
    for group in _groups(classes) if sight is None else []:
        name = classes[group[0] - 1] if len(group) == 1 else "any class"
        truths = [np.isin(each.said, group) for each in seen]
        labelled = sum(bool(truth.any()) for truth in truths)
        if labelled < FEWEST_CHIPS:
            why.append(
                f"{labelled} chips show labels of {name}, and at least {FEWEST_CHIPS} are needed to learn "
                f"from some and judge the others; {_WITH_A_MODEL}"
            )
            continue
        guesses = _cross_fitted([each.looks for each in seen], truths)
        covered = np.array([each.cover(group) for each in seen])
        judged = _Class.of(name, truths, guesses, covered, by_model=False)
        if judged.auc < LEAST_AUC:
            why.append(
                f"{name} looks too much like what is around it to be told by colour and texture (AUC "
                f"{judged.auc:.2f}, at least {LEAST_AUC:g} is needed); {_WITH_A_MODEL}"
            )
        else:
            parts.append(judged)
    if not parts:
        return Judged(why_not="; ".join(why))
    return _joined([each.places for each in seen], parts, sight.model if sight else "", why)


def _groups(classes: Sequence[str]) -> list[list[int]]:
    """Indices of the classes that are judged together: each alone, or all of many."""
    alone = [[index] for index in range(1, len(classes) + 1)]
    return alone if len(classes) <= MOST_CLASSES else [[index for group in alone for index in group]]


def _labelled(glimpse: Glimpse, known: Labels, classes: Sequence[str]) -> _Seen:
    """What labels say of the places of a chip, of those that count."""
    at = glimpse.places
    mask = labels.rasterise(
        known, at.grid.transform, at.grid.height, at.grid.width, at.grid.crs, classes, IGNORE
    )
    said = mask[at.rows, at.columns]
    counts = said != IGNORE
    places = Places(at.chip, at.grid, at.rows[counts], at.columns[counts], at.is_whole)
    counted = np.bincount((mask if at.is_whole else said).ravel(), minlength=IGNORE + 1)[: len(classes)]
    covered = counted / max(1, int(counted.sum()))
    return _Seen(places, said[counts], glimpse.looks[counts], covered)


def _binned(seen: Sequence[_Seen]) -> list[_Seen]:
    """The same with bins in the place of what places look like; their edges are those of some chips."""
    some = [
        seen[index] for index in np.unique(np.linspace(0, len(seen) - 1, _FOR_EDGES).astype(int)).tolist()
    ]
    edges = trees.edges(np.concatenate([each.looks for each in some]).astype(np.float32))
    return [replace(each, looks=trees.binned(each.looks, edges)) for each in seen]


def _cross_fitted(looks: Sequence[Array], truths: Sequence[Array]) -> list[Array]:
    """How much each pixel looks like an object, told by other chips than its own."""
    fold = np.random.default_rng(0).permutation(len(looks)) % _FOLDS
    guesses: list[Array] = [np.zeros(0)] * len(looks)
    for number in range(_FOLDS):
        others = np.flatnonzero(fold != number).tolist()
        rows = np.concatenate([looks[each] for each in others])
        target = np.concatenate([truths[each] for each in others])
        if len(target) > _LEARNT:
            chosen = np.random.default_rng([number]).choice(len(target), _LEARNT, replace=False)
            rows, target = rows[chosen], target[chosen]
        fitted = trees.fit(rows, target, number)
        for each in np.flatnonzero(fold == number).tolist():
            guesses[each] = fitted.predict(looks[each])
    return guesses


@dataclass(frozen=True)
class _Class:
    """Shares of each chip for one class, shape (chips,).

    name: The class.
    auc: How well looks tell labelled pixels from others, 0.5 (not at all) to 1.
    labelled: Covered by labels.
    expected: Seems to be covered.
    likeness: How much labelled pixels look like objects, where 1 is usual; 1 where there are none.
    usual: Median cover of the chips that have labels of it.
    truths, guesses: Whether each place of each chip is labelled, and how much it looks like an object.
    """

    name: str
    auc: float
    labelled: Array
    expected: Array
    likeness: Array
    usual: float
    truths: Sequence[Array] = field(repr=False)
    guesses: Sequence[Array] = field(repr=False)

    @classmethod
    def of(
        cls,
        name: str,
        truths: Sequence[Array],
        guesses: Sequence[Array],
        labelled: Array,
        *,
        by_model: bool,
    ) -> _Class:
        raw = np.array([(guess if by_model else guess**_POWER).mean() for guess in guesses])
        scale = _weighted_quantile(labelled / np.maximum(raw, 1e-9), raw, _QUANTILE)
        scale = max(scale, _MODEL_SCALE) if by_model else scale
        own = [
            float(guess[truth].mean()) if truth.any() else np.nan
            for guess, truth in zip(guesses, truths, strict=True)
        ]
        typical = np.nanmedian(own) if np.isfinite(own).any() else 1.0
        likeness = np.where(np.isfinite(own), np.array(own) / max(float(typical), 1e-9), 1.0)
        usual = float(np.median(labelled[labelled > 0])) if (labelled > 0).any() else 0.0
        return cls(
            name,
            _auc(np.concatenate(guesses), np.concatenate(truths)),
            labelled,
            np.minimum(scale * raw, 1.0),
            likeness,
            usual,
            truths,
            guesses,
        )

    def marked(self, number: int) -> Array:
        """Which places of a chip show what was found there, bool, shape (places,)."""
        truth, guess = self.truths[number], self.guesses[number]
        limit = np.quantile(guess, 1 - min(float(self.expected[number]), 0.5))
        if self.lacks[number]:
            return np.asarray(~truth & (guess >= limit))
        return np.asarray(truth & (guess < limit)) if self.shows_nothing[number] else truth & False

    @property
    def notable(self) -> float:
        """Part of a chip that has to lack, or to be unseen, before it is told."""
        return max(NOTABLE * self.usual, LEAST_SHARE)

    @property
    def lacks(self) -> Array:
        """Which chips seem to lack labels."""
        lacking = self.expected - self.labelled
        return np.asarray((self.labelled < COVERED * self.expected) & (lacking > self.notable))

    @property
    def shows_nothing(self) -> Array:
        """Which chips have labels where nothing is to be seen."""
        unseen = self.unseen
        return np.asarray((self.likeness < SEEN) & (unseen > self.notable))

    @property
    def unseen(self) -> Array:
        """Share of each chip that labels cover and no object does."""
        return np.asarray(self.labelled * (1 - np.minimum(self.likeness, 1)))


def _joined(places: Sequence[Places], parts: Sequence[_Class], model: str, why: Sequence[str]) -> Judged:
    covers: dict[str, Cover] = {}
    findings: dict[str, list[Finding]] = {}
    marks: dict[str, Array] = {}
    for number, each in enumerate(places):
        name = each.chip.name
        sums = (
            (
                part.labelled[number],
                part.expected[number],
                max(0.0, part.expected[number] - part.labelled[number]),
            )
            for part in parts
        )
        labelled, expected, missing = (min(1.0, float(sum(values))) for values in zip(*sums, strict=True))
        unseen = min(1.0, float(sum(part.unseen[number] for part in parts)))
        covers[name] = Cover(labelled, expected, missing, unseen)
        found = [finding for part in parts for finding in _findings(part, number)]
        if found:
            findings[name] = found
            marked = np.any([part.marked(number) for part in parts], axis=0)
            marks[name] = (np.column_stack([each.columns, each.rows])[marked] + 0.5) / (
                each.grid.width,
                each.grid.height,
            )
    by = f"what {model} sees" if model else "what the labels of other chips teach of colour and texture"
    told = ", ".join(f"{part.name} (AUC {part.auc:.2f}, usual cover {part.usual:.1%})" for part in parts)
    how = (
        f"by {by}: {told}; labels are missing where they cover less than {COVERED:.0%} of what is expected, "
        f"and what lacks is more than {NOTABLE:.0%} of the usual cover and {LEAST_SHARE:.0%} of the chip; "
        f"nothing is there where labelled ground looks like objects less than {SEEN:.0%} of the usual"
    )
    return Judged(covers, findings, marks, "; ".join([how, *why]))


def _findings(part: _Class, number: int) -> list[Finding]:
    found = []
    labelled, expected = part.labelled[number], part.expected[number]
    if part.lacks[number]:
        found.append(
            Finding(
                "missing_labels",
                f"labels of {part.name} cover {labelled:.1%} of the chip, where about {expected:.1%} is to "
                f"be expected (limit {COVERED:.0%} of that)",
            )
        )
    if part.shows_nothing[number]:
        found.append(
            Finding(
                "nothing_there",
                f"labels of {part.name} cover {labelled:.1%} of the chip, on ground that looks like objects "
                f"{part.likeness[number]:.0%} as much as usual (limit {SEEN:.0%})",
            )
        )
    return found


def _weighted_quantile(values: Array, weights: Array, quantile: float) -> float:
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weights[order])
    at = np.searchsorted(sums, quantile * sums[-1])
    return float(values[order][min(int(at), len(values) - 1)])


def _auc(guesses: Array, truths: Array) -> float:
    """Probability that a labelled pixel has a larger number than another one (Mann-Whitney)."""
    from scipy.stats import rankdata

    positive = int(truths.sum())
    negative = len(truths) - positive
    if not positive or not negative:
        return 0.5
    ranks = rankdata(guesses)
    return float((ranks[truths].sum() - positive * (positive + 1) / 2) / (positive * negative))
