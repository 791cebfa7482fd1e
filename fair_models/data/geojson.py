"""GeoJSON as people write it: read with limits, polygons mended.

RFC 7946: https://www.rfc-editor.org/rfc/rfc7946. The older `crs` member is understood.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely
from shapely import MultiPolygon, Polygon

from fair_models.errors import InvalidLabels
from fair_models.types import Array, Json

MAX_BYTES = 512 * 2**20
"""The largest file that is read."""

_LONLAT_NAMES = frozenset({"crs84", "4326"})


def features(path: Path) -> list[Json]:
    """The features of a GeoJSON file.

    Raises:
        InvalidLabels: There is no such file, it is too large, no GeoJSON, or not in longitude and latitude.
    """
    if not path.is_file():
        raise InvalidLabels(
            str(path),
            ["there is no such file; put labels.geojson among the chips, or name the file (labels)"],
        )
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InvalidLabels(
            str(path),
            [f"it has {size / 2**20:.0f} MB, at most {MAX_BYTES / 2**20:.0f} are read; cut it to the chips"],
        )
    try:
        document = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise InvalidLabels(str(path), [f"it is no JSON ({error}); export it as GeoJSON again"]) from error
    _check_reference_system(path, document)
    found = [document] if _type_of(document) == "Feature" else _listed(document)
    if found is None or not all(_type_of(feature) == "Feature" for feature in found):
        raise InvalidLabels(
            str(path), [f"it is no GeoJSON FeatureCollection but {_told(document)}; export it as GeoJSON"]
        )
    return [
        feature if isinstance(feature.get("properties"), dict) else {**feature, "properties": {}}
        for feature in found
    ]


def polygon(geometry: Any) -> tuple[Polygon | MultiPolygon | None, str | None]:
    """A valid polygon of a GeoJSON geometry, and what happened to it.

    Returns:
        The polygon, with None or "repaired"; or None with the reason why there is none: "null_geometry",
        "other_geometry", "malformed" or "without_area".
    """
    if geometry is None:
        return None, "null_geometry"
    kind = _type_of(geometry)
    if kind not in ("Polygon", "MultiPolygon"):
        return None, "other_geometry"
    coordinates = geometry.get("coordinates")
    try:
        parts = [_part(rings) for rings in ([coordinates] if kind == "Polygon" else coordinates)]
    except (TypeError, ValueError, IndexError):
        return None, "malformed"
    kept = [part for part in parts if part is not None]
    outline = MultiPolygon(kept) if len(kept) > 1 else (kept[0] if kept else Polygon())
    if shapely.is_valid(outline):
        return (outline, None) if outline.area > 0 else (None, "without_area")
    mended = _polygons_of(shapely.make_valid(outline, method="structure", keep_collapsed=False))
    return (mended, "repaired") if mended.area > 0 else (None, "without_area")


def _part(rings: Any) -> Polygon | None:
    """A polygon of its rings; None where the outer one has fewer than three corners."""
    if not rings:
        return None
    outer, *inner = [_ring(ring) for ring in rings]
    if len(np.unique(outer, axis=0)) < 3:
        return None
    return Polygon(outer, [hole for hole in inner if len(np.unique(hole, axis=0)) >= 3])


def _ring(ring: Any) -> Array:
    """Corners of a ring, shape (n, 2); heights are dropped. Shapely closes what is open."""
    corners = np.array([(position[0], position[1]) for position in ring], dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(corners).all():
        raise ValueError("a coordinate is not finite")
    return corners


def _polygons_of(geometry: shapely.Geometry) -> Polygon | MultiPolygon:
    """The polygons of a geometry, joined where they share an edge; lines and points of it are dropped."""
    parts = shapely.get_parts(shapely.get_parts([geometry]))
    joined = shapely.union_all([part for part in parts if isinstance(part, Polygon)])
    return joined if isinstance(joined, Polygon | MultiPolygon) else MultiPolygon()


def _check_reference_system(path: Path, document: Any) -> None:
    """Refuse a `crs` member (of GeoJSON before 2016) that is not longitude and latitude."""
    crs = document.get("crs") if isinstance(document, dict) else None
    if crs is None:
        return
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    code = str(name).replace("/", ":").rsplit(":", 1)[-1].lower()
    if code not in _LONLAT_NAMES:
        raise InvalidLabels(
            str(path),
            [
                f"it is in {name or crs}, not in longitude and latitude; "
                "reproject it with `ogr2ogr -t_srs EPSG:4326`"
            ],
        )


def _listed(document: Any) -> list[Any] | None:
    members = document.get("features") if _type_of(document) == "FeatureCollection" else None
    return members if isinstance(members, list) else None


def _type_of(value: Any) -> Any:
    return value.get("type") if isinstance(value, dict) else None


def _told(document: Any) -> str:
    if isinstance(document, dict):
        return f"an object of type {document.get('type', 'unknown')}"
    return f"a JSON {type(document).__name__}"
