"""GeoJSON (RFC 7946) of a prediction's GeoParquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from fair_models.inference.writing.geoparquet import GEOMETRY, batches
from fair_models.store.atomic import translate_os_errors

if TYPE_CHECKING:
    import pyarrow as pa

_PROPERTIES = ("id", "class", "confidence", "area_m2", "source")


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
