"""What was found out about the labels of a dataset: numbers and findings for each chip, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from fair_models.store import atomic
from fair_models.types import Json

DOUBTFUL = "doubtful"
"""What leaves out all chips whose labels are in doubt, in place of their names."""

Kind = Literal[
    "missing_labels",
    "nothing_there",
    "blocks",
    "boxes",
    "beside",
    "circles",
    "few_corners",
    "huge",
    "tiny",
    "duplicates",
    "near_duplicates",
    "overlapping",
    "mended",
    "older_labels",
    "newer_labels",
]

KINDS: Mapping[str, str] = {
    "missing_labels": "objects are to be seen that no label covers",
    "nothing_there": "labels lie where no object is to be seen",
    "blocks": "one outline covers what looks like many objects",
    "boxes": "upright boxes are drawn in place of outlines",
    "beside": "labels lie beside what the imagery shows",
    "circles": "circles of one size are drawn in place of outlines",
    "few_corners": "outlines have three corners",
    "huge": "labels are far larger than the others of their class",
    "tiny": "labels are smaller than the pixels can show",
    "duplicates": "labels have the outline of another label",
    "near_duplicates": "labels cover nearly the same ground as another label",
    "overlapping": "labels lie on another label by more than a pixel",
    "mended": "broken outlines were mended",
    "older_labels": "labels are older than the imagery",
    "newer_labels": "labels are newer than the imagery",
}
"""What each finding says, worst first: those that put a whole chip in doubt come before the others."""

DOUBTS: frozenset[str] = frozenset({"missing_labels", "nothing_there", "blocks", "boxes", "beside"})
"""Findings that put the labels of a whole chip in doubt. Others are worth a look, and no more."""

_TOLD = frozenset({"overlapping", "mended", "beside"})
"""Findings that a run tells in sentences of their own."""

_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    kind: One of `KINDS`.
    reason: What was found and by which limit, as a sentence without a full stop.
    """

    kind: Kind
    reason: str


@dataclass(frozen=True)
class Cover:
    """How much of a chip labels cover, and how much objects seem to cover. Shares of its imagery, 0 to 1.

    labelled: Covered by labels.
    expected: Covered by objects, as far as they are to be seen.
    missing: Objects that no label covers.
    unseen: Labels where no object is to be seen.
    """

    labelled: float
    expected: float
    missing: float
    unseen: float


@dataclass(frozen=True)
class Offset:
    """How far the labels of a chip lie beside the imagery.

    east_m, north_m: Where the labels lie seen from the imagery, in metres; negative is west and south.
    is_certain: Whether that can be relied on.
    """

    east_m: float
    north_m: float
    is_certain: bool


@dataclass(frozen=True)
class ChipReport:
    """What was found on one chip.

    chip: Its name.
    labels: How many labels touch it.
    shapes: How many of them have each finding, by the names of `KINDS`; only those that there are.
    cover: What the check of completeness saw; None where it could not judge.
    offset: How far its labels lie beside the imagery; None where nobody looked, or no label touches it.
    findings: What was found, worst first.
    """

    chip: str
    labels: int
    shapes: Mapping[str, int] = field(default_factory=dict)
    cover: Cover | None = None
    offset: Offset | None = None
    findings: Sequence[Finding] = ()

    @cached_property
    def doubts(self) -> list[Finding]:
        """Why its labels are in doubt; empty where they are not."""
        return [each for each in self.findings if each.kind in DOUBTS]

    @property
    def worst(self) -> Finding | None:
        """Its worst finding."""
        return min(self.findings, key=lambda each: list(KINDS).index(each.kind), default=None)

    def document(self) -> Json:
        """The chip as the report's file has it."""
        said: Json = {"chip": self.chip, "labels": self.labels, "doubtful": bool(self.doubts)}
        if self.cover is not None:
            said |= {f"{name}_share": round(value, 3) for name, value in vars(self.cover).items()}
        if self.offset is not None:
            said["offset"] = {
                "east_m": round(self.offset.east_m, 2),
                "north_m": round(self.offset.north_m, 2),
                "certain": self.offset.is_certain,
            }
        return {**said, **self.shapes, "findings": [vars(each) for each in self.findings]}


@dataclass(frozen=True)
class LabelReport:
    """What was found on all chips.

    chips: In the order of the dataset.
    label_count: How many labels touch a chip.
    general: What holds for the labels as a whole.
    counts: How many labels have each finding, each label once, by the names of `KINDS`.
    checks: What each check went by and its limits, by its name.
    skipped: Checks that did not judge, and why, by name.
    checked_with: Exact id of the model that told where objects are; empty where the labels taught that.
    """

    chips: Sequence[ChipReport]
    label_count: int
    general: Sequence[Finding] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    checked_with: str = ""

    @cached_property
    def doubtful(self) -> Mapping[str, str]:
        """Chips whose labels are in doubt and why, by name."""
        return {each.chip: "; ".join(one.reason for one in each.doubts) for each in self.chips if each.doubts}

    @cached_property
    def by_kind(self) -> Mapping[str, int]:
        """On how many chips each finding was made, worst first."""
        found = Counter(kind for chip in self.chips for kind in {each.kind for each in chip.findings})
        return {kind: found[kind] for kind in get_args(Kind) if found[kind]}

    def summary(self) -> Json:
        """What an item says of it."""
        return {
            "chips": dict(self.by_kind),
            "labels": {kind: self.counts[kind] for kind in KINDS if self.counts.get(kind)},
            "doubtful": len(self.doubtful),
            "general": [each.kind for each in self.general],
            "not_judged": dict(self.skipped),
            **({"checked_with": self.checked_with} if self.checked_with else {}),
        }

    def document(self, left_out: Mapping[str, str]) -> Json:
        """The whole report as JSON, with the chips that were left out and why."""
        return {
            "summary": self.summary(),
            "labels": self.label_count,
            "kinds": {name: {"means": words, "doubtful": name in DOUBTS} for name, words in KINDS.items()},
            "checks": dict(self.checks),
            "general": [vars(each) for each in self.general],
            "left_out": dict(left_out),
            "chips": [each.document() for each in self.chips],
        }

    def write(self, path: Path, left_out: Mapping[str, str]) -> None:
        """Write the report as JSON.

        Args:
            path: The file.
            left_out: Chips that were left out because of their labels, and why, by name.
        """
        atomic.write_json(path, self.document(left_out))

    def notes(self) -> list[str]:
        """What people are told, in sentences."""
        said = [each.reason for each in self.general if each.kind not in _TOLD]
        for kind in get_args(Kind):
            chips = [each for each in self.chips if any(one.kind == kind for one in each.findings)]
            if chips and kind in DOUBTS - _TOLD:
                named = ", ".join(each.chip for each in chips[:_SHOWN])
                more = f" and {len(chips) - _SHOWN} more" if len(chips) > _SHOWN else ""
                said.append(f"On {len(chips)} of {len(self.chips)} chips {KINDS[kind]}: {named}{more}")
        slight = [
            f"{self.counts[kind]} {KINDS[kind]}"
            for kind in KINDS
            if kind not in DOUBTS | _TOLD and self.counts.get(kind)
        ]
        if slight:
            said.append(f"Labels to look at: {'; '.join(slight)}")
        return said
