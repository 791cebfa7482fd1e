"""Files with polygons by what they hold, whatever their name says: GDAL opens those whose format is known.

GDAL has drivers that follow addresses and paths inside a file (VRT, WFS and others). None of them is ever
tried: a file is opened only where its first bytes are those of a format that holds its own data, through a
link with the ending of that format in a folder of its own.
"""

from __future__ import annotations

import gzip
import re
import sqlite3
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fair_models.data.vectors import geojson
from fair_models.errors import InvalidLabels
from fair_models.store import locations
from fair_models.store.archive import BROKEN
from fair_models.store.atomic import translate_os_errors
from fair_models.types import Array, Json

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Form = Literal[
    "json",
    "geopackage",
    "shapefile",
    "flatgeobuf",
    "geoparquet",
    "osm-xml",
    "osm-pbf",
    "gzip",
    "zip",
]

TAKEN = (
    "GeoJSON (also with a feature on each line), GeoPackage, Shapefile, FlatGeobuf, GeoParquet, data of "
    "OpenStreetMap (.osm, .osm.pbf, JSON of Overpass), and any of them as .gz or .zip"
)
"""What is read, in words."""

LAYER = "layer"
"""The property that names a polygon's layer, where a file has several with polygons."""

_PEEK_BYTES = 64 * 1024
_ROWS = 20_000
_PIECE = 1 << 20
_MAX_MEMBERS = 10_000
_ENDINGS: dict[Form, str] = {"geopackage": ".gpkg", "shapefile": ".shp", "flatgeobuf": ".fgb"}
_BESIDE_SHP = (".shx", ".dbf", ".prj", ".cpg")
_UNPACKED = frozenset(
    {".shp", *_BESIDE_SHP, ".gpkg", ".fgb", ".parquet", ".geoparquet", ".json", ".geojson"}
    | {".geojsonl", ".geojsons", ".geojsonseq", ".ndjson", ".jsonl", ".osm", ".pbf"}
)
_BOUNDARY = "clipping_boundary.geojson"
"""What HOT's exports name the area that was asked for, beside its data."""
_GPKG_IDS = (b"GPKG", b"GP10", b"GP11")
_OSM_XML = re.compile(rb"\s*(<\?xml[^>]*\?>)?\s*(<!--.{0,4000}?-->\s*)*<osm[\s>]", re.DOTALL)
_OSM_PBF = re.compile(rb"\x00\x00.{2}\x0a\x09OSMHeader", re.DOTALL)
_POINTS_ELSEWHERE = re.compile(rb"<(OGR|GDAL|VRT)|opengis\.net", re.IGNORECASE)
"""What GDAL's drivers that follow addresses look for anywhere in the first bytes of a file."""
_WITHOUT_SYSTEM = re.compile(r"undefined|unknown|engcrs|local_cs", re.IGNORECASE)


@dataclass(frozen=True)
class VectorRows:
    """Some features of a file.

    shapes: Shapely geometries of two dimensions, None where there is none, object, shape (n,).
    crs: Their reference system for pyproj; None where the file tells none.
    properties: Of each; empty where they were not asked for.
    """

    shapes: Array
    crs: str | None
    properties: Sequence[Json]


@dataclass(frozen=True)
class _Foreign:
    """A format that is not read: its name, and what converts it."""

    name: str
    remedy: str

    def __str__(self) -> str:
        return f"it is {self.name}, which is not read; {self.remedy}"


def _by_ogr2ogr(name: str) -> _Foreign:
    return _Foreign(name, "convert it with `ogr2ogr -t_srs EPSG:4326 -f GPKG labels.gpkg FILE`")


_VRT = _Foreign("a GDAL VRT, which only points to other data", "name that data itself")
_MARKS: tuple[tuple[re.Pattern[bytes], _Foreign], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), foreign)
    for pattern, foreign in (
        (rb"\s*(<\?xml.{0,2000}?)?<OGRVRTDataSource", _VRT),
        (rb"\s*<.{0,4000}?<kml[\s>]|\s*<kml[\s>]", _by_ogr2ogr("KML")),
        (rb"\s*<.{0,4000}?<gpx[\s>]|\s*<gpx[\s>]", _by_ogr2ogr("GPX")),
        (rb"\s*<.{0,8000}?opengis\.net/gml", _by_ogr2ogr("GML")),
        (rb"\s*<", _by_ogr2ogr("XML")),
        (rb"AutoCAD Binary DXF|\s*0\s*\r?\n\s*SECTION", _by_ogr2ogr("DXF")),
        (rb"AC10[0-9]{2}", _Foreign("DWG", "save it as DXF and reproject it to longitude and latitude")),
        (rb"\s*!table|\s*Version\s+[0-9]+\s*\r?\n\s*Charset", _by_ogr2ogr("MapInfo")),
        (rb"ARROW1", _by_ogr2ogr("Arrow (Feather)")),
        (rb"PMTiles", _Foreign("PMTiles, which holds tiles for maps", "name the data that they show")),
        (rb"SQLite format 3\x00", _by_ogr2ogr("SQLite and no GeoPackage")),
        (
            rb"\s*(SRID=[0-9]+;)?\s*(MULTI)?POLYGON\s*Z?\s*\(",
            _Foreign("well-known text", "write it as GeoJSON, for example with QGIS"),
        ),
        (
            rb"(?=[^\n]*[,;\t])[^\n{\[]*(wkt|wkb|geom|lon|lat|x|y)[^\n]*\n",
            _Foreign(
                "CSV",
                "convert it with `ogr2ogr -f GPKG labels.gpkg FILE -oo GEOM_POSSIBLE_NAMES=wkt,geom* -a_srs "
                "EPSG:4326`",
            ),
        ),
    )
)


def form_of(path: Path) -> Form:
    """The format of a file by its content. What looks like none of them is taken for JSON.

    Raises:
        InvalidLabels: There is no such file, or it is of a format that is not read; says what converts it.
        Unavailable: It cannot be read.
    """
    if path.is_dir():
        remedy = (
            f"convert it with `ogr2ogr -t_srs EPSG:4326 -f GPKG labels.gpkg {path.name}`"
            if path.suffix.lower() == ".gdb"
            else f"name the file in it. Read are {TAKEN}"
        )
        raise InvalidLabels(str(path), [f"it is a folder and no file; {remedy}"])
    if not path.is_file():
        raise InvalidLabels(str(path), ["there is no such file; give the path as the worker sees it"])
    with translate_os_errors(f"read {path}"), path.open("rb") as file:
        head = file.read(_PEEK_BYTES)
    return _form(path, head)


def _form(path: Path, head: bytes) -> Form:
    if head.startswith(b"PAR1"):
        return "geoparquet"
    if head.startswith(b"fgb"):
        return "flatgeobuf"
    if head.startswith(b"\x00\x00\x27\x0a"):
        if path.suffix.lower() == ".shx":
            raise InvalidLabels(str(path), ["it is the index of a Shapefile; name the .shp beside it"])
        return "shapefile"
    if head.startswith(b"SQLite format 3\x00") and (head[68:72] in _GPKG_IDS or _has_contents(path)):
        return "geopackage"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _OSM_PBF.match(head):
        return "osm-pbf"
    if _OSM_XML.match(text) and not _POINTS_ELSEWHERE.search(head):
        return "osm-xml"
    if text.startswith((b"{", b"[", b"\x1e")):
        return "json"
    if path.suffix.lower() in (".dbf", ".prj", ".cpg", ".sbn", ".qix"):
        raise InvalidLabels(str(path), ["it is a part of a Shapefile; name the .shp beside it"])
    for pattern, foreign in _MARKS:
        if pattern.match(head):
            raise InvalidLabels(str(path), [str(foreign).replace("FILE", path.name)])
    return "json"


def _has_contents(path: Path) -> bool:
    """Whether a database has the tables of a GeoPackage, whatever its id says."""
    try:
        with closing(_database(path)) as database:
            found = "SELECT count(*) FROM sqlite_master WHERE name = 'gpkg_geometry_columns'"
            return bool(database.execute(found).fetchone()[0])
    except sqlite3.Error:
        return False


def _database(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


@contextmanager
def unpacked(path: Path) -> Iterator[list[tuple[Path, Form]]]:
    """What is in a file: the file itself, or those that a .gz or .zip holds, for as long as the block lasts.

    Raises:
        InvalidLabels: It is none that is read, broken, or unpacks to more than is read.
    """
    form = form_of(path)
    if form not in ("gzip", "zip"):
        yield [(path, form)]
        return
    with tempfile.TemporaryDirectory(prefix="fair-polygons-") as name:
        folder = Path(name)
        try:
            files = [_from_gzip(path, folder)] if form == "gzip" else _from_zip(path, folder)
        except (*BROKEN, OSError, zlib.error, gzip.BadGzipFile, NotImplementedError) as error:
            raise InvalidLabels(str(path), [f"it cannot be unpacked ({error}); pack it again"]) from error
        found = [(file, form_of(file)) for file in files]
        if any(inner in ("gzip", "zip") for _, inner in found):
            raise InvalidLabels(str(path), ["it holds a packed file again; pack the data once"])
        yield found


def _from_gzip(path: Path, folder: Path) -> Path:
    target = folder / (Path(path.stem).name or "data")
    with gzip.open(path) as source, target.open("wb") as file:
        _copy(path, source, file, geojson.MAX_BYTES)
    return target


def _from_zip(path: Path, folder: Path) -> list[Path]:
    """Unpack the members that are data, by their names alone, and say which ones are to be read."""
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if _is_data(member)]
        if any(member.filename.lower().endswith(".kml") for member in archive.infolist()):
            raise InvalidLabels(str(path), [str(_by_ogr2ogr("KMZ")).replace("FILE", path.name)])
        if not members or len(members) > _MAX_MEMBERS:
            raise InvalidLabels(
                str(path), [f"it holds {len(members) or 'no'} files that are read; pack {TAKEN} into it"]
            )
        left = geojson.MAX_BYTES
        places: dict[str, Path] = {}
        found = []
        for member in members:
            inner = PurePosixPath(member.filename.replace("\\", "/"))
            place = places.setdefault(str(inner.parent), folder / str(len(places)))
            place.mkdir(exist_ok=True)
            target = place / inner.name
            with archive.open(member) as source, target.open("wb") as file:
                left -= _copy(path, source, file, left)
            if inner.suffix.lower() not in _BESIDE_SHP:
                found.append(target)
    return sorted(found)


def _is_data(member: zipfile.ZipInfo) -> bool:
    inner = PurePosixPath(member.filename.replace("\\", "/"))
    hidden = inner.name.startswith(".") or "__MACOSX" in inner.parts
    kept = not hidden and inner.name.lower() != _BOUNDARY
    return kept and not member.is_dir() and inner.suffix.lower() in _UNPACKED


def _copy(path: Path, source: Any, target: Any, limit: int) -> int:
    copied = 0
    while piece := source.read(_PIECE):
        copied += len(piece)
        if copied > limit:
            raise InvalidLabels(
                str(path),
                [f"it unpacks to more than {geojson.MAX_BYTES:,} bytes, the most that is read; cut it"],
            )
        target.write(piece)
    return copied


def rows(path: Path, form: Form, *, properties: bool = True) -> Iterator[VectorRows]:
    """The features of a GeoPackage, Shapefile, FlatGeobuf or GeoParquet, some thousand at a time.

    Curves are made of straight pieces, heights are dropped. Of a file with several layers all that may hold
    polygons are read.

    Args:
        path: The file.
        form: Its format, of `form_of`.
        properties: Whether properties are read too.

    Raises:
        InvalidLabels: It is broken, has no layer with geometries, or (GeoParquet) another encoding.
    """
    if form == "geoparquet":
        yield from _from_parquet(path, properties)
        return
    with tempfile.TemporaryDirectory(prefix="fair-polygons-") as name:
        place = _linked(path, form, Path(name))
        yield from _from_gdal(path, place, form, properties)


def _linked(path: Path, form: Form, folder: Path) -> Path:
    """The file under a name of ours, where nothing lies beside it but what belongs to it."""
    place = folder / f"data{_ENDINGS[form]}"
    place.symlink_to(path.resolve())
    if form == "shapefile":
        for beside in path.parent.iterdir():
            if beside.stem == path.stem and beside.suffix.lower() in _BESIDE_SHP and beside.is_file():
                (folder / f"data{beside.suffix.lower()}").symlink_to(locations.local_path(beside))
    elif form == "geopackage":
        _require_plain_tables(path)
    return place


def _require_plain_tables(path: Path) -> None:
    """Refuse a GeoPackage whose layers are no tables: views may compute for ever, virtual ones lead out."""
    query = (
        "SELECT m.name FROM gpkg_geometry_columns c JOIN sqlite_master m ON m.name = c.table_name "
        "WHERE m.type <> 'table' OR m.sql LIKE 'CREATE VIRTUAL%'"
    )
    try:
        with closing(_database(path)) as database:
            odd = [str(row[0]) for row in database.execute(query).fetchall()]
    except sqlite3.Error as error:
        raise InvalidLabels(str(path), [f"it is a broken GeoPackage ({error}); export it again"]) from error
    if odd:
        raise InvalidLabels(
            str(path), [f"its layer {odd[0]} is a view and no table; export the layer to a file of its own"]
        )


def _from_gdal(path: Path, place: Path, form: Form, properties: bool) -> Iterator[VectorRows]:
    import pyogrio
    from pyogrio import errors

    broken = (
        errors.DataSourceError,
        errors.DataLayerError,
        errors.FeatureError,
        errors.GeometryError,
        errors.FieldError,
        errors.CRSError,
        UnicodeDecodeError,
        ValueError,
        RuntimeError,
    )
    options: Json = {"force_2d": True, "datetime_as_string": True, "columns": None if properties else []}
    if form == "geopackage":
        options["where"] = "1 = 1"  # rows are counted, not looked up in a table that may be out of date
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layers = [str(name) for name, kind in pyogrio.list_layers(place) if kind is not None]
            if not layers:
                raise InvalidLabels(str(path), ["it has no layer with geometries; export one with polygons"])
            for layer in layers:
                first = 0
                while True:
                    found = pyogrio.raw.read(
                        place, layer=layer, skip_features=first, max_features=_ROWS, **options
                    )
                    yield _as_rows(found, layer if len(layers) > 1 else None)
                    first += _ROWS
                    if len(found[2]) < _ROWS:
                        break
    except broken as error:
        raise InvalidLabels(str(path), [f"it cannot be read as {form} ({error}); export it again"]) from error


def _as_rows(found: Any, layer: str | None) -> VectorRows:
    import shapely

    meta, _, geometry, columns = found
    shapes = np.asarray(shapely.from_wkb(geometry, on_invalid="ignore"), dtype=object)
    crs = meta["crs"] if meta["crs"] and not _WITHOUT_SYSTEM.search(meta["crs"][:200]) else None
    names = [str(name) for name in meta["fields"]]
    values = [[_plain(value) for value in column.tolist()] for column in columns]
    properties = [dict(zip(names, each, strict=True)) for each in zip(*values, strict=True)] if names else []
    if layer is not None:
        properties = [{LAYER: layer, **each} for each in properties or [{}] * len(shapes)]
    return VectorRows(shapes, crs, properties)


def _plain(value: Any) -> Any:
    """A value as JSON has it: NaN is none, bytes are no property."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if value is None or isinstance(value, str | int | bool):
        return value
    return None if isinstance(value, bytes | bytearray | memoryview) else str(value)


def _from_parquet(path: Path, properties: bool) -> Iterator[VectorRows]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import shapely

    try:
        with pq.ParquetFile(path) as file:
            column, crs = _geometry_column(path, file)
            for batch in file.iter_batches(_ROWS // 4, columns=None if properties else [column]):
                geometry = batch.column(column).to_numpy(zero_copy_only=False)
                shapes = np.asarray(shapely.force_2d(shapely.from_wkb(geometry)), dtype=object)
                yield VectorRows(shapes, crs, _others(batch, column) if properties else [])
    except (pa.ArrowException, shapely.errors.ShapelyError, TypeError, OSError) as error:
        raise InvalidLabels(
            str(path), [f"it cannot be read ({error}); write it as GeoParquet with WKB again"]
        ) from error


def _others(batch: pa.RecordBatch, column: str) -> list[Json]:
    names = [name for name in batch.schema.names if name not in (column, "bbox")]
    return [{key: _plain(value) for key, value in row.items()} for row in batch.select(names).to_pylist()]


def _geometry_column(path: Path, file: pq.ParquetFile) -> tuple[str, str]:
    """The primary geometry column of a GeoParquet and its reference system."""
    import orjson

    from fair_models.errors import Invalid

    try:
        metadata = orjson.loads((file.metadata.metadata or {})[b"geo"])
        name = metadata["primary_column"]
        column = metadata["columns"][name]
        if column["encoding"] != "WKB":
            raise InvalidLabels(
                str(path), [f"its geometry is {column['encoding']}; write it with WKB geometry"]
            )
        crs = column.get("crs", "OGC:CRS84")
        named = orjson.dumps(crs).decode() if isinstance(crs, dict) else str(crs or "")
        from fair_models.data.vectors.reference_systems import known

        return str(name), known(named)
    except InvalidLabels:
        raise
    except (KeyError, TypeError, ValueError, Invalid) as error:
        raise InvalidLabels(
            str(path),
            ["it is no GeoParquet with a known reference system; write it as GeoParquet 1.0 or 1.1"],
        ) from error
