"""Files of features: what other readers find in them, and that the same features are the same bytes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from pyproj import CRS

from fair_models.errors import Unavailable
from fair_models.inference.outlines.features import Features, none
from fair_models.inference.writing import layers
from fair_models.inference.writing.geoparquet import ROWS_PER_GROUP, GeoParquetSink, features_in
from fair_models.inference.writing.layers import write_flatgeobuf, write_geojson, write_pmtiles
from tests.inference.writing.scattered import CLASSES, scattered

ATTRIBUTES = ("class", "confidence", "area_m2", "source")


def write_parquet(path: Path, *batches: Features) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sink = GeoParquetSink(path, CLASSES)
    for batch in batches:
        sink.write(batch)
    sink.close()
    return path


def boxes_and_point() -> Features:
    return Features(
        np.array([shapely.box(85.0, 27.0, 85.001, 27.001), shapely.Point(85.5, 27.5)], dtype=object),
        np.array([1, 2]),
        np.array([0.912345, 1.0]),
        np.array([1234.5678, 0.0]),
        np.array(["OAM-1-2-19", "OAM-1-3-19"], dtype=object),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All vector files of 1,500 features."""
    folder = tmp_path_factory.mktemp("vectors")
    parquet = write_parquet(folder / "out.parquet", scattered(700), scattered(800, 700))
    write_geojson(parquet, folder / "out.geojson")
    write_flatgeobuf(parquet, folder / "out.fgb")
    write_pmtiles(parquet, folder / "out.pmtiles")
    return folder


def read(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Geometry and columns as GDAL reads them, by id."""
    meta, fids, wkb, values = pyogrio.raw.read(path, return_fids=True)
    columns = dict(zip(meta["fields"], values, strict=True))
    order = np.argsort(columns.get("id", fids))
    return shapely.from_wkb(wkb)[order], {name: column[order] for name, column in columns.items()}


@pytest.mark.parametrize("name", ["out.geojson", "out.fgb"])
def test_every_vector_file_holds_the_features_of_the_geoparquet(folder: Path, name: str) -> None:
    expected = pq.read_table(folder / "out.parquet")
    geometry, columns = read(folder / name)

    assert shapely.equals_exact(geometry, shapely.from_wkb(expected["geometry"].to_pylist()), 1e-9).all()
    for attribute in ATTRIBUTES:
        assert columns[attribute].tolist() == expected[attribute].to_pylist(), attribute


def test_the_geoparquet_holds_what_was_found(folder: Path) -> None:
    given, table = scattered(1500), pq.read_table(folder / "out.parquet")

    assert table["id"].to_pylist() == list(range(1, 1501))
    assert table["class"].to_pylist() == [CLASSES[index] for index in given.classes]
    assert table["confidence"].to_numpy() == pytest.approx(given.confidence, abs=0.5e-4)
    assert table["area_m2"].to_numpy() == pytest.approx(given.area_m2, abs=0.5e-2)
    assert table["source"].to_pylist() == given.source.tolist()
    geometry = shapely.from_wkb(table["geometry"].to_pylist())
    assert shapely.equals_identical(geometry, given.geometry).all()
    boxes = np.array([list(box.values()) for box in table["bbox"].to_pylist()])
    assert (boxes == shapely.bounds(given.geometry)).all()


def test_the_geoparquet_follows_version_1_1(folder: Path) -> None:
    metadata = orjson.loads(pq.read_metadata(folder / "out.parquet").metadata[b"geo"])

    assert (metadata["version"], metadata["primary_column"]) == ("1.1.0", "geometry")
    column = metadata["columns"]["geometry"]
    assert (column["encoding"], column["geometry_types"]) == ("WKB", ["Polygon"])
    assert CRS.from_user_input(column["crs"]) == CRS.from_user_input("OGC:CRS84")
    assert column["bbox"] == shapely.total_bounds(scattered(1500).geometry).tolist()
    assert column["covering"]["bbox"] == {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}


def test_readers_skip_row_groups_by_their_boxes(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "out.parquet", scattered(ROWS_PER_GROUP + 5))
    west, south, east, north = 85.3, 27.7 + (ROWS_PER_GROUP - 50) * 1e-7, 86, 28

    found = pq.read_table(
        path, filters=(pc.field("bbox", "ymin") > south) & (pc.field("bbox", "xmax") > west)
    )

    metadata = pq.read_metadata(path)
    assert metadata.num_row_groups == 2
    names = [metadata.schema.column(at).path for at in range(metadata.num_columns)]
    least = metadata.row_group(1).column(names.index("bbox.ymin")).statistics.min
    assert least == pytest.approx(27.7 + ROWS_PER_GROUP * 1e-7, abs=1e-9)
    assert found["id"].to_pylist()[-5:] == [ROWS_PER_GROUP + at for at in range(1, 6)]
    assert shapely.box(west, south, east, north).contains(shapely.from_wkb(found["geometry"][-1].as_py()))


def test_however_features_come_the_bytes_are_the_same(tmp_path: Path) -> None:
    count = ROWS_PER_GROUP + 700
    most = ROWS_PER_GROUP - 1000
    cuts = [(0, 3), (3, 0), (3, most), (3 + most, count - 3 - most)]

    one = write_parquet(tmp_path / "one.parquet", scattered(count))
    many = write_parquet(tmp_path / "many.parquet", *(scattered(size, first) for first, size in cuts))

    assert one.read_bytes() == many.read_bytes()


@pytest.mark.parametrize("write", [write_geojson, write_flatgeobuf, write_pmtiles])
def test_written_again_the_bytes_are_the_same(
    tmp_path: Path, folder: Path, write: Callable[[Path, Path], None]
) -> None:
    suffix = {write_geojson: ".geojson", write_flatgeobuf: ".fgb", write_pmtiles: ".pmtiles"}[write]
    for name in ("one", "two"):
        write(folder / "out.parquet", tmp_path / f"{name}{suffix}")

    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_tiles_hold_the_features_from_zoom_12_to_16(folder: Path) -> None:
    info = pyogrio.read_info(folder / "out.pmtiles")
    geometry, columns = read(folder / "out.pmtiles")

    assert info["layer_name"] == "predictions"
    assert (info["dataset_metadata"]["minzoom"], info["dataset_metadata"]["maxzoom"]) == ("12", "16")
    assert set(columns["id"]) == set(range(1, 1501))
    assert set(columns["class"]) == {"building", "well"}
    # A feature on the edge of a tile is in both, hence all shapes of one id together.
    first = shapely.union_all(geometry[columns["id"] == 1])
    expected = scattered(1).geometry[0].bounds
    from_mercator = CRS.from_epsg(3857)
    assert CRS.from_user_input(info["crs"]) == from_mercator
    degrees = np.array(first.bounds) / 6378137
    assert np.degrees(degrees[[0, 2]]) == pytest.approx(np.array(expected)[[0, 2]], abs=3e-6)


def test_the_flatgeobuf_has_a_spatial_index_up_to_a_number_of_features(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = (85.3, 27.7, 85.30005, 27.70004)
    monkeypatch.setattr(layers, "MAX_INDEXED", 1499)
    write_flatgeobuf(folder / "out.parquet", tmp_path / "plain.fgb")

    assert pyogrio.read_info(folder / "out.fgb")["capabilities"]["fast_spatial_filter"]
    assert not pyogrio.read_info(tmp_path / "plain.fgb")["capabilities"]["fast_spatial_filter"]
    _, _, indexed, _ = pyogrio.raw.read(folder / "out.fgb", bbox=box)
    _, _, plain, _ = pyogrio.raw.read(tmp_path / "plain.fgb", bbox=box)
    assert len(indexed) == len(plain) == 1


def test_geojson_says_id_class_confidence_area_and_source(tmp_path: Path) -> None:
    parquet = write_parquet(tmp_path / "out.parquet", boxes_and_point())
    write_geojson(parquet, tmp_path / "out.geojson")

    document = orjson.loads((tmp_path / "out.geojson").read_bytes())
    assert [feature["id"] for feature in document["features"]] == [1, 2]
    assert document["features"][0]["properties"] == {
        "id": 1,
        "class": "building",
        "confidence": 0.9123,
        "area_m2": 1234.57,
        "source": "OAM-1-2-19",
    }
    assert document["features"][1]["geometry"] == {"type": "Point", "coordinates": [85.5, 27.5]}
    assert pyogrio.read_info(tmp_path / "out.geojson")["crs"] == "EPSG:4326"


def test_thousands_of_features_are_one_collection_with_ids_that_go_on(tmp_path: Path) -> None:
    parquet = write_parquet(tmp_path / "out.parquet", scattered(5100))
    write_geojson(parquet, tmp_path / "out.geojson")

    document = orjson.loads((tmp_path / "out.geojson").read_bytes())
    assert [feature["id"] for feature in document["features"]] == list(range(1, 5101))


def test_points_and_polygons_lie_in_one_flatgeobuf(tmp_path: Path) -> None:
    parquet = write_parquet(tmp_path / "out.parquet", boxes_and_point())
    write_flatgeobuf(parquet, tmp_path / "out.fgb")

    geometry, _ = read(tmp_path / "out.fgb")
    assert [shape.geom_type for shape in geometry] == ["Polygon", "Point"]


def test_features_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "out.parquet", boxes_and_point())

    (features,) = features_in(path, CLASSES)

    assert shapely.equals_identical(features.geometry, boxes_and_point().geometry).all()
    assert features.classes.tolist() == [1, 2]
    assert features.confidence.tolist() == [0.9123, 1.0]


def test_no_features_are_files_without_features(tmp_path: Path) -> None:
    parquet = write_parquet(tmp_path / "out.parquet", none())
    write_geojson(parquet, tmp_path / "out.geojson")
    write_flatgeobuf(parquet, tmp_path / "out.fgb")

    assert pq.read_table(parquet).num_rows == 0
    document = orjson.loads((tmp_path / "out.geojson").read_bytes())
    assert document == {"type": "FeatureCollection", "features": []}
    assert pyogrio.read_info(tmp_path / "out.fgb", force_feature_count=True)["features"] == 0


@pytest.mark.parametrize("write", [write_geojson, write_flatgeobuf, write_pmtiles])
def test_a_place_that_cannot_be_written_is_told(
    tmp_path: Path, folder: Path, write: Callable[[Path, Path], None]
) -> None:
    with pytest.raises(Unavailable, match=r"Cannot write .*nowhere"):
        write(folder / "out.parquet", tmp_path / "nowhere" / "out")


def test_a_geoparquet_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"Cannot write .*nowhere"):
        GeoParquetSink(tmp_path / "nowhere" / "out.parquet", CLASSES)
