"""GeoParquet: the form of a prediction that all other vector files are made of.

https://geoparquet.org/releases/v1.1.0: WKB, longitude and latitude (OGC:CRS84), a box of each feature that
readers skip row groups by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from fair_models.inference.outlines.features import Features
from fair_models.store.atomic import translate_os_errors
from fair_models.types import Array

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_GROUP = 4_000
"""Features that are held until they are written: the same ones lie in a group however they came."""

_ROWS_READ = 2_000
_VERSION = "1.1.0"
_CRS = "OGC:CRS84"

_KINDS = {
    0: "Point",
    1: "LineString",
    3: "Polygon",
    4: "MultiPoint",
    5: "MultiLineString",
    6: "MultiPolygon",
    7: "GeometryCollection",
}
"""Names in GeoParquet of the type numbers of shapely."""

GEOMETRY = "geometry"
BOX = "bbox"
SIDES = ("xmin", "ymin", "xmax", "ymax")
_CONFIDENCE_DECIMALS = 4
_AREA_DECIMALS = 2


class GeoParquetSink:
    """A GeoParquet file that grows feature by feature. Ids count from 1.

    The same features give the same bytes, however they are cut into batches.

    Args:
        path: The file, a new one.
        classes: Class names; the position is the index.

    Raises:
        Unavailable: The disk is full, read-only or not ours to write. So do the methods.
    """

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        import pyarrow.parquet as pq

        self.path = path
        self.count = 0
        self._classes = classes
        self._waiting: list[pa.Table] = []
        self._waiting_count = 0
        self._kinds: set[str] = set()
        self._box = np.array([np.inf, np.inf, -np.inf, -np.inf])
        with translate_os_errors(f"write {path}"):
            self._writer = pq.ParquetWriter(path, schema(), **_options())

    def write(self, features: Features) -> None:
        """Add features."""
        import shapely

        if not len(features):
            return
        self._waiting.append(table(features, self._classes, self.count + 1))
        self._waiting_count += len(features)
        self.count += len(features)
        self._kinds |= {_KINDS[kind] for kind in np.unique(shapely.get_type_id(features.geometry)).tolist()}
        west, south, east, north = shapely.total_bounds(features.geometry)
        self._box = np.array(
            [*np.minimum(self._box[:2], (west, south)), *np.maximum(self._box[2:], (east, north))]
        )
        while self._waiting_count >= ROWS_PER_GROUP:
            self._write_group()

    def close(self) -> None:
        """Write what is waiting and end the file."""
        if self._waiting_count:
            self._write_group()
        with translate_os_errors(f"write {self.path}"):
            self._writer.add_key_value_metadata({"geo": orjson.dumps(self._metadata()).decode()})
            self._writer.close()

    def abandon(self) -> None:
        """Let go of the file where it will not be finished."""
        self._writer.close()

    def _write_group(self) -> None:
        import pyarrow as pa

        waiting = pa.concat_tables(self._waiting)
        with translate_os_errors(f"write {self.path}"):
            # One chunk a column: pages end where rows say, not where batches ended.
            self._writer.write_table(waiting[:ROWS_PER_GROUP].combine_chunks(), ROWS_PER_GROUP)
        rest = waiting[ROWS_PER_GROUP:]
        self._waiting, self._waiting_count = ([rest], len(rest)) if len(rest) else ([], 0)

    def _metadata(self) -> dict[str, Any]:
        column: dict[str, Any] = {
            "encoding": "WKB",
            "geometry_types": sorted(self._kinds),
            "crs": _crs(),
            "orientation": "counterclockwise",
            "edges": "planar",
            "covering": {"bbox": {side: [BOX, side] for side in SIDES}},
        }
        if self.count:
            column["bbox"] = self._box.tolist()
        return {"version": _VERSION, "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}


def batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a file that a `GeoParquetSink` wrote, some thousand at a time.

    Args:
        path: The file.
        columns: Names of the columns to read. Default: all.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(_ROWS_READ, columns=list(columns) if columns else None)


def features_in(path: Path, classes: Sequence[str]) -> Iterator[Features]:
    """The features of a file that a `GeoParquetSink` wrote, some thousand at a time, in their order."""
    for batch in batches(path):
        yield features_of(batch, classes)


def geometry_types(path: Path) -> list[str]:
    """Kinds of geometries in a file, e.g. ["Polygon"]."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path).metadata
    kinds: list[str] = orjson.loads(metadata[b"geo"])["columns"][GEOMETRY]["geometry_types"]
    return kinds


def row_count(path: Path) -> int:
    """Number of features in a file."""
    import pyarrow.parquet as pq

    count: int = pq.read_metadata(path).num_rows
    return count


def _options() -> dict[str, Any]:
    sides = [f"{BOX}.{side}" for side in SIDES]
    return {
        "compression": "zstd",
        "use_dictionary": ["class", "source"],
        "write_statistics": ["id", "class", "confidence", "area_m2", "source", *sides],
        "version": "2.6",
        "data_page_version": "1.0",
    }


@lru_cache(maxsize=1)
def _crs() -> dict[str, Any]:
    from pyproj import CRS

    return CRS.from_user_input(_CRS).to_json_dict()


def schema() -> pa.Schema:
    """The columns of a feature.

    `id`, `class`, `confidence` (0 to 1, four decimals), `area_m2` (two decimals), `source`, `geometry` (WKB
    in longitude and latitude) and `bbox`.
    """
    import pyarrow as pa

    sides = [pa.field(side, pa.float64(), nullable=False) for side in SIDES]
    return pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("class", pa.string(), nullable=False),
            pa.field("confidence", pa.float64(), nullable=False),
            pa.field("area_m2", pa.float64(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field(GEOMETRY, pa.binary(), nullable=False),
            pa.field(BOX, pa.struct(sides), nullable=False),
        ]
    )


def table(features: Features, classes: Sequence[str], first_id: int) -> pa.Table:
    """Features as rows.

    Args:
        features: What was found.
        classes: Class names; the position is the index.
        first_id: Id of the first feature; the others follow.
    """
    import pyarrow as pa
    import shapely

    columns = schema()
    sides = shapely.bounds(features.geometry).reshape(-1, 4)
    names = np.array(classes, dtype=object)
    values = [
        pa.array(np.arange(first_id, first_id + len(features))),
        pa.array(names[features.classes], pa.string()),
        pa.array(features.confidence.round(_CONFIDENCE_DECIMALS)),
        pa.array(features.area_m2.round(_AREA_DECIMALS)),
        pa.array(features.source, pa.string()),
        pa.array(shapely.to_wkb(features.geometry), pa.binary()),
        pa.StructArray.from_arrays(
            [pa.array(np.ascontiguousarray(side)) for side in sides.T], fields=list(columns.field(BOX).type)
        ),
    ]
    return pa.Table.from_arrays(values, schema=columns)


def features_of(batch: pa.RecordBatch, classes: Sequence[str]) -> Features:
    """Rows as features again, confidence and area rounded as they are written."""
    import shapely

    index = {name: at for at, name in enumerate(classes)}
    return Features(
        np.asarray(shapely.from_wkb(_objects(batch, GEOMETRY))),
        np.array([index[name] for name in batch.column("class").to_pylist()], dtype=np.int64),
        batch.column("confidence").to_numpy(),
        batch.column("area_m2").to_numpy(),
        _objects(batch, "source"),
    )


def _objects(batch: pa.RecordBatch, name: str) -> Array:
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), dtype=object)
