"""Look at the labels of a dataset from all sides, and put together what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

import numpy as np
import shapely

from fair_models.data.images import acquisition, antimeridian
from fair_models.data.images.chips import Chip
from fair_models.data.label_quality import ages, completeness, shapes
from fair_models.data.label_quality.completeness import Judged, Sight
from fair_models.data.label_quality.glimpses import Glimpse
from fair_models.data.label_quality.registration import NOTICED_M, Neighbourhood, Registration
from fair_models.data.label_quality.report import KINDS, ChipReport, Finding, Kind, LabelReport, Offset
from fair_models.data.label_quality.shapes import Shapes
from fair_models.data.vectors import labels
from fair_models.data.vectors.labels import Labels
from fair_models.data.vectors.osm import origin
from fair_models.types import Array

_DRAWN: tuple[Kind, ...] = ("boxes", "circles")
"""Forms that labels have where nobody drew outlines."""

MENDED = ("repaired", "closed")
"""Repairs of outlines that are counted as mended."""


@dataclass(frozen=True)
class LabelledChips:
    """Chips and labels that were checked.

    touching: Indices of the labels that each chip shares area with, by the chip's name.
    glimpses: Some pixels of each chip, by its name.
    classes: Class names without the background.
    labels_time: Of when the labels are; None where nothing says so.
    are_masks: Whether the labels were connected pixels of masks.
    may_be_boxes: Whether boxes are what was asked for.
    registration: How far the labels lie beside the imagery; None where nobody looked.
    """

    chips: Sequence[Chip]
    labels: Labels
    touching: Mapping[str, Array]
    glimpses: Mapping[str, Glimpse]
    classes: Sequence[str]
    labels_time: datetime | None = None
    are_masks: bool = False
    may_be_boxes: bool = False
    registration: Registration | None = None


def look(given: LabelledChips, sight: Sight | None = None) -> tuple[LabelReport, Mapping[str, Array]]:
    """Look at labels: whether they are complete, their shapes, and their time.

    Args:
        given: What was checked; at least one label touches a chip.
        sight: A model that tells what is there. Default: what objects look like is learnt from the labels.

    Returns:
        What was found, and where on the chips that lack labels or have them where nothing is, see
        `completeness.Judged`.
    """
    on_chips = np.unique(np.concatenate([np.empty(0, dtype=int), *given.touching.values()])).astype(int)
    form = _shapes(given, on_chips)
    taken = acquisition.together(chip.taken for chip in given.chips)
    edits = origin.edits([given.labels.properties[index] for index in on_chips]) if given.labels_time else []
    general, why = ages.compare(given.labels_time, taken, edits)
    general += _mended(given.labels.mended)
    everywhere = _everywhere(form)
    general += everywhere
    known = _without_huge(given.labels, on_chips[form.flags["huge"]])
    judged = completeness.judge(given.glimpses, known, given.classes, sight)
    told = {each.kind for each in everywhere}
    reports = [_chip(given, chip, (form, told), on_chips, judged) for chip in given.chips]
    skipped = {"completeness": judged.why_not, "time": why}
    report = LabelReport(
        chips=reports,
        label_count=len(on_chips),
        general=general,
        counts=_counts(form, reports, told),
        checks={
            **({"completeness": judged.how} if judged.how else {}),
            "shapes": _limits(form, given, on_chips),
        },
        skipped={name: reason for name, reason in skipped.items() if reason},
        checked_with=sight.model if sight is not None else "",
    )
    return report, judged.marks


def _shapes(given: LabelledChips, on_chips: Array) -> Shapes:
    outlines = given.labels.outlines[on_chips]
    if len(outlines):
        outlines = antimeridian.near(outlines, float(shapely.get_x(shapely.centroid(outlines[0]))))
    return shapes.check(
        outlines,
        [given.labels.names[index] for index in on_chips],
        min(chip.gsd_m for chip in given.chips),
        are_drawn=not given.are_masks,
        may_be_boxes=given.may_be_boxes,
    )


def _counts(form: Shapes, reports: Sequence[ChipReport], everywhere: set[Kind]) -> dict[str, int]:
    """How many labels have each finding; a few boxes or circles among outlines are none."""
    told = everywhere | {each.kind for report in reports for each in report.findings}
    counted = {kind: int(flags.sum()) for kind, flags in form.flags.items() if flags.any()}
    return {kind: count for kind, count in counted.items() if kind in told}


def _without_huge(known: Labels, huge: Array) -> Labels:
    """Labels whose huge ones are ground of which nothing is known: they would teach that all is an object."""
    if not len(huge):
        return known
    blocks = labels.of_outlines([*known.outlines[huge], *(known.ignored.outlines if known.ignored else [])])
    return known.select(np.setdiff1d(np.arange(len(known)), huge)).ignoring(blocks)


def _everywhere(form: Shapes) -> list[Finding]:
    """Forms that most of all labels have: how the dataset was drawn, and no doubt of single chips."""
    total = len(form.areas_m2)
    counts = {kind: int(form.flags[kind].sum()) for kind in _DRAWN}
    return [
        Finding(kind, f"{counts[kind]} of {total} labels: {KINDS[kind]}")
        for kind in _DRAWN
        if counts[kind] >= shapes.MANY and counts[kind] > shapes.MOST * total
    ]


def _chip(
    given: LabelledChips, chip: Chip, forms: tuple[Shapes, set[Kind]], on_chips: Array, judged: Judged
) -> ChipReport:
    form, everywhere = forms
    place = None if given.registration is None else given.registration.of_chip(chip.name)
    touching = given.touching[chip.name]
    own = np.searchsorted(on_chips, touching)
    counts = {kind: int(flags[own].sum()) for kind, flags in form.flags.items() if flags[own].any()}
    outlines, _ = given.labels.around(chip.grid)
    if not given.are_masks and not given.may_be_boxes and len(own):
        # Boxes that are drawn on a chip are upright on its pixels, also where these are turned on the map.
        boxes = form.flags["boxes"][own] | shapes.upright_on(outlines[touching], chip.grid)
        counts |= {"boxes": int(boxes.sum())} if boxes.any() else {}
    findings = [
        *judged.findings.get(chip.name, []),
        *_beside(place, given.registration),
        *_block(form, own, outlines[touching], chip),
        *(each for each in _forms(counts, len(own)) if each.kind not in everywhere),
        *_slight(counts),
    ]
    order = get_args(Kind)
    return ChipReport(
        chip=chip.name,
        labels=len(own),
        shapes=counts,
        cover=judged.covers.get(chip.name),
        offset=None if place is None else Offset(place.east_m, place.north_m, place.is_certain),
        findings=sorted(findings, key=lambda each: order.index(each.kind)),
    )


def _beside(place: Neighbourhood | None, registration: Registration | None) -> list[Finding]:
    """Labels that surely lie beside what the imagery shows, on a chip and those around it."""
    if place is None or registration is None or not any(each is place for each in registration.beside):
        return []
    reason = (
        f"labels lie {place.offset_m:.1f} m beside the imagery ({place.east_m:+.1f} m east, "
        f"{place.north_m:+.1f} m north, give or take {place.error_m:.1f} m; limit {NOTICED_M:g} m)"
    )
    return [Finding("beside", reason)]


def _block(form: Shapes, own: Array, outlines: Array, chip: Chip) -> list[Finding]:
    """A huge label that covers most of a chip: one outline around many objects."""
    for position in np.flatnonzero(form.flags["huge"][own]):
        share = shapes.block_share(outlines[position], chip)
        if share > shapes.BLOCK_SHARE:
            label = own[position]
            times = form.areas_m2[label] / form.typical_m2[label]
            return [
                Finding(
                    "blocks",
                    f"one outline of {form.areas_m2[label]:,.0f} m², {times:.0f} times the usual label, "
                    f"covers {share:.0%} of the chip (limit {shapes.BLOCK_SHARE:.0%})",
                )
            ]
    return []


def _forms(counts: Mapping[str, int], labels: int) -> list[Finding]:
    """Forms that most labels of a chip have."""
    found = []
    for kind in _DRAWN:
        count = counts.get(kind, 0)
        if count >= shapes.FEW and count > shapes.MOST * labels:
            found.append(
                Finding(
                    kind,
                    f"{count} of {labels} labels: {KINDS[kind]} (limit {shapes.MOST:.0%} of at least "
                    f"{shapes.FEW})",
                )
            )
    return found


def _slight(counts: Mapping[str, int]) -> list[Finding]:
    """Single labels with something wrong."""
    kinds: tuple[Kind, ...] = ("few_corners", "huge", "tiny", "duplicates", "near_duplicates", "overlapping")
    return [Finding(kind, f"{counts[kind]} {KINDS[kind]}") for kind in kinds if counts.get(kind)]


def _mended(mended: Mapping[str, int]) -> list[Finding]:
    count = sum(mended.get(name, 0) for name in MENDED)
    return (
        [Finding("mended", f"{count} broken outlines were mended; look whether they are right")]
        if count
        else []
    )


def _limits(form: Shapes, given: LabelledChips, on_chips: Array) -> str:
    """By which limits shapes were judged."""
    finest_m = min(chip.gsd_m for chip in given.chips)
    typical = {
        name: float(np.median(form.areas_m2[[given.labels.names[index] == name for index in on_chips]]))
        for name in given.classes
        if any(given.labels.names[index] == name for index in on_chips)
    }
    usual = ", ".join(f"{name} {area:.0f} m²" for name, area in typical.items())
    return (
        f"tiny: less than {shapes.TINY_PX} pixels of {finest_m:.2g} m; huge: more than {shapes.HUGE_TIMES} "
        f"times the median of its class ({usual}) and far outside of the distribution of its areas, of "
        f"classes with at least {shapes.FEWEST} labels; the same: IoU above {shapes.SAME_IOU}; nearly the "
        f"same: above {shapes.NEAR_IOU}"
    )
