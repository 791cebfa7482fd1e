"""Broken GeoJSON."""

from pathlib import Path
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from fair_models.data.images.grid import Grid
from fair_models.data.vectors import labels
from tests.data.messy import square
from tests.fuzzing import fuzz, mutated_bytes, mutated_json, only_our_errors

GRID = Grid("EPSG:3857", (10.0, 0.0, 1113000.0, 0.0, -10.0, 2274000.0), 32, 32)
RING = square(10, 20, 0.01)["geometry"]["coordinates"][0]  # type: ignore[index]
DOCUMENT = {
    "type": "FeatureCollection",
    "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
    "features": [
        square(10, 20, 0.01, kind="building"),
        {
            "type": "Feature",
            "properties": {"kind": "road"},
            "geometry": {"type": "MultiPolygon", "coordinates": [[RING, RING], [RING[:-1]]]},
        },
    ],
}


def use(path: Path) -> None:
    known = labels.read(path, ["building", "road"], "kind")
    known.touching(GRID)
    labels.rasterise(known, GRID.transform, 32, 32, GRID.crs, ["background", "building", "road"])
    labels.write(known, path.with_suffix(".again"))


@given(data=mutated_bytes(orjson.dumps(DOCUMENT)) | st.binary(max_size=100))
@fuzz(400)
def test_any_file_is_labels_or_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "l.geojson").write_bytes(data)
    with only_our_errors():
        use(tmp_path / "l.geojson")


@given(document=mutated_json(DOCUMENT))
@fuzz(400)
def test_any_document_is_labels_or_told(tmp_path: Path, document: Any) -> None:
    try:
        data = orjson.dumps(document)
    except TypeError:  # whole numbers beyond 64 bit, halves of surrogate pairs
        return
    (tmp_path / "l.geojson").write_bytes(data)
    with only_our_errors():
        use(tmp_path / "l.geojson")


NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0, 10, 10.01, -180, 180, 90, 1e308, 5e-324]
)


@given(rings=st.lists(st.lists(st.lists(NUMBER, min_size=2, max_size=3), max_size=8), max_size=3))
@fuzz(400)
def test_any_coordinates_are_a_polygon_or_told(tmp_path: Path, rings: Any) -> None:
    geometry = {"type": "Polygon", "coordinates": rings}
    feature = {"type": "Feature", "properties": {"kind": "road"}, "geometry": geometry}
    (tmp_path / "l.geojson").write_bytes(orjson.dumps(feature))
    with only_our_errors():
        use(tmp_path / "l.geojson")
