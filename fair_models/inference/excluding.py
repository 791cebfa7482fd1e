"""Leaves out what is mapped already, so that only new features remain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fair_models.data import antimeridian, geojson
from fair_models.data.grid import LONLAT
from fair_models.errors import Invalid, InvalidFeatures, InvalidLabels
from fair_models.inference.features import Features, concatenate
from fair_models.inference.georeference import moved
from fair_models.types import Array

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MOST_FEATURES = geojson.MAX_FEATURES
"""Existing features around the imagery that are held in memory, with 0.5 to 2 kB each."""

_PARQUET_MAGIC = b"PAR1"
_ROWS_READ = 5_000
_FEATURES_COMPARED = 5_000
_LONLAT_CODES = frozenset({("OGC", "CRS84"), ("EPSG", "4326")})


class Exclusion:
    """Existing features, and how much of a new one they may cover.

    Args:
        path: GeoJSON (RFC 7946) or GeoParquet with polygons; other geometries cover nothing.
        ratio: New features of which more than this part of the area is covered are left out, 0 to 1. New
            points are left out where they lie in an existing polygon.
        bounds: West, south, east, north of the imagery, west > east over the antimeridian: what lies outside
            is not held.

    Raises:
        InvalidFeatures: The file is missing, of another kind, broken, or has too many features there.
        Unavailable: The file cannot be read.
    """

    def __init__(self, path: Path, ratio: float, bounds: Sequence[float]) -> None:
        import shapely

        self.ratio = ratio
        self.left_out = 0
        self._shapes = _existing(path, bounds)
        self._tree = shapely.STRtree(self._shapes)

    def __len__(self) -> int:
        """How many existing features are held."""
        return len(self._shapes)

    def new(self, features: Features) -> Features:
        """The features that are not mapped yet, in their order; counts the others in `left_out`."""
        kept = [
            self._new(features.select(np.arange(start, min(start + _FEATURES_COMPARED, len(features)))))
            for start in range(0, len(features), _FEATURES_COMPARED)
        ]
        return concatenate(kept)

    def _new(self, features: Features) -> Features:
        covered = self._covered(features.geometry)
        self.left_out += int(covered.sum())
        return features.select(~covered)

    def _covered(self, shapes: Array) -> Array:
        """Which shapes existing ones cover by more than the ratio, bool, shape (n,).

        Areas are compared in degrees: within one feature a square degree is the same everywhere.
        """
        import shapely

        new, old = self._tree.query(shapes, predicate="intersects")
        pieces = shapely.intersection(shapes[new], self._shapes[old])
        areas = shapely.area(pieces)
        whole = shapely.area(shapes)
        together, largest = np.zeros(len(shapes)), np.zeros(len(shapes))
        np.add.at(together, new, areas)
        np.maximum.at(largest, new, areas)
        covered = largest > self.ratio * whole
        covered[new] |= whole[new] == 0
        # Several existing ones may overlap each other: only then is their union needed.
        for index in np.flatnonzero(~covered & (together > self.ratio * whole)):
            covered[index] = shapely.union_all(pieces[new == index]).area > self.ratio * whole[index]
        return np.asarray(covered)


def _existing(path: Path, bounds: Sequence[float]) -> Array:
    import shapely

    around = antimeridian.box(*bounds)
    shapely.prepare(around)
    held: list[Any] = []
    for shapes in _read(path):
        held += shapes[shapely.intersects(around, shapes)].tolist()
        if len(held) > MOST_FEATURES:
            raise InvalidFeatures(
                str(path),
                [f"it has more than {MOST_FEATURES:,} polygons around the imagery; cut it to a smaller area"],
            )
    return np.array(held, dtype=object)


def _read(path: Path) -> Iterator[Array]:
    """Valid polygons of a file in longitude and latitude, some at a time."""
    if not path.is_file():
        raise InvalidFeatures(str(path), ["there is no such file; name a GeoJSON or GeoParquet"])
    with path.open("rb") as file:
        is_parquet = file.read(4) == _PARQUET_MAGIC
    yield from _from_parquet(path) if is_parquet else _from_geojson(path)


def _from_geojson(path: Path) -> Iterator[Array]:
    try:
        features = geojson.features(path)
    except InvalidLabels as error:
        raise InvalidFeatures(str(path), error.reasons) from error
    outlines = [geojson.polygon(feature.get("geometry"))[0] for feature in features]
    yield np.array([outline for outline in outlines if outline is not None], dtype=object)


def _from_parquet(path: Path) -> Iterator[Array]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import shapely

    try:
        with pq.ParquetFile(path) as file:
            column, crs = _geometry_column(path, file)
            for batch in file.iter_batches(_ROWS_READ, columns=[column]):
                shapes = shapely.from_wkb(batch.column(0).to_numpy(zero_copy_only=False))
                yield _polygons(shapes, crs)
    except (pa.ArrowException, shapely.errors.ShapelyError, TypeError, OSError) as error:
        raise InvalidFeatures(
            str(path), [f"it cannot be read ({error}); write it as GeoParquet with WKB again"]
        ) from error


def _geometry_column(path: Path, file: pq.ParquetFile) -> tuple[str, str]:
    """The primary geometry column of a GeoParquet and its reference system."""
    import orjson
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        metadata = orjson.loads((file.metadata.metadata or {})[b"geo"])
        name = metadata["primary_column"]
        column = metadata["columns"][name]
        if column["encoding"] != "WKB":
            raise InvalidFeatures(
                str(path), [f"its geometry is {column['encoding']}; write it with WKB geometry"]
            )
        crs = CRS.from_user_input(column["crs"]) if "crs" in column else None
        if crs is None or crs.to_authority() in _LONLAT_CODES:
            return str(name), LONLAT
        return str(name), crs.to_wkt()
    except (KeyError, TypeError, ValueError, CRSError) as error:
        raise InvalidFeatures(
            str(path),
            ["it is no GeoParquet with a known reference system; write it as GeoParquet 1.0 or 1.1"],
        ) from error


def _polygons(shapes: Array, crs: str) -> Array:
    """The polygons among shapes, valid, in longitude and latitude."""
    import shapely

    polygons: Array = shapely.force_2d(shapes[shapely.get_dimensions(shapes) == 2])
    if crs != LONLAT:
        try:
            polygons = shapely.transform(polygons, lambda places: moved(places, crs, LONLAT))
        except Invalid:
            return polygons[:0]
    polygons = polygons[np.isfinite(shapely.bounds(polygons)).all(axis=1)]
    broken = ~shapely.is_valid(polygons)
    polygons[broken] = shapely.make_valid(polygons[broken], method="structure", keep_collapsed=False)
    kept: Array = polygons[~shapely.is_empty(polygons)]
    return kept
