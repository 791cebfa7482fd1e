"""What is mapped already is left out."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from fair_models.errors import InvalidFeatures
from fair_models.inference.imagery.georeference import moved
from fair_models.inference.outlines import exclusion
from fair_models.inference.outlines.exclusion import Exclusion
from fair_models.inference.outlines.features import Features
from fair_models.inference.writing.geoparquet import GeoParquetSink
from tests.data.vectors.osm.osm_files import OsmMap

UNIT = 1e-4
EVERYWHERE = (85.0, 27.0, 86.0, 28.0)


def box(left: float, bottom: float, right: float, top: float) -> shapely.Polygon:
    """A box in ten-thousandths of a degree."""
    return shapely.box(85.3 + left * UNIT, 27.7 + bottom * UNIT, 85.3 + right * UNIT, 27.7 + top * UNIT)


def features(*shapes: shapely.Geometry) -> Features:
    count = len(shapes)
    return Features(
        np.array(shapes, dtype=object),
        np.ones(count, int),
        np.linspace(0, 1, count),
        np.ones(count),
        np.array([f"chip-{at}" for at in range(count)], dtype=object),
    )


def write_geojson(path: Path, *shapes: shapely.Geometry) -> Path:
    listed = [
        {"type": "Feature", "properties": {}, "geometry": json.loads(shapely.to_geojson(shape))}
        for shape in shapes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": listed}))
    return path


def write_parquet(path: Path, shapes: list[shapely.Geometry], **column: object) -> Path:
    """A GeoParquet of others: another name of the column, no boxes, and the reference system given."""
    metadata = {
        "version": "1.0.0",
        "primary_column": "geom",
        "columns": {"geom": {"encoding": "WKB", "geometry_types": [], **column}},
    }
    table = pa.table({"geom": [shapely.to_wkb(shape) if shape is not None else None for shape in shapes]})
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(metadata)}), path)
    return path


def new(path: Path, ratio: float, *shapes: shapely.Geometry) -> list[str]:
    exclusion = Exclusion(path, ratio, EVERYWHERE)
    kept = exclusion.new(features(*shapes))
    assert exclusion.left_out == len(shapes) - len(kept)
    return [str(source) for source in kept.source]


def test_what_is_covered_by_more_than_the_ratio_is_left_out(tmp_path: Path) -> None:
    path = write_geojson(tmp_path / "osm.geojson", box(0, 0, 4, 10))

    assert new(path, 0.5, box(0, 0, 10, 10), box(0, 0, 7, 10), box(20, 0, 30, 10)) == ["chip-0", "chip-2"]
    assert new(path, 0.3, box(0, 0, 10, 10), box(0, 0, 7, 10), box(20, 0, 30, 10)) == ["chip-2"]
    assert new(path, 0.0, box(3.9, 0, 10, 10), box(4, 0, 10, 10)) == ["chip-1"]


def test_existing_features_count_together_and_their_overlaps_once(tmp_path: Path) -> None:
    halves = write_geojson(tmp_path / "halves.geojson", box(0, 0, 3, 10), box(6, 0, 9, 10))
    twice = write_geojson(tmp_path / "twice.geojson", box(0, 0, 3, 10), box(0, 0, 3, 10))

    assert new(halves, 0.5, box(0, 0, 10, 10)) == []
    assert new(twice, 0.5, box(0, 0, 10, 10)) == ["chip-0"]


def test_new_points_are_left_out_in_existing_polygons_and_lines_cover_nothing(tmp_path: Path) -> None:
    path = write_geojson(
        tmp_path / "osm.geojson", box(0, 0, 10, 10), shapely.LineString([(85.3, 27.7), (85.31, 27.71)])
    )

    assert new(path, 0.5, box(4, 4, 5, 5).centroid, box(20, 20, 21, 21).centroid) == ["chip-1"]
    assert new(path, 0.0, box(30, 30, 31, 31)) == ["chip-0"]


def test_geoparquet_of_ours_and_of_others_is_read(tmp_path: Path) -> None:
    mapped = box(0, 0, 10, 10)
    sink = GeoParquetSink(tmp_path / "ours.parquet", ["background", "building"])
    sink.write(features(mapped))
    sink.close()
    in_utm = shapely.transform(mapped, lambda places: moved(places, "EPSG:4326", "EPSG:32645"))
    crs = json.loads(projjson("EPSG:32645"))
    bow = shapely.Polygon([(85.3, 27.7), (85.301, 27.701), (85.301, 27.7), (85.3, 27.701)])
    others = {
        "utm": write_parquet(tmp_path / "utm.parquet", [in_utm, None], crs=crs),
        "default": write_parquet(tmp_path / "default.parquet", [mapped]),
        "bow": write_parquet(tmp_path / "bow.parquet", [mapped, bow, shapely.Point(85.3, 27.7)]),
    }

    for path in (tmp_path / "ours.parquet", *others.values()):
        assert new(path, 0.5, box(1, 1, 9, 9), box(20, 20, 30, 30)) == ["chip-1"], path


def projjson(name: str) -> str:
    from pyproj import CRS

    return CRS.from_user_input(name).to_json()


def test_only_what_lies_around_the_imagery_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [box(20 * at, 0, 20 * at + 10, 10) for at in range(50)]
    path = write_geojson(tmp_path / "osm.geojson", *shapes)
    bounds = box(0, 0, 95, 10).bounds

    assert len(Exclusion(path, 0.5, bounds)) == 5
    monkeypatch.setattr(exclusion, "MAX_FEATURES", 4)
    with pytest.raises(InvalidFeatures, match="more than 4 polygons around the imagery"):
        Exclusion(path, 0.5, bounds)


def test_many_features_give_what_one_by_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 60, (200, 2))
    mapped = [box(x, y, x + 6, y + 6) for x, y in corners[:100]]
    found = [box(x, y, x + 5, y + 5) for x, y in corners[100:]]
    path = write_geojson(tmp_path / "osm.geojson", *mapped)
    whole = shapely.union_all(mapped)
    expected = [
        f"chip-{at}" for at, shape in enumerate(found) if shape.intersection(whole).area <= 0.4 * shape.area
    ]

    assert new(path, 0.4, *found) == expected
    assert 10 < len(expected) < 90
    monkeypatch.setattr(exclusion, "_FEATURES_COMPARED", 7)
    assert new(path, 0.4, *found) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file"),
        (b"hello", "cannot be read|no JSON|not JSON|expected"),
        (b"PAR1 and no more", "cannot be read"),
        (b'{"type": "Topology"}', "no GeoJSON FeatureCollection"),
    ],
)
def test_files_that_cannot_be_used_are_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "existing"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InvalidFeatures, match=reason):
        Exclusion(path, 0.5, EVERYWHERE)


def test_a_parquet_without_geometry_or_in_another_encoding_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "plain.parquet")
    arrow = write_parquet(tmp_path / "arrow.parquet", [box(0, 0, 1, 1)], encoding="polygon")
    unknown = write_parquet(tmp_path / "unknown.parquet", [box(0, 0, 1, 1)], crs=None)
    broken = tmp_path / "broken.parquet"
    table = pa.table({"geom": [b"no wkb"]})
    geo = pq.read_metadata(write_parquet(tmp_path / "good.parquet", [])).metadata[b"geo"]
    pq.write_table(table.replace_schema_metadata({"geo": geo}), broken)

    for path, reason in (
        (tmp_path / "plain.parquet", "no GeoParquet"),
        (arrow, "geometry is polygon"),
        (unknown, "known reference system"),
        (broken, "cannot be read"),
    ):
        with pytest.raises(InvalidFeatures, match=reason):
            Exclusion(path, 0.5, EVERYWHERE)


@pytest.mark.parametrize("form", ["a.osm", "a.osm.pbf", "a.json"])
def test_of_openstreetmap_only_what_is_predicted_covers_anything(tmp_path: Path, form: str) -> None:
    made = OsmMap()
    for number, (shape, tags) in enumerate(
        [
            (box(0, 0, 10, 10), {"building": "yes"}),
            (box(0, 0, 100, 100), {"landuse": "residential"}),
            (box(20, 20, 30, 30), {"building": "no"}),
        ],
        1,
    ):
        made.way(number, shape.exterior.coords, tags)
    path = {"a.osm": made.xml, "a.osm.pbf": made.pbf, "a.json": made.overpass}[form](tmp_path / form)
    predicted = features(box(1, 1, 9, 9), box(21, 21, 29, 29))

    assert list(Exclusion(path, 0.5, EVERYWHERE, ["building"]).new(predicted).source) == ["chip-1"]
    assert list(Exclusion(path, 0.5, EVERYWHERE).new(predicted).source) == []
    assert len(Exclusion(path, 0.5, (10.0, 10.0, 11.0, 11.0), ["building"])) == 0
    with pytest.raises(InvalidFeatures, match=r"tags of what is predicted \(natural=wood.*building=\* \(2\)"):
        Exclusion(path, 0.5, EVERYWHERE, ["tree"])
