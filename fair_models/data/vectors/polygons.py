"""The one reader of polygons: labels, existing features, areas and feedback all come through here.

Of data of OpenStreetMap only what is asked for by tags is read, see `osm.tags`.

Whatever the format, polygons inside of geometry collections are used, other reference systems are reprojected
(GeoJSON in another one is refused), outlines are mended and cut at the antimeridian, and all that is left out
is counted under a name of `REPAIRS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from fair_models.data.images.grid import LONLAT, reproject
from fair_models.data.vectors import geojson, outlines, reference_systems, vector_files
from fair_models.data.vectors.osm import extracts, overpass, snapshots
from fair_models.data.vectors.osm.tags import Query
from fair_models.data.vectors.vector_files import VectorRows
from fair_models.errors import Invalid, InvalidLabels
from fair_models.types import Array, BBox, Json

REPAIRS = {
    "repaired": "outlines that crossed themselves, mended and kept",
    "closed": "outlines with a ring that was open, closed and kept",
    "over_antimeridian": "outlines that reach over 180° of longitude, cut there and kept",
    "partly": "geometry collections with points, lines or broken parts, of which the polygons are kept",
    "null_geometry": "features without a geometry, left out",
    "other_geometry": "points, lines and other geometries that are no polygons, left out",
    "malformed": "polygons whose coordinates cannot be read, left out",
    "without_area": "polygons that are empty or without area, left out",
    "outside_degrees": "polygons whose coordinates are no longitude and latitude, left out",
}
"""What happens to polygons on reading, in words that follow a number."""

ID = "id"
"""The property that names a polygon; a GeoJSON member of this name counts where there is none."""

_POLYGONAL = (3, 6)
_COLLECTION = 7


@dataclass(frozen=True)
class Feature:
    """One feature of a file.

    outline: Valid, in longitude and latitude; None where there is none.
    happened: What was mended, or the one reason why there is no outline, by the names of `REPAIRS`.
    properties: As they were read.
    id: As text; empty where it has none.
    """

    outline: Polygon | MultiPolygon | None
    happened: Sequence[str] = ()
    properties: Json = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True)
class _Batch:
    """Some features as columns; `example` is a corner of one that lies outside of all degrees."""

    outlines: Array
    happened: Sequence[Sequence[str]]
    properties: Sequence[Json]
    ids: Sequence[Any]
    example: tuple[float, float] | None = None


def read(path: Path, query: Query | None = None) -> list[Feature]:
    """The features of a file, all of them, in its order.

    Args:
        path: GeoJSON, GeoPackage, Shapefile, FlatGeobuf, GeoParquet or data of OpenStreetMap, also packed;
            its content decides.
        query: What is wanted of data of OpenStreetMap. Default: its polygons. Other files are read whole.

    Raises:
        InvalidLabels: It cannot be read, is too large, of a format that is not read, in a reference system
            that is not known, or most of its polygons are not in longitude and latitude.
        Unavailable: It cannot be opened now.
    """
    found: list[Feature] = []
    for batch in _checked(str(path), _batches(path, query or Query(), properties=True)):
        found += _features(batch)
        if len(found) > geojson.MAX_FEATURES:
            raise InvalidLabels(
                str(path),
                [
                    f"it has more than {geojson.MAX_FEATURES:,} features, the most that are read; cut it to "
                    "the chips"
                ],
            )
    return found


def look(path: Path, around: BBox | None = None) -> None:
    """Refuse a file whose first bytes or size show that it is not read, before work is done that needs it.

    Args:
        path: The file.
        around: West, south, east, north of what is wanted of it.

    Raises:
        InvalidLabels: It is of a format that is not read, or too large; says what converts or cuts it.
        Unavailable: It cannot be opened now.
    """
    form = vector_files.form_of(path)
    if form == "osm-xml" or form == "osm-pbf":
        extracts.require_small(path, path, form, around)


def of_document(document: Any, name: str) -> list[Feature]:
    """The features of a GeoJSON object: a collection, a feature, or a geometry alone.

    Args:
        document: The object.
        name: What to call it in messages.

    Raises:
        InvalidLabels: It is no GeoJSON, too large, or not in longitude and latitude.
    """
    return [each for batch in _checked(name, [_of_document(document, name)]) for each in _features(batch)]


def batches(path: Path, query: Query | None = None) -> Iterator[tuple[Array, Mapping[str, int]]]:
    """Outlines alone, some thousand at a time, with counts by the names of `REPAIRS`. Raises as `read`."""
    for batch in _checked(str(path), _batches(path, query or Query(), properties=False)):
        kept = np.array([each is not None for each in batch.outlines], dtype=bool)
        yield batch.outlines[kept], Counter(name for names in batch.happened for name in names)


def repair_sentences(counts: Mapping[str, int], repairs: Mapping[str, str] = REPAIRS) -> list[str]:
    """What was mended or left out, a sentence each; only what happened."""
    return [f"{counts[name]:,} {words}" for name, words in repairs.items() if counts.get(name)]


def counted(features: Iterable[Feature]) -> Counter[str]:
    """What happened to features, by the names of `REPAIRS`."""
    return Counter(name for feature in features for name in feature.happened)


def document_of(path: Path) -> Any:
    """The GeoJSON object that a file is; None where it is of another format."""
    with vector_files.unpacked(path) as files:
        file, form = files[0]
        return geojson.document(file) if form == "json" and len(files) == 1 else None


def _features(batch: _Batch) -> list[Feature]:
    return [
        Feature(outline, tuple(happened), properties, id_of(properties, member))
        for outline, happened, properties, member in zip(
            batch.outlines, batch.happened, batch.properties, batch.ids, strict=True
        )
    ]


def id_of(properties: Mapping[str, Any], member: Any = None) -> str:
    """The id of a feature as text: its property, which all formats keep, else its GeoJSON member."""
    return text_of(named(properties, ID)) or text_of(member)


def text_of(said: Any) -> str:
    """A value that names something, as text; empty where it is none: missing, blank, or true or false."""
    if isinstance(said, float) and said.is_integer():
        return str(int(said))
    return str(said).strip() if isinstance(said, int | str) and not isinstance(said, bool) else ""


def named(properties: Mapping[str, Any], name: str) -> Any:
    """A property, in whatever case a format writes its name; None where there is none."""
    if name in properties:
        return properties[name]
    lower = name.lower()
    return next((value for key, value in properties.items() if key.lower() == lower), None)


def _checked(name: str, batches: Iterable[_Batch]) -> Iterator[_Batch]:
    """The same batches. Where most polygons lie outside of all degrees the file is in another system."""
    inside = outside = 0
    example: tuple[float, float] | None = None
    for batch in batches:
        beyond = sum("outside_degrees" in happened for happened in batch.happened)
        outside += beyond
        inside += sum(outline is not None for outline in batch.outlines)
        example = example or batch.example
        yield batch
    if outside > inside:
        x, y = example or (np.nan, np.nan)
        raise InvalidLabels(
            name,
            [
                f"{outside} polygons have coordinates such as ({x:.6g}, {y:.6g}), no longitude and latitude "
                "(longitude goes from -180 to 180, latitude from -90 to 90); reproject the file with "
                "`ogr2ogr -t_srs EPSG:4326`"
            ],
        )


def _batches(path: Path, query: Query, *, properties: bool) -> Iterator[_Batch]:
    with vector_files.unpacked(path) as files:
        for file, form in files:
            try:
                if form == "json":
                    yield _of_json(geojson.document(file), str(path), query)
                elif form == "osm-xml" or form == "osm-pbf":
                    yield from _of_rows(path, extracts.rows(path, file, form, query))
                else:
                    yield from _of_rows(path, vector_files.rows(file, form, properties=properties))
            except InvalidLabels as error:
                raise InvalidLabels(str(path), error.reasons) from error


def _of_json(document: Any, name: str, query: Query) -> _Batch:
    if overpass.is_answer(document):
        features = overpass.features(document, name, query)
    elif snapshots.is_answer(document):
        features = snapshots.features(document, query)
    else:
        return _of_document(document, name)
    return _of_document({"type": "FeatureCollection", "features": features}, name)


def _of_document(document: Any, name: str) -> _Batch:
    features = geojson.features_of(document, name)
    made = [geojson.outline(feature.get("geometry")) for feature in features]
    beyond = next(
        (
            feature["geometry"]
            for feature, (_, happened) in zip(features, made, strict=True)
            if "outside_degrees" in happened
        ),
        None,
    )
    return _Batch(
        _objects([outline for outline, _ in made]),
        [happened for _, happened in made],
        [feature["properties"] for feature in features],
        [feature.get("id") for feature in features],
        None if beyond is None else next(_beyond(beyond), None),
    )


def _beyond(geometry: Any) -> Iterator[tuple[float, float]]:
    """Positions of a GeoJSON geometry that are no degrees."""
    if isinstance(geometry, dict):
        yield from _beyond(geometry.get("coordinates") or geometry.get("geometries"))
    elif isinstance(geometry, list) and geometry and isinstance(geometry[0], int | float):
        if len(geometry) > 1 and not (abs(geometry[0]) <= 360 and abs(geometry[1]) <= 90):
            yield geometry[0], geometry[1]
    elif isinstance(geometry, list):
        for each in geometry:
            yield from _beyond(each)


def _of_rows(path: Path, parts: Iterator[VectorRows]) -> Iterator[_Batch]:
    first = 0
    for part in parts:
        yield _of_shapes(path, part, first)
        first += len(part.shapes)


def _of_shapes(path: Path, part: VectorRows, first: int) -> _Batch:
    """Geometries of a file of GDAL or a GeoParquet. What is right already is not touched one by one."""
    _require_small(path, part.shapes, first)
    shapes, is_moved = _in_degrees(path, part)
    kinds = shapely.get_type_id(shapes)
    bounds = shapely.bounds(shapes)
    with np.errstate(invalid="ignore"):
        right = (
            np.isin(kinds, _POLYGONAL)
            & (np.abs(bounds) <= (180, 90, 180, 90)).all(axis=1)
            & (bounds[:, 2] - bounds[:, 0] <= 180)
            & shapely.is_valid(shapes)
            & (shapely.area(shapes) > 0)
        )
    happened: list[Sequence[str]] = [()] * len(shapes)
    kept = np.array(shapes, dtype=object)
    example = None
    for index in np.flatnonzero(~right):
        kept[index], happened[index] = _settled(shapes[index], is_moved)
        if "outside_degrees" in happened[index] and example is None:
            example = _corner_beyond(part.shapes[index])
    members = [None] * len(shapes)
    return _Batch(kept, happened, part.properties or [{} for _ in members], members, example)


def _require_small(path: Path, shapes: Array, first: int) -> None:
    positions = shapely.get_num_coordinates(shapes)
    reasons = []
    for index in np.flatnonzero(positions > min(geojson.MAX_POSITIONS, geojson.MAX_RINGS)):
        rings = len(shapely.get_rings(shapely.get_parts([shapes[index]])))
        if reason := geojson.too_large(first + int(index), rings, int(positions[index])):
            reasons.append(reason)
    if reasons:
        raise InvalidLabels(str(path), reasons[:10])


def _in_degrees(path: Path, part: VectorRows) -> tuple[Array, bool]:
    """Shapes in longitude and latitude, and whether they were reprojected."""
    if part.crs is None:
        return part.shapes, False
    try:
        crs = reference_systems.known(part.crs)
        if crs == LONLAT:
            return part.shapes, False
        x, y = reproject(crs, LONLAT, *shapely.get_coordinates(part.shapes).T)
    except Invalid as error:
        raise InvalidLabels(str(path), [f"{error}; reproject it with `ogr2ogr -t_srs EPSG:4326`"]) from error
    return shapely.set_coordinates(part.shapes.copy(), np.column_stack([x, y])), True


def _settled(shape: shapely.Geometry | None, is_moved: bool) -> tuple[Any, Sequence[str]]:
    """One geometry that may need mending."""
    if shape is None:
        return None, ["null_geometry"]
    kind = shapely.get_type_id(shape)
    parts, happened = [shape], []
    if kind == _COLLECTION:
        parts = list(_members(shape))
        if not all(shapely.get_type_id(each) in _POLYGONAL for each in parts):
            happened = ["partly"]
    pieces = [
        piece
        for each in parts
        if shapely.get_type_id(each) in _POLYGONAL
        for piece in shapely.get_parts([each])
    ]
    if not pieces:
        is_polygon = any(shapely.get_type_id(each) in _POLYGONAL for each in parts)
        return None, ["without_area" if is_polygon else "other_geometry"]
    outline = MultiPolygon(pieces) if len(pieces) > 1 else pieces[0]
    found, more = outlines.settled(outline)
    if found is None:
        return None, ["outside_degrees"] if is_moved and more == ["malformed"] else more
    return found, [*more, *happened]


def _members(shape: shapely.Geometry) -> Iterator[shapely.Geometry]:
    for each in shapely.get_parts([shape]):
        if shapely.get_type_id(each) == _COLLECTION:
            yield from _members(each)
        else:
            yield each


def _corner_beyond(shape: shapely.Geometry) -> tuple[float, float] | None:
    corners = shapely.get_coordinates(shape)
    beyond = corners[~(np.abs(corners) <= (360, 90)).all(axis=1)]
    x, y = beyond[0] if len(beyond) else corners[0]
    return float(x), float(y)


def _objects(values: Sequence[Any]) -> Array:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made
