"""The areas that were looked at: what the item of a dataset says of them, and their file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import shapely
from pystac import Item

from fair_models.catalog.items import assets
from fair_models.catalog.items.dataset import AREAS, MAPPED_AREA, DatasetItem
from fair_models.data import area_splits
from fair_models.data.dataset_check import PreparedDataset
from fair_models.data.vectors import mapped_area, polygons
from fair_models.errors import Invalid
from fair_models.inference.imagery.areas import Area
from fair_models.params import IngestDatasetParams
from fair_models.store import atomic
from fair_models.types import Json

MAX_POSITIONS = 500
"""Corners of an outline that an item has itself."""

FILE = "areas.geojson"


def require(params: IngestDatasetParams, area: Area | None) -> None:
    """Whether whole areas can be held out, by their names: before chips are cut, which takes long.

    Args:
        params: The request.
        area: Its area.

    Raises:
        Invalid: They cannot; lists every reason.
    """
    if not params.by_whole_areas:
        return
    if area is None:
        raise Invalid(
            f"Whole areas of {params.name} cannot be held out, for no area is given: name the file with the "
            "polygons that were mapped (area), or split by block"
        )
    try:
        area_splits.require_areas([part.name for part in area.parts], params.held_out_areas)
    except Invalid as error:
        if same := "; ".join(_of_one_name(area)):
            raise Invalid(f"{error} ({same})") from error
        raise


def files(area: Area | None, folder: Path) -> dict[str, Path]:
    """The file of the areas by the key of its asset; none where the item says all in a property.

    Args:
        area: The area.
        folder: Where it is written.
    """
    if area is None or not _needs_file(area):
        return {}
    path = folder / FILE
    atomic.write_json(path, mapped_area.document(area.parts))
    return {assets.KEYS[assets.AREAS]: path}


def fields(area: Area | None, prepared: PreparedDataset) -> Json:
    """What the item says of the areas, by property."""
    if area is None:
        return {}
    rows: Json = {AREAS: list(prepared.areas)} if prepared.areas else {}
    if shapely.get_num_coordinates(area.outline) > MAX_POSITIONS:
        return rows
    return {**rows, MAPPED_AREA: mapped_area.geometry(area.outline)}


def notes(area: Area | None, prepared: PreparedDataset) -> Iterator[str]:
    """What people should know of the areas, in sentences."""
    if area is None:
        return
    yield from (f"Area: {each}" for each in polygons.repair_sentences(area.mended))
    yield from _of_one_name(area)
    for row in prepared.areas:
        if not row["chips"]:
            yield f"No chip belongs to area {row['name']}, or has most of its ground there"
        elif not row["labels"]:
            yield f"Area {row['name']} has no label: its {row['chips']} chips are background alone"
    if held_out := prepared.split_spec.get("held_out_areas"):
        count, between = prepared.split_spec["held_out"], prepared.repairs.get("buffer", 0)
        beside = f", {between} left out beside them" if between else ""
        yield f"Held out whole: {', '.join(held_out)} ({count} of {prepared.chip_count} chips{beside})"


def require_recorded(datasets: Sequence[Item]) -> None:
    """Whether datasets can be compared by area. Those without areas have no rows of their own.

    Args:
        datasets: Their items.

    Raises:
        Invalid: None of them has areas; says why for each.
    """
    if not any(DatasetItem(dataset).areas for dataset in datasets):
        reasons = "; ".join(f"{dataset.id} {_why_none(DatasetItem(dataset))}" for dataset in datasets)
        raise Invalid(
            f"Versions cannot be compared by area: {reasons}. Ingest chips and labels with --area, a file "
            "with a polygon for each area, or compare without --by area"
        )


def _why_none(dataset: DatasetItem) -> str:
    if dataset.split.get("method") == "image":
        return "has captions, whose images are held out at random"
    return "was ingested without an area, or before areas were kept"


def _needs_file(area: Area) -> bool:
    is_large = shapely.get_num_coordinates(area.outline) > MAX_POSITIONS
    return is_large or len(area.parts) > 1 or not mapped_area.is_default_name(area.parts[0].name)


def _of_one_name(area: Area) -> Iterator[str]:
    """Areas of several polygons: all that have one name are one area."""
    for part in area.parts:
        if part.polygon_count > 1:
            yield f"{part.polygon_count} polygons are named {part.name} and make one area"
