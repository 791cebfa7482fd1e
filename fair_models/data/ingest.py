"""Chips and labels as people keep them, checked, mended, split, and packed as a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

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
from fair_models.data.images import chips, footprint, zooms
from fair_models.data.label_quality import survey
from fair_models.data.label_quality.report import LabelReport
from fair_models.data.label_quality.survey import LabelledChips
from fair_models.data.progress import ChipProgress, ignore_progress
from fair_models.data.splits import Split
from fair_models.data.texts import captioned_ingest
from fair_models.data.vectors import labels, mapped_area
from fair_models.data.vectors.mapped_area import NamedArea, Outline
from fair_models.params import IngestDatasetParams
from fair_models.store.archive import pack
from fair_models.types import Json

_MUCH_IGNORED = 0.2
"""Part of the ground from which on a note names the labels that are ignored, with the remedy."""

_SHOWN = 5

REPORT = "label-report"
"""Asset key of the report on the labels."""


def prepare(
    params: IngestDatasetParams,
    work_folder: Path,
    progress: ChipProgress = ignore_progress,
    area: Outline | None = None,
    areas: Sequence[NamedArea] = (),
) -> PreparedDataset:
    """Check and mend a dataset, split it, write its three files. Nothing is written where anything is wrong.

    Args:
        params: Where chips and labels lie, which classes they mean, how to split.
        work_folder: Where chips.zip, labels.geojson and split.json are written.
        progress: Called after each chip that was read.
        area: What was looked at, in longitude and latitude; nothing counts outside of it. Default: all chips.
        areas: The areas that it is made of, by their names.

    Raises:
        Invalid: Something cannot be used (InvalidImagery, InvalidLabels where it is one of them); the
            message lists everything that was found.
    """
    if params.captions != "none":
        return captioned_ingest.prepare(params, work_folder, progress, area)
    checked = check(params, progress, area)
    report = survey.look(_labelled(params, checked))
    split = _split(params, checked, areas)
    covered = footprint.of(checked.chips)
    sides = {"train": split.train, "held_out": split.held_out}
    created = sorted(chip.created for chip in checked.chips if chip.created)
    chips_path, labels_path, split_path = _write(work_folder, checked, split)
    report_files = _write_report(work_folder, report)
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
        created=(created[0], created[-1]) if created else None,
        label_counts=checked.count(params.class_names, checked.labelled),
        class_counts={side: checked.count(params.class_names, names) for side, names in sides.items()},
        chip_counts={side: checked.count_chips(params.class_names, names) for side, names in sides.items()},
        repairs=repairs_of(checked, split, covered),
        zoom_choice=_zoom_choice(params, checked),
        ignored_note=_ignored_note(params, checked),
        objects_note="" if checked.are_boxes else _objects_note(params, checked),
        are_masks=checked.are_masks,
        rules=rules_of(params),
        keywords=_of_boxes(params.keywords) if checked.are_boxes else (),
        from_osm=checked.from_osm,
        labels_time=checked.labels_time,
        areas=_area_rows(split, checked, areas),
        report=report,
        report_files=report_files,
    )


def _labelled(params: IngestDatasetParams, checked: CheckedDataset) -> LabelledChips:
    is_for_pixels = any("segmentation" in word for word in params.keywords)
    is_for_boxes = any("detection" in word for word in params.keywords)
    return LabelledChips(
        chips=checked.chips,
        labels=checked.labels,
        touching=checked.touching,
        imagery=checked.imagery,
        classes=params.class_names,
        labels_time=checked.labels_time,
        are_masks=checked.are_masks,
        may_be_boxes=checked.are_boxes or (is_for_boxes and not is_for_pixels),
    )


def _split(params: IngestDatasetParams, checked: CheckedDataset, areas: Sequence[NamedArea]) -> Split:
    of_areas = mapped_area.chips_by_area(checked.chips, areas) if areas else {}
    how = params.held_out_ratio, params.seed, params.buffer_m
    labelled = checked.drawn.labelled
    if params.by_whole_areas:
        return area_splits.by_whole_areas(checked.chips, of_areas, *how, params.held_out_areas, labelled)
    return replace(splits.by_area(checked.chips, *how, labelled), areas=of_areas)


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


def _write_report(folder: Path, report: LabelReport) -> dict[str, Path]:
    path = folder / f"{REPORT}.json"
    report.write(path)
    return {REPORT: path}
