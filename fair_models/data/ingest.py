"""Chips and labels as people keep them, checked, mended, split, and packed as a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from shapely import MultiPolygon, Polygon

from fair_models.class_names import ANY_VALUE, option
from fair_models.data import area_splits, splits
from fair_models.data.dataset_check import (
    BANDS,
    CheckedDataset,
    PreparedDataset,
    check,
    repairs_of,
    rules_of,
)
from fair_models.data.images import acquisition, chips, footprint, zooms
from fair_models.data.label_quality import contact_sheet, exclusion, survey
from fair_models.data.label_quality.completeness import Sight
from fair_models.data.label_quality.glimpses import Glimpse, Glimpses
from fair_models.data.label_quality.survey import LabelledChips
from fair_models.data.progress import ChipProgress, ignore_progress
from fair_models.data.splits import Split
from fair_models.data.texts import captioned_ingest
from fair_models.data.vectors import labels, mapped_area
from fair_models.data.vectors.mapped_area import NamedArea, Outline
from fair_models.errors import Invalid
from fair_models.params import IngestDatasetParams
from fair_models.store.archive import pack
from fair_models.types import Json

_MUCH_IGNORED = 0.2
"""Part of the ground from which on a note names the labels that are ignored, with the remedy."""

_SHOWN = 5

REPORT = "label-report"
"""Asset key of the report on the labels."""

PICTURE = "label-report-picture"
"""Asset key of its picture."""


def prepare(
    params: IngestDatasetParams,
    work_folder: Path,
    progress: ChipProgress = ignore_progress,
    area: Outline | None = None,
    areas: Sequence[NamedArea] = (),
    sight: Sight | None = None,
) -> PreparedDataset:
    """Check and mend a dataset, split it, write its three files. Nothing is written where anything is wrong.

    Args:
        params: Where chips and labels lie, which classes they mean, how to split.
        work_folder: Where chips.zip, labels.geojson and split.json are written.
        progress: Called after each chip that was read.
        area: What was looked at, in longitude and latitude; nothing counts outside of it. Default: all chips.
        areas: The areas that it is made of, by their names.
        sight: A model that tells where labels are missing. Default: that is learnt from the labels.

    Raises:
        Invalid: Something cannot be used (InvalidImagery, InvalidLabels where it is one of them); the
            message lists everything that was found.
    """
    if params.captions != "none":
        return captioned_ingest.prepare(params, work_folder, progress, area)
    glimpses = Glimpses(with_looks=sight is None)
    checked = check(params, progress, area, glimpses)
    seen = glimpses.of(checked.chips)
    report, marks = survey.look(_labelled(params, checked, seen), sight)
    left_out = exclusion.choose(params.leave_out, report)
    split = _split(params, checked, areas, left_out)
    covered = footprint.of(checked.chips)
    sides = {"train": split.train, "held_out": split.held_out}
    chips_path, labels_path, split_path = _write(work_folder, checked, split)
    report_files = {REPORT: work_folder / f"{REPORT}.json", PICTURE: work_folder / f"{PICTURE}.jpg"}
    report.write(report_files[REPORT], left_out)
    shown = report, checked.chips, checked.labels, seen, marks, left_out
    contact_sheet.draw(params.title, *shown, report_files[PICTURE])
    return PreparedDataset(
        chips=chips_path,
        labels=labels_path,
        split=split_path,
        split_spec=split.spec(),
        chip_count=len(checked.chips),
        gsd_m=round(float(np.median([chip.gsd_m for chip in checked.chips])), 4),
        zooms=zooms.counts(checked.chips),
        bands=BANDS,
        bbox=footprint.bbox(covered),
        geometry=footprint.geometry(covered),
        created=acquisition.together(chip.taken for chip in checked.chips),
        label_counts=checked.count(params.class_names, checked.labelled),
        class_counts={side: checked.count(params.class_names, names) for side, names in sides.items()},
        chip_counts={side: checked.count_chips(params.class_names, names) for side, names in sides.items()},
        repairs=_repairs(checked, split, covered, len(left_out)),
        zoom_choice=_zoom_choice(params, checked),
        ignored_note=_ignored_note(params, checked),
        objects_note="" if checked.are_boxes else _objects_note(params, checked),
        are_masks=checked.are_masks,
        registration=checked.registration,
        rules=rules_of(params),
        keywords=_of_boxes(params.keywords) if checked.are_boxes else (),
        from_osm=checked.from_osm,
        labels_time=checked.labels_time,
        areas=_area_rows(split, checked, areas),
        left_out=left_out,
        report=report,
        report_files=report_files,
    )


def _labelled(
    params: IngestDatasetParams, checked: CheckedDataset, glimpses: Mapping[str, Glimpse]
) -> LabelledChips:
    is_for_pixels = any("segmentation" in word for word in params.keywords)
    is_for_boxes = any("detection" in word for word in params.keywords)
    return LabelledChips(
        chips=checked.chips,
        labels=checked.labels,
        touching=checked.touching,
        glimpses=glimpses,
        classes=params.class_names,
        labels_time=checked.labels_time,
        are_masks=checked.are_masks,
        may_be_boxes=checked.are_boxes or (is_for_boxes and not is_for_pixels),
        registration=None if params.align else checked.registration,
    )


def _split(
    params: IngestDatasetParams,
    checked: CheckedDataset,
    areas: Sequence[NamedArea],
    left_out: Mapping[str, str],
) -> Split:
    """The split of the chips that count; those that are left out stand beside it."""
    of_areas = mapped_area.chips_by_area(checked.chips, areas) if areas else {}
    how = params.held_out_ratio, params.seed, params.buffer_m
    chips_left = [chip for chip in checked.chips if chip.name not in left_out]
    labelled = checked.drawn.labelled - left_out.keys()
    try:
        if params.by_whole_areas:
            split = area_splits.by_whole_areas(
                chips_left, _areas_left(of_areas, left_out), *how, params.held_out_areas, labelled
            )
        else:
            split = splits.by_area(chips_left, *how, labelled)
    except Invalid as error:
        if not left_out:
            raise
        raise Invalid(f"{exclusion.too_many(left_out, len(checked.chips))}: {error}") from error
    together = tuple(sorted((*split.left_out, *left_out)))
    return replace(split, left_out=together, areas=of_areas)


def _areas_left(
    of_areas: Mapping[str, Sequence[str]], left_out: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The chips of each area without those that are left out, of areas that have others."""
    left = {name: tuple(chip for chip in own if chip not in left_out) for name, own in of_areas.items()}
    return {name: own for name, own in left.items() if own or not of_areas[name]}


def _repairs(
    checked: CheckedDataset, split: Split, area: Polygon | MultiPolygon, left_out: int
) -> dict[str, int]:
    """What was repaired or left out; chips without trust are counted beside those between the sides."""
    counts = repairs_of(checked, split, area)
    between = counts.pop("buffer", 0) - left_out
    return {
        **counts,
        **({"buffer": between} if between else {}),
        **({"left_out": left_out} if left_out else {}),
    }


def _area_rows(split: Split, checked: CheckedDataset, areas: Sequence[NamedArea]) -> list[Json]:
    """What each area has: chips on either side of the split, and labels on its ground."""
    counts = mapped_area.label_counts(checked.labels, areas) if areas else {}
    return [{**row, "labels": counts[row["name"]]} for row in split.area_counts()]


def _zoom_choice(params: IngestDatasetParams, checked: CheckedDataset) -> str:
    """Which of several zooms was taken and why."""
    if not checked.other_zoom:
        return ""
    taken = ", ".join(map(str, zooms.counts(checked.chips)))
    why = {
        "nearest": f"its pixels are nearest in size to {params.gsd_m:g} m (gsd_m)",
        "most-frequent": "most chips have it",
    }.get(str(params.zoom), "it was asked for")
    there = ", ".join(f"{zoom} ({count} chips)" for zoom, count in checked.zooms.items())
    return f"Zoom {taken} was taken of {there}, because {why}"


def _ignored_note(params: IngestDatasetParams, checked: CheckedDataset) -> str:
    """How ground is given back to the background that labels of other values take."""
    ignored, share = checked.labels.ignored, checked.drawn.ignored_share
    if ignored is None or params.class_property is None or share <= _MUCH_IGNORED:
        return ""
    said = [labels.value_of(properties, params.class_property) for properties in ignored.properties]
    values = Counter(value for value in said if value is not None).most_common(_SHOWN)
    shown = f", most of them {', '.join(f'{value} ({count})' for value, count in values)}" if values else ""
    spelling = option(labels.BACKGROUND, [value for value, _ in values] or [ANY_VALUE])
    return (
        f"{len(ignored)} labels of values that were not asked for{shown}, lie on {share:.0%} of the ground, "
        f"which counts neither way; where they mean background, ingest again with {spelling}"
    )


def _objects_note(params: IngestDatasetParams, checked: CheckedDataset) -> str:
    """Which labels no model can learn from to tell objects apart, and what to do."""
    if not any("segmentation" in word for word in params.keywords):
        return ""
    if checked.are_masks:
        return (
            "Labels of masks are connected pixels: objects that touch are one label, and a model learns them "
            "as one; draw each as a polygon of its own, where a model is to tell them apart"
        )
    found = [reason for name, each in checked.drawn.blocks.items() if (reason := each.undivided(name))]
    if not found:
        return ""
    return f"{'; '.join(found)}; draw each as a polygon of its own, where a model is to tell them apart"


def _of_boxes(keywords: Sequence[str]) -> list[str]:
    """Keywords of labels that are boxes: no segmentation learns from them, for they say nothing of pixels."""
    said = ["object-detection" if "segmentation" in word else word for word in keywords]
    if "detection" not in said:
        said.append("object-detection")
    return list(dict.fromkeys(said))


def _write(folder: Path, checked: CheckedDataset, split: Split) -> tuple[Path, Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "chips.zip", folder / "labels.geojson", folder / "split.json"
    pack({path.name: path for chip in checked.chips for path in chips.files(chip)}, paths[0])
    labels.write(checked.labels.select(checked.on(checked.labelled)), paths[1])
    split.write(paths[2])
    return paths
