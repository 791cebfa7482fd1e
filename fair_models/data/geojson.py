"""GeoJSON as people write it: read with limits, polygons mended.

RFC 7946: https://www.rfc-editor.org/rfc/rfc7946. The older `crs` member is understood.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.errors import ShapelyError

from fair_models.errors import InvalidDocument, InvalidLabels
from fair_models.store import documents
from fair_models.types import Array, Json

MAX_BYTES = 512 * 2**20
"""The largest file that is read."""

MAX_DEPTH = 32
"""Objects and lists inside each other, geometries (9 for a MultiPolygon) and properties included."""

MAX_FEATURES = 1_000_000
"""Labels of one file."""

MAX_RINGS = 10_000
"""Rings of one label: its outlines and the holes in them."""

MAX_POSITIONS = 1_000_000
"""Positions of one label."""

_LONLAT_NAMES = frozenset({("ogc", "crs84"), ("epsg", "4326")})


def features(path: Path) -> list[Json]:
    """The features of a GeoJSON file.

    Raises:
        InvalidLabels: There is no such file, it is too large or too deep, no GeoJSON, not in longitude and
            latitude, or has too many features, rings or positions.
        Unavailable: The file cannot be read.
    """
    if not path.is_file():
        raise InvalidLabels(
            str(path),
            ["there is no such file; put labels.geojson among the chips, or name the file (labels)"],
        )
    try:
        document = documents.read_json(path, documents.Limits(MAX_BYTES, MAX_DEPTH))
    except InvalidDocument as error:
        raise InvalidLabels(str(path), error.reasons) from error
    if problem := other_reference_system(document):
        raise InvalidLabels(str(path), [problem])
    found = [document] if _type_of(document) == "Feature" else _listed(document)
    if found is None or not all(_type_of(feature) == "Feature" for feature in found):
        raise InvalidLabels(
            str(path), [f"it is no GeoJSON FeatureCollection but {_told(document)}; export it as GeoJSON"]
        )
    if reasons := _too_much(found):
        raise InvalidLabels(str(path), reasons)
    return [
        feature if isinstance(feature.get("properties"), dict) else {**feature, "properties": {}}
        for feature in found
    ]


def polygon(geometry: Any) -> tuple[Polygon | MultiPolygon | None, str | None]:
    """A valid polygon of a GeoJSON geometry, and what happened to it.

    Returns:
        The polygon, with None, "repaired" or "closed" (a ring was open); or None with the reason why there
        is none: "null_geometry", "other_geometry", "malformed" or "without_area".
    """
    if geometry is None:
        return None, "null_geometry"
    kind = _type_of(geometry)
    if kind not in ("Polygon", "MultiPolygon"):
        return None, "other_geometry"
    coordinates = geometry.get("coordinates")
    try:
        polygons = [coordinates] if kind == "Polygon" else coordinates
        parts = [_part(rings) for rings in polygons]
        happened = None if all(_is_closed(ring) for rings in polygons for ring in rings or ()) else "closed"
        kept = [part for part in parts if part is not None]
        outline = MultiPolygon(kept) if len(kept) > 1 else (kept[0] if kept else Polygon())
        if not shapely.is_valid(outline):
            outline, happened = _mended(outline), "repaired"
    except (TypeError, ValueError, IndexError, KeyError, ShapelyError):
        return None, "malformed"
    return (outline, happened) if outline.area > 0 else (None, "without_area")


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
    positions = [(position[0], position[1]) for position in ring]
    if not {type(value) for position in positions for value in position} <= {int, float}:
        raise TypeError("a coordinate is no number")  # numpy would take "7" and true for one
    corners = np.array(positions, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(corners).all():
        raise ValueError("a coordinate is not finite")
    return corners


def _is_closed(ring: Any) -> bool:
    return not ring or ring[0][:2] == ring[-1][:2]


def _mended(outline: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    """Valid polygons of an outline, joined where they share an edge; lines and points of it are dropped."""
    geometry = shapely.make_valid(outline, method="structure", keep_collapsed=False)
    parts = shapely.get_parts(shapely.get_parts([geometry]))
    joined = shapely.union_all([part for part in parts if isinstance(part, Polygon)])
    return joined if isinstance(joined, Polygon | MultiPolygon) else MultiPolygon()


def other_reference_system(document: Any) -> str | None:
    """What is wrong with a `crs` member (of GeoJSON before 2016) that is not longitude and latitude."""
    crs = document.get("crs") if isinstance(document, dict) else None
    if crs is None:
        return None
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    words = str(name).lower().replace("/", ":").split(":")
    if any(authority in words and words[-1] == code for authority, code in _LONLAT_NAMES):
        return None
    return (
        f"it is in {str(name or crs)[:120]}, not in longitude and latitude (WGS 84); "
        "reproject it with `ogr2ogr -t_srs EPSG:4326`"
    )


def _too_much(found: list[Any]) -> list[str]:
    """Which limits the features exceed: each costs time and memory in everything that follows."""
    if len(found) > MAX_FEATURES:
        return [f"it has {len(found):,} features, at most {MAX_FEATURES:,} are read; cut it to the chips"]
    reasons = []
    for number, feature in enumerate(found):
        rings = _rings_of(feature.get("geometry"))
        positions = sum(len(ring) for ring in rings)
        if len(rings) > MAX_RINGS or positions > MAX_POSITIONS:
            reasons.append(
                f"feature {number} has {len(rings):,} rings and {positions:,} positions, at most "
                f"{MAX_RINGS:,} and {MAX_POSITIONS:,} are read; split or simplify it"
            )
    return reasons[:10]


def _rings_of(geometry: Any) -> list[list[Any]]:
    """The rings of a polygon or of several, what is malformed left out."""
    nested = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if _type_of(geometry) == "Polygon":
        nested = [nested]
    elif _type_of(geometry) != "MultiPolygon":
        return []
    polygons = [rings for rings in nested if isinstance(rings, list)] if isinstance(nested, list) else []
    return [ring for rings in polygons for ring in rings if isinstance(ring, list)]


def _listed(document: Any) -> list[Any] | None:
    members = document.get("features") if _type_of(document) == "FeatureCollection" else None
    return members if isinstance(members, list) else None


def _type_of(value: Any) -> Any:
    return value.get("type") if isinstance(value, dict) else None


def _told(document: Any) -> str:
    if isinstance(document, dict):
        return f"an object of type {document.get('type', 'unknown')}"
    return f"a JSON {type(document).__name__}"
