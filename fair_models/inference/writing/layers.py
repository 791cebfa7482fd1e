"""GeoJSON, FlatGeobuf and PMTiles of a prediction's GeoParquet; the last two by GDAL."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from fair_models.errors import Unavailable, reason_of
from fair_models.inference.writing.geoparquet import GEOMETRY, batches, geometry_types, row_count, schema
from fair_models.store.atomic import translate_os_errors

if TYPE_CHECKING:
    import pyarrow as pa

LAYER = "predictions"
"""Name of the layer, by which styles of web maps call it."""

ZOOMS = (12, 16)
"""First and last zoom of tiles: further out a house is less than a pixel, closer maps enlarge the last."""

MAX_INDEXED = 500_000
"""A FlatGeobuf of more features has no spatial index: GDAL would hold a box of each, 0.2 kB, to sort them."""

_PROPERTIES = ("id", "class", "confidence", "area_m2", "source")
_COLUMNS = [*_PROPERTIES, GEOMETRY]


def write_flatgeobuf(parquet: Path, path: Path) -> None:
    """Write features as FlatGeobuf with a spatial index, in the order of that index.

    More than `MAX_INDEXED` features have no index and keep their order.

    Args:
        parquet: A file that a `GeoParquetSink` wrote.
        path: The file, a new one.

    Raises:
        Unavailable: GDAL could not write it, most often because the disk is full.
    """
    indexed = row_count(parquet) <= MAX_INDEXED
    _write(parquet, path, "FlatGeobuf", SPATIAL_INDEX="YES" if indexed else "NO")


def write_pmtiles(parquet: Path, path: Path) -> None:
    """Write features as vector tiles in one PMTiles archive: a layer `predictions`, zooms 12 to 16.

    Where features lie so dense that a tile would be too large, GDAL coarsens it.

    Args:
        parquet: A file that a `GeoParquetSink` wrote, with at least one feature: without, there are no tiles.
        path: The file, a new one.

    Raises:
        Unavailable: GDAL could not write it, most often because the disk is full.
    """
    first, last = ZOOMS
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "At least one tile exceeded", RuntimeWarning)
        _write(parquet, path, "PMTiles", MINZOOM=first, MAXZOOM=last, NAME=LAYER)


def _write(parquet: Path, path: Path, driver: str, **options: Any) -> None:
    import pyarrow as pa
    import pyogrio
    from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FeatureError, GeometryError

    kinds = geometry_types(parquet)
    columns = schema()
    rows = pa.RecordBatchReader.from_batches(
        pa.schema([columns.field(name) for name in _COLUMNS]), batches(parquet, _COLUMNS)
    )
    try:
        pyogrio.write_arrow(
            rows,
            path,
            layer=LAYER,
            driver=driver,
            geometry_name=GEOMETRY,
            geometry_type=kinds[0] if len(kinds) == 1 else "Unknown",
            crs="OGC:CRS84",
            **options,
        )
    except (CRSError, DataLayerError, DataSourceError, FeatureError, GeometryError, OSError) as error:
        raise Unavailable(
            f"Cannot write {path}: {reason_of(error)}. Check the free space and the permissions, "
            "then try again"
        ) from error


def write_geojson(parquet: Path, path: Path, *, plain_ids: bool = True) -> None:
    """Write features as GeoJSON: one feature a line, with their ids, in their order.

    Each has the properties `id`, `class`, `confidence`, `area_m2` and `source`; the id is a member too, which
    many programs drop. No features are an empty collection. The same features give the same bytes.

    Args:
        parquet: A file that a `GeoParquetSink` wrote.
        path: The file, a new one.
        plain_ids: Whether ids are properties too; in older predictions they are not.

    Raises:
        Unavailable: The disk is full, read-only or not ours to write.
    """
    with translate_os_errors(f"write {path}"), path.open("xb") as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        before = b"\n"
        for batch in batches(parquet, [GEOMETRY, *_PROPERTIES]):
            if batch.num_rows:
                file.write(before + b",\n".join(_lines(batch, plain_ids)))
                before = b",\n"
        file.write(b"\n]}\n")


def _lines(batch: pa.RecordBatch, plain_ids: bool) -> Iterator[bytes]:
    import shapely

    shapes = shapely.to_geojson(shapely.from_wkb(batch.column(GEOMETRY).to_pylist()))
    numbers = batch.column("id").to_pylist()
    rows = batch.select([name for name in _PROPERTIES if plain_ids or name != "id"]).to_pylist()
    for number, shape, properties in zip(numbers, shapes, rows, strict=True):
        yield orjson.dumps(
            {
                "type": "Feature",
                "id": number,
                "geometry": orjson.Fragment(shape),
                "properties": properties,
            }
        )
