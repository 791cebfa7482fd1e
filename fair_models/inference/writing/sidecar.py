"""What lies beside the results: a STAC item that says how they came about, and the config that repeats it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import yaml

from fair_models import __version__, ownership
from fair_models.catalog.schemas.extensions import CLASSIFICATION, FILE, PROCESSING, RASTER
from fair_models.data.images import antimeridian
from fair_models.imagery_rules import CURRENT, OLD, ImageryRules
from fair_models.imagery_rules import FIELD as RULES
from fair_models.inference.imagery.reading import Block
from fair_models.inference.network.session import Session
from fair_models.store.digests import checksum_file
from fair_models.types import Json

PREFIX = "inference."
"""How the keys of inference parameters begin in items and configs."""

_MANY_BLOCKS = 100

MEDIA_TYPES = {
    ".fgb": "application/vnd.flatgeobuf",
    ".geojson": "application/geo+json",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".pmtiles": "application/vnd.pmtiles",
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".png": "image/png",
    ".yaml": "application/yaml",
}


@dataclass(frozen=True)
class OutputFile:
    """One file of a prediction.

    key: Its asset's key, e.g. "geojson".
    name: Its name in the output folder.
    title: What it is, for people.
    roles: Its asset's roles.
    checksum: sha-256 multihash.
    size: Bytes.
    fields: What else its asset says, e.g. the classes that its values mean.
    """

    key: str
    name: str
    title: str
    roles: tuple[str, ...]
    checksum: str
    size: int
    fields: Mapping[str, Any] = field(default_factory=dict)


def output_file(
    folder: Path, name: str, key: str, title: str, *roles: str, fields: Mapping[str, Any] | None = None
) -> OutputFile:
    """Describe a file that was written."""
    path = folder / name
    return OutputFile(key, name, title, roles, checksum_file(path), path.stat().st_size, fields or {})


def config_yaml(
    model: str,
    imagery: str,
    parameters: Mapping[str, Any],
    formats: Sequence[str],
    options: Mapping[str, Any],
) -> str:
    """The predict config: with another output folder it asks for the same prediction again.

    Args:
        model: Exact id of the model's item.
        imagery: The imagery as it was asked for.
        parameters: Inference parameters without their prefix, all that were used.
        formats: Which files were asked for.
        options: What else was asked for.
    """
    document = {
        "model": model,
        "imagery": imagery,
        "parameters": with_prefix(parameters),
        "formats": list(formats),
        **options,
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def with_prefix(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Inference parameters by their full keys."""
    return {f"{PREFIX}{key}": value for key, value in parameters.items()}


@dataclass(frozen=True)
class PredictionFacts:
    """What a prediction's item says.

    model_id: Exact id of the model's item.
    model_href: Where that item lies.
    session: The network that ran.
    imagery: The imagery as it was asked for.
    parameters: Inference parameters without their prefix.
    counts: How much was read and found, e.g. {"images": 48, "features": 1466}.
    class_counts: Features by class.
    area_m2: Area of all polygons that are not background.
    seconds: Wall time.
    options: What else was asked for, by the names of the parameters.
    imagery_name: What to call the imagery in the title. Default: the last part of its address.
    imagery_facts: What else is to say of the imagery, e.g. how many tiles were holes.
    rules: By which rules imagery was read.
    exclude_checksum: Digest of the existing features, where there were any.
    datetime: Time of the prediction that this one repeats; None for now.
    """

    model_id: str
    model_href: str
    session: Session
    imagery: str
    parameters: Mapping[str, Any]
    counts: Mapping[str, int]
    class_counts: Mapping[str, int]
    area_m2: float
    seconds: float
    options: Mapping[str, Any] = field(default_factory=dict)
    imagery_name: str = ""
    imagery_facts: Mapping[str, Any] = field(default_factory=dict)
    rules: ImageryRules = CURRENT
    exclude_checksum: str | None = None
    datetime: str | None = None


def item(facts: PredictionFacts, blocks: Sequence[Block], files: Sequence[OutputFile]) -> Json:
    """The prediction as a STAC item. Hrefs of its assets are relative to the output folder."""
    from shapely.geometry import mapping

    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    outline = footprint(blocks)
    checksum = checksum_file(facts.session.path)
    parameters = with_prefix(facts.parameters)
    options = dict(facts.options)
    if facts.exclude_checksum is not None:
        options["exclude_checksum"] = facts.exclude_checksum
    owned: dict[str, Any] = {}
    ownership.stamp(owned)
    rules = [] if facts.rules == OLD else [facts.rules.model_dump()]  # older predictions keep their ids
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [FILE, PROCESSING, *_extensions(files)],
        "id": f"prediction-{_digest(facts.model_id, checksum, facts.imagery, parameters, options, *rules)}",
        "geometry": orjson.loads(orjson.dumps(mapping(outline))),
        "bbox": list(antimeridian.bbox([outline])),
        "properties": {
            "datetime": facts.datetime or now,
            "created": now,
            "title": f"{facts.model_id} over {facts.imagery_name or Path(facts.imagery).name}",
            **owned,
            "fair:model_id": facts.model_id,
            "fair:model_checksum": checksum,
            "fair:imagery": facts.imagery,
            RULES: facts.rules.model_dump(),
            **facts.imagery_facts,
            "fair:parameters": parameters,
            "fair:options": options,
            "fair:engine": _engine(facts.session, checksum),
            "fair:counts": dict(facts.counts),
            "fair:class_counts": dict(facts.class_counts),
            "fair:area_m2": round(facts.area_m2, 1),
            "fair:seconds": round(facts.seconds, 3),
            "processing:software": software(facts.session),
        },
        "links": [
            {
                "rel": "derived_from",
                "href": facts.model_href,
                "type": "application/json",
                "title": facts.model_id,
            }
        ],
        "assets": {file.key: _asset(file) for file in files},
    }


def _engine(session: Session, checksum: str) -> Json:
    """What ran the network, and which file of the model that was."""
    return {
        "name": session.engine,
        "version": session.version,
        "provider": session.provider,
        "precision": session.precision,
        "file": session.path.name,
        "checksum": checksum,
        **({"note": session.note} if session.note else {}),
    }


def software(session: Session) -> dict[str, str]:
    """Versions of what the numbers depend on."""
    import pyarrow
    import pyogrio
    import pyproj
    import rasterio
    import shapely

    return {
        "fair-models": __version__,
        "python": platform.python_version(),
        session.engine: session.version,
        "numpy": np.__version__,
        "rasterio": rasterio.__version__,
        "gdal": rasterio.__gdal_version__,
        "proj": pyproj.proj_version_str,
        "shapely": shapely.__version__,
        "geos": shapely.geos_version_string,
        "pyarrow": pyarrow.__version__,
        "pyogrio": pyogrio.__version__,
    }


def _asset(file: OutputFile) -> Json:
    return {
        "href": f"./{file.name}",
        "type": MEDIA_TYPES[Path(file.name).suffix],
        "title": file.title,
        "roles": list(file.roles),
        "file:checksum": file.checksum,
        "file:size": file.size,
        **file.fields,
    }


def _extensions(files: Sequence[OutputFile]) -> list[str]:
    """Extensions of the fields that assets have beside those of all files."""
    used = {name.partition(":")[0] for file in files for name in file.fields}
    return [
        address
        for prefix, address in (("classification", CLASSIFICATION), ("raster", RASTER))
        if prefix in used
    ]


def footprint(blocks: Sequence[Block]) -> Any:
    """The outlines of what counts of the blocks in EPSG:4326; one box around all where there are many."""
    import shapely

    from fair_models.inference.imagery.georeference import on_map

    outlines = [
        on_map(shapely.box([0], [0], [grid.width], [grid.height]), grid)[0]
        for grid in (block.native.grid for block in blocks)
    ]
    outlines = [
        outline if block.clip is None else shapely.intersection(outline, block.clip.area.outline)
        for outline, block in zip(outlines, blocks, strict=True)
    ]
    whole = (
        shapely.union_all(outlines)
        if len(outlines) <= _MANY_BLOCKS
        else antimeridian.box(*antimeridian.bbox(outlines))
    )
    return shapely.orient_polygons(whole)


def _digest(*parts: object) -> str:
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
