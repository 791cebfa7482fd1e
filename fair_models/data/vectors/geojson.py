"""GeoJSON as people write it: its features, with limits. What becomes of their geometries: see `polygons`.

RFC 7946: https://www.rfc-editor.org/rfc/rfc7946. The older `crs` member is understood on documents, features
and geometries; GeoJSON in another system than longitude and latitude is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from shapely import MultiPolygon, Polygon
from shapely.errors import ShapelyError

from fair_models.data.images.grid import LONLAT
from fair_models.data.vectors import outlines, reference_systems
from fair_models.errors import Invalid, InvalidDocument, InvalidLabels
from fair_models.store import documents
from fair_models.store.atomic import translate_os_errors
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

_GEOMETRIES = frozenset(
    {
        "Point",
        "MultiPoint",
        "LineString",
        "MultiLineString",
        "Polygon",
        "MultiPolygon",
        "GeometryCollection",
    }
)
_RECORD = b"\x1e"
"""What GeoJSON text sequences (RFC 8142) begin each feature with."""


def features(path: Path) -> list[Json]:
    """The features of a GeoJSON file, or of one with a feature on each line (GeoJSONSeq).

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
    return features_of(document(path), str(path))


def document(path: Path) -> Any:
    """The content of a file: a GeoJSON object, or a collection of the features on its lines.

    Raises:
        InvalidLabels: It is too large or too deep, or no GeoJSON.
        Unavailable: The file cannot be read.
    """
    limits = documents.Limits(MAX_BYTES, MAX_DEPTH)
    try:
        if not _is_sequence(path):
            return documents.read_json(path, limits)
        with translate_os_errors(f"read {path}"), path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        return {"type": "FeatureCollection", "features": _records(data, str(path), limits)}
    except InvalidDocument as error:
        raise InvalidLabels(str(path), error.reasons) from error


def features_of(found: Any, name: str) -> list[Json]:
    """The features of a GeoJSON object; a geometry alone counts as a feature without properties.

    Args:
        found: The object.
        name: What to call it in messages: the file.

    Raises:
        InvalidLabels: It is no GeoJSON, not in longitude and latitude, or has too many features, rings or
            positions.
    """
    if problem := other_reference_system(found):
        raise InvalidLabels(name, [problem])
    listed = list(_listed(found))
    if any(each is None for each in listed):
        raise InvalidLabels(
            name,
            [
                f"it is no GeoJSON FeatureCollection but {_told(found)}; export it as GeoJSON, for example "
                "with `ogr2ogr -f GeoJSON labels.geojson FILE`"
            ],
        )
    known = [each for each in listed if each is not None]
    if reasons := _too_much(known):
        raise InvalidLabels(name, reasons)
    for each in known:
        problem = other_reference_system(each) or _other_system_inside(each.get("geometry"))
        if problem:
            raise InvalidLabels(name, [problem])
    return [
        each if isinstance(each.get("properties"), dict) else {**each, "properties": {}} for each in known
    ]


def polygon(geometry: Any) -> tuple[Polygon | MultiPolygon | None, str | None]:
    """A valid polygon of a GeoJSON geometry, and what happened to it first.

    Returns:
        The polygon, with None or the first name of what `outline` says; or None with the reason.
    """
    found, happened = outline(geometry)
    return found, happened[0] if happened else None


def outline(geometry: Any) -> tuple[Polygon | MultiPolygon | None, list[str]]:
    """A valid polygon in longitude and latitude of a GeoJSON geometry, and what happened to it.

    The polygons inside a GeometryCollection are one outline together, however deep they lie.

    Returns:
        The polygon, with names of what was mended: "closed" (a ring was open), "partly" (members of a
        collection that are no polygons are left out), and those of `outlines.settled`; or None with the one
        reason why there is none: "null_geometry", "other_geometry", "malformed", "without_area" or
        "outside_degrees".
    """
    found, happened = shape(geometry)
    if found is None:
        return None, happened
    found, more = outlines.settled(found)
    return found, list(dict.fromkeys([*more, *happened])) if found is not None else more


def shape(geometry: Any) -> tuple[Polygon | MultiPolygon | None, list[str]]:
    """The polygon of a GeoJSON geometry as it is written, in whatever units, and what happened to it.

    Returns:
        The polygon, which may be invalid, with "closed" and "partly" where they happened; or None with the
        one reason, as `outline` says.
    """
    if geometry is None:
        return None, ["null_geometry"]
    members = list(_members(geometry))
    polygons = [each for each in members if _type_of(each) in ("Polygon", "MultiPolygon")]
    if not polygons:
        return None, ["other_geometry"]
    parts: list[Polygon] = []
    happened: list[str] = []
    broken = 0
    for member in polygons:
        coordinates = member.get("coordinates")
        try:
            nested = [coordinates] if member["type"] == "Polygon" else coordinates
            made = [_part(rings) for rings in nested]
            if not all(_is_closed(ring) for rings in nested for ring in rings or ()):
                happened.append("closed")
            parts += [part for part in made if part is not None]
        except (TypeError, ValueError, IndexError, KeyError, ShapelyError):
            broken += 1
    if broken == len(polygons):
        return None, ["malformed"]
    if not parts:
        return None, ["without_area"]
    if broken or len(polygons) < len(members):
        happened.append("partly")
    return MultiPolygon(parts) if len(parts) > 1 else parts[0], happened


def other_reference_system(found: Any) -> str | None:
    """What is wrong with a `crs` member (of GeoJSON before 2016) that is not longitude and latitude."""
    crs = found.get("crs") if isinstance(found, dict) else None
    if crs is None:
        return None
    try:
        if reference_systems.of_member(crs) == LONLAT:
            return None
    except Invalid:
        pass
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return (
        f"it is in {str(name or crs)[:120]}, not in longitude and latitude (WGS 84); "
        "reproject it with `ogr2ogr -t_srs EPSG:4326`"
    )


def _other_system_inside(geometry: Any) -> str | None:
    """The same of a geometry and of those inside it."""
    if not isinstance(geometry, dict):
        return None
    if problem := other_reference_system(geometry):
        return problem
    inner = geometry.get("geometries")
    if _type_of(geometry) != "GeometryCollection" or not isinstance(inner, list):
        return None
    return next((problem for each in inner if (problem := _other_system_inside(each))), None)


def _is_sequence(path: Path) -> bool:
    """Whether a file has a feature on each line, or behind each record separator."""
    with translate_os_errors(f"read {path}"), path.open("rb") as file:
        first = file.readline(MAX_BYTES + 1).removeprefix(b"\xef\xbb\xbf")
        while first and not first.strip():
            first = file.readline(MAX_BYTES + 1)
        if first.lstrip().startswith(_RECORD):
            return True
        following = file.readline(1024)
        while following and not following.strip():
            following = file.readline(1024)
    if not following.strip() or not first.rstrip().endswith(b"}"):
        return False
    try:
        return _type_of(documents.parse_json(first, str(path), documents.Limits(MAX_BYTES, MAX_DEPTH))) in {
            "Feature",
            *_GEOMETRIES,
        }
    except InvalidDocument:
        return False


def _records(data: bytes, name: str, limits: documents.Limits) -> list[Any]:
    if len(data) > MAX_BYTES:
        raise InvalidLabels(
            name,
            [
                f"it has more than {MAX_BYTES:,} bytes, the most that is read; name the right file, or make "
                "it smaller"
            ],
        )
    data = data.removeprefix(b"\xef\xbb\xbf")
    pieces = data.split(_RECORD) if _RECORD in data[:1024] else data.splitlines()
    return [documents.parse_json(piece, name, limits) for piece in pieces if piece.strip()]


def _listed(found: Any) -> Iterator[Json | None]:
    """Features, those in collections inside collections too; None for what is none."""
    kind = _type_of(found)
    if kind == "Feature":
        yield found
    elif kind in _GEOMETRIES:
        yield {"type": "Feature", "properties": {}, "geometry": found}
    elif kind == "FeatureCollection" and isinstance(found.get("features"), list):
        for each in found["features"]:
            yield from _listed(each)
    else:
        yield None


def _members(geometry: Any) -> Iterator[Any]:
    """The geometries of a geometry: itself, or what lies in a collection at any depth."""
    inner = geometry.get("geometries") if _type_of(geometry) == "GeometryCollection" else None
    if not isinstance(inner, list):
        yield geometry
        return
    for each in inner:
        yield from _members(each)


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


def _too_much(found: list[Json]) -> list[str]:
    """Which limits the features exceed: each costs time and memory in everything that follows."""
    if len(found) > MAX_FEATURES:
        return [f"it has {len(found):,} features, at most {MAX_FEATURES:,} are read; cut it to the chips"]
    reasons = []
    for number, feature in enumerate(found):
        rings = [ring for member in _members(feature.get("geometry")) for ring in _rings_of(member)]
        positions = sum(len(ring) for ring in rings)
        if reason := too_large(number, len(rings), positions):
            reasons.append(reason)
    return reasons[:10]


def too_large(number: int, rings: int, positions: int) -> str | None:
    """Why a feature has too many rings or positions; None where it has not."""
    if rings <= MAX_RINGS and positions <= MAX_POSITIONS:
        return None
    return (
        f"feature {number} has {rings:,} rings and {positions:,} positions, at most "
        f"{MAX_RINGS:,} and {MAX_POSITIONS:,} are read; split or simplify it"
    )


def _rings_of(geometry: Any) -> list[list[Any]]:
    """The rings of a polygon or of several, what is malformed left out."""
    nested = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if _type_of(geometry) == "Polygon":
        nested = [nested]
    elif _type_of(geometry) != "MultiPolygon":
        return []
    polygons = [rings for rings in nested if isinstance(rings, list)] if isinstance(nested, list) else []
    return [ring for rings in polygons for ring in rings if isinstance(ring, list)]


def _type_of(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else None


def _told(found: Any) -> str:
    if isinstance(found, dict):
        return f"an object of type {found.get('type', 'unknown')}"
    return f"a JSON {type(found).__name__}"
