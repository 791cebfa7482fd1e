"""Extracts of OpenStreetMap, XML (.osm) and PBF (.osm.pbf), whose areas the driver of GDAL assembles."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import shapely

from fair_models.data.vectors import geojson
from fair_models.data.vectors.osm import closed_ways, tags
from fair_models.data.vectors.osm.tags import OSM_ID, OSM_TIME, OSM_TYPE, Query
from fair_models.data.vectors.vector_files import VectorRows
from fair_models.errors import InvalidLabels
from fair_models.store.atomic import translate_os_errors
from fair_models.types import Array, BBox, Json

ExtractForm = Literal["osm-xml", "osm-pbf"]

MAX_BYTES: dict[ExtractForm, int] = {"osm-xml": 2 * 10**9, "osm-pbf": 300 * 10**6}
"""The largest files that are read: about a country of medium size, two minutes for each pass."""

_ENDINGS: dict[ExtractForm, str] = {"osm-xml": ".osm", "osm-pbf": ".osm.pbf"}
_TAIL_BYTES = 4096

_ELEMENT = re.compile(rb"<(node|way|relation)[\s>]")

POLYGONS, LINES, POINTS = "multipolygons", "lines", "points"
LAYERS = (POLYGONS, LINES, POINTS)
"""Layers that are read, by the names that GDAL gives them."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9:.-]+")

_LAYER = "[{layer}]\nosm_id=yes\nosm_timestamp=yes\nattributes=\nall_tags=yes\n"
_NOT_READ = "[multilinestrings]\nosm_id=yes\nattributes=\n[other_relations]\nosm_id=yes\nattributes=\n"


def rows(path: Path, file: Path, form: ExtractForm, query: Query) -> Iterator[VectorRows]:
    """The features of an extract that are wanted, layer by layer: polygons, then lines and points.

    Each has its tags as properties, beside `osm_id`, `osm_type` and `osm_timestamp`. Lines and points come
    only where tags are asked for.

    Args:
        path: What to call it in messages.
        file: Where it lies.
        form: Its format.
        query: What is wanted.

    Raises:
        InvalidLabels: It is too large, broken, or incomplete.
        Unavailable: It cannot be read.
    """
    for layer in LAYERS if query.rules else (POLYGONS,):
        yield layer_rows(path, file, form, query, layer)


def layer_rows(
    path: Path, file: Path, form: ExtractForm, query: Query, layer: str, most: int = geojson.MAX_FEATURES + 1
) -> VectorRows:
    """The features of one of `LAYERS` that are wanted, `most` of those that have a key that is asked for."""
    require_small(path, file, form, query.around)
    if form == "osm-xml":
        _require_whole(path, file)
    with tempfile.TemporaryDirectory(prefix="fair-polygons-") as name:
        place = Path(name) / f"data{_ENDINGS[form]}"
        place.symlink_to(file.resolve())
        config = Path(name) / "osmconf.ini"
        config.write_text(_config(query.keys))
        return _read(path, place, config, layer, query, most)


def _config(asked: Sequence[str]) -> str:
    closed = ",".join([*closed_ways.keys(asked), *closed_ways.TAGS])
    head = f"closed_ways_are_polygons={closed}\nattribute_name_laundering=no\ntags_format=json\n"
    return head + "".join(_LAYER.format(layer=layer) for layer in LAYERS) + _NOT_READ


def _read(path: Path, place: Path, config: Path, layer: str, query: Query, most: int) -> VectorRows:
    from pyogrio import errors, raw

    broken = (errors.DataSourceError, errors.DataLayerError, errors.FeatureError, errors.GeometryError)
    try:
        meta, _, geometry, columns = raw.read(
            place,
            layer=layer,
            bbox=query.around,
            where=_condition(query.keys),
            max_features=most,
            datetime_as_string=True,
            CONFIG_FILE=str(config),
        )
    except (*broken, UnicodeDecodeError, ValueError, RuntimeError) as error:
        raise InvalidLabels(
            str(path),
            [f"it cannot be read as data of OpenStreetMap ({error}); download or export it again"],
        ) from error
    shapes = np.asarray(shapely.from_wkb(geometry, on_invalid="ignore"), dtype=object)
    names = [str(name) for name in meta["fields"]]
    properties = [
        _properties(dict(zip(names, each, strict=True)), layer) for each in zip(*columns, strict=True)
    ]
    kept = [at for at, each in enumerate(properties) if query.wants(each)]
    return VectorRows(_simple(shapes[kept]), None, [properties[at] for at in kept])


def _condition(keys: Sequence[str]) -> str | None:
    """What GDAL looks at first: whether tags name a key at all. None where a key needs spelling."""
    if not keys or not all(_PLAIN_KEY.fullmatch(key) for key in keys):
        return None
    return " OR ".join(f"all_tags LIKE '%\"{key}\":%'" for key in keys)


def _in_utc(text: str) -> str:
    """A time as OpenStreetMap writes it, to the second; GDAL gives the zone or leaves it out."""
    time = datetime.fromisoformat(text)
    return f"{time.astimezone(UTC) if time.tzinfo else time:%Y-%m-%dT%H:%M:%SZ}"


def _properties(row: Json, layer: str) -> Json:
    way, number, time = row.get("osm_way_id"), row.get("osm_id"), row.get("osm_timestamp")
    kind = "node" if layer == POINTS else "way" if way or layer != POLYGONS else "relation"
    own: Json = {OSM_ID: int(way or number or 0), OSM_TYPE: kind}
    if time:
        own[OSM_TIME] = _in_utc(str(time))
    return tags.unpacked(str(row.get("all_tags") or "")) | own


def _simple(shapes: Array) -> Array:
    """Multipolygons of one part as polygons, which most are."""
    single = (shapely.get_type_id(shapes) == _MULTIPOLYGON) & (shapely.get_num_geometries(shapes) == 1)
    simple = shapes.copy()
    simple[single] = shapely.get_geometry(shapes[single], 0)
    return simple


_MULTIPOLYGON = 6


def require_small(path: Path, file: Path, form: ExtractForm, around: BBox | None) -> None:
    """Refuse a file that is too large, with the command that cuts it.

    Args:
        path: What to call it in messages.
        file: Where it lies.
        form: Its format.
        around: West, south, east, north of what is wanted of it.

    Raises:
        InvalidLabels: It is too large.
        Unavailable: It cannot be looked at.
    """
    with translate_os_errors(f"read {path}"):
        size = file.stat().st_size
    if size <= MAX_BYTES[form]:
        return
    box = "WEST,SOUTH,EAST,NORTH" if around is None else ",".join(f"{each:.4f}" for each in _widened(around))
    raise InvalidLabels(
        str(path),
        [
            f"it has {size / 1e6:,.0f} MB, at most {MAX_BYTES[form] / 1e6:,.0f} MB of this format are read; "
            f"cut it to the area first, for example with `osmium extract --bbox {box} --output area.osm.pbf "
            f"{path.name}`"
        ],
    )


def _widened(around: BBox) -> BBox:
    """A box whose sides have four decimals, no smaller than before."""
    west, south, east, north = (each * 1e4 for each in around)
    return math.floor(west) / 1e4, math.floor(south) / 1e4, math.ceil(east) / 1e4, math.ceil(north) / 1e4


def _require_whole(path: Path, file: Path) -> None:
    """Refuse an XML that says that it is not all, or whose end is missing."""
    with translate_os_errors(f"read {path}"), file.open("rb") as opened:
        size = file.stat().st_size
        opened.seek(max(0, size - _TAIL_BYTES))
        tail = opened.read()
    if b"<remark>" in tail:
        remark = tail.partition(b"<remark>")[2].partition(b"</remark>")[0].strip()[:200]
        raise InvalidLabels(
            str(path),
            [
                f"the answer of Overpass is incomplete, it says: {remark.decode(errors='replace')}; ask "
                "again for a smaller area or with a longer [timeout:…]"
            ],
        )
    if b"</osm>" not in tail and (size > _TAIL_BYTES or _ELEMENT.search(tail)):
        raise InvalidLabels(str(path), ["its end is missing; download it again"])
