"""Items of datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pystac import Item

from fair_models.catalog.items import building
from fair_models.catalog.items.versions import item_id
from fair_models.catalog.schemas import extensions, keywords
from fair_models.imagery_rules import CURRENT, ImageryRules
from fair_models.imagery_rules import FIELD as RULES
from fair_models.store.protocol import StoredFile
from fair_models.types import DATASETS, Json

RGB = ("red", "green", "blue")

UNKNOWN_PROVIDER = "unknown"
"""Who made the labels, where nobody said."""

Counts = Mapping[str, int]
"""Labels by class name."""


@dataclass(frozen=True)
class DatasetFacts:
    """What is known of chips and labels that were checked and stored.

    name: The dataset's name, e.g. "banepa-buildings".
    version: The version's number.
    geometry, bbox: The area of the chips in EPSG:4326.
    files: What the registry holds, by key: "chips" (zip), "labels" (GeoJSON), "split" (JSON).
    keywords: Words of the vocabulary; the tasks among them say what the labels are good for.
    classes: Class names without the background.
    class_counts: Labels of each class on the side "train" and on the side "held_out".
    chip_counts: Chips of each class as wholes ("background" among them) on either side, where that is known.
    label_counts: Labels of each class, one on both sides counted once. Default: the sum of the sides.
    chip_count: Number of chips, those left out by the split included.
    gsd_m: Ground sample distance of the chips in metres; None for images without a place.
    split: `fair:split_spec`: method, held_out_ratio, buffer_m, seed; counts train, held_out, left_out.
    created: When it was ingested.
    class_property: Property of the stored labels that names their class. None where none does.
    start, end: When the imagery was taken, where that is known. Both or none.
    source_imagery: Where the imagery comes from: an href (which gets a link), a template of tiles, or a name.
    repairs: What was repaired or left out, as counts by name.
    bands: Names of the chips' bands.
    rules: By which rules the chips were read.
    software: Versions of what prepared it, by name.
    derived_from: Addresses and titles of the items that it derives from.
    fields: What else is to say of how it came about, by property.
    """

    name: str
    version: int
    title: str
    description: str
    geometry: Json
    bbox: Sequence[float]
    files: Mapping[str, StoredFile]
    keywords: Sequence[str]
    classes: Sequence[str]
    class_counts: Mapping[str, Counts]
    chip_count: int
    gsd_m: float | None
    split: Json
    license: str
    created: datetime
    provider: str = ""
    chip_counts: Mapping[str, Counts] = field(default_factory=dict)
    label_counts: Counts = field(default_factory=dict)
    class_property: str | None = None
    label_type: Literal["vector", "raster"] = "vector"
    start: datetime | None = None
    end: datetime | None = None
    source_imagery: str | None = None
    repairs: Counts = field(default_factory=dict)
    bands: Sequence[str] = RGB
    rules: ImageryRules = CURRENT
    software: Mapping[str, str] = field(default_factory=dict)
    derived_from: Sequence[tuple[str, str]] = ()
    fields: Json = field(default_factory=dict)


def build(facts: DatasetFacts) -> Item:
    """The item of one version of a dataset."""
    links = [building.link("derived_from", href, title) for href, title in facts.derived_from]
    if facts.source_imagery and "://" in facts.source_imagery and "{" not in facts.source_imagery:
        links.append(
            building.link("source", facts.source_imagery, "Imagery", "image/tiff; application=geotiff")
        )
    named = [extensions.LABEL, extensions.VERSION, extensions.FILE]
    if facts.software:
        named.append(extensions.PROCESSING)
    files = {key: building.file_asset(key, file) for key, file in facts.files.items()}
    if "chips" in files:
        files["chips"] |= {"bands": building.bands(facts.bands, data_type="uint8"), **_gsd(facts)}
    if "labels" in files and facts.label_type == "raster":
        files["labels"]["roles"] = ["labels", "labels-raster"]
    return building.item(
        DATASETS,
        item_id(facts.name, facts.version),
        (facts.geometry, facts.bbox),
        _properties(facts),
        (files, links, named),
    )


def _properties(facts: DatasetFacts) -> Json:
    own: dict[str, Any] = {
        **_times(facts),
        "title": facts.title,
        "description": facts.description or f"{facts.title}: {_summary(facts)}.",
        "license": facts.license,
        "providers": [{"name": facts.provider or UNKNOWN_PROVIDER, "roles": ["producer"]}],
        "version": str(facts.version),
        "deprecated": False,
        "keywords": list(facts.keywords),
        **_gsd(facts),
        **_labels(facts),
        "fair:chip_count": facts.chip_count,
        "fair:class_counts": {side: dict(counts) for side, counts in facts.class_counts.items()},
        "fair:split_spec": dict(facts.split),
        "fair:repairs": dict(facts.repairs),
        RULES: facts.rules.model_dump(),
        **facts.fields,
    }
    if facts.chip_counts:
        own["fair:chip_counts"] = {side: dict(counts) for side, counts in facts.chip_counts.items()}
    if facts.source_imagery:
        own["fair:source_imagery"] = facts.source_imagery
    if facts.software:
        own["processing:software"] = dict(facts.software)
    return own


def _gsd(facts: DatasetFacts) -> Json:
    return {} if facts.gsd_m is None else {"gsd": facts.gsd_m}


def _times(facts: DatasetFacts) -> Json:
    """The time of the imagery, else that of the ingest."""
    created = building.timestamp(facts.created)
    if facts.start is None or facts.end is None:
        return {"datetime": created, "created": created}
    span = {"start_datetime": building.timestamp(facts.start), "end_datetime": building.timestamp(facts.end)}
    return {"datetime": None, **span, "created": created}


def _labels(facts: DatasetFacts) -> Json:
    """Fields of the label extension. A raster has no properties and its classes no name.

    Labels in vectors always name the property of their class, also where there is one class: the null that
    would say "all are of it" is dropped by catalogues in a database.
    """
    vector = facts.label_type == "vector"
    name = (facts.class_property or "class") if vector else None
    overview: Json = {"counts": [{"name": each, "count": _total(facts, each)} for each in facts.classes]}
    if name:
        overview["property_key"] = name
    return {
        "label:type": facts.label_type,
        "label:tasks": keywords.label_tasks(facts.keywords) or ["segmentation"],
        "label:classes": [{"name": name, "classes": list(facts.classes)}],
        "label:properties": [name] if name else None,
        "label:description": _summary(facts),
        "label:overviews": [overview],
    }


def _summary(facts: DatasetFacts) -> str:
    total = sum(_total(facts, each) for each in facts.classes)
    return f"{total} labels ({', '.join(facts.classes)}) on {facts.chip_count} chips"


def _total(facts: DatasetFacts, name: str) -> int:
    if facts.label_counts:
        return facts.label_counts.get(name, 0)
    return sum(counts.get(name, 0) for counts in facts.class_counts.values())
