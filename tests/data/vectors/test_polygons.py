"""The one reader of polygons: whoever reads, what is odd counts in the same way."""

from __future__ import annotations

import gzip
import json
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from fair_models.data import feedback
from fair_models.data.lost_ids import Predicted
from fair_models.data.vectors import geojson, labels, polygons
from fair_models.errors import FairModelsError, InvalidLabels
from fair_models.inference.imagery import areas
from fair_models.inference.outlines.exclusion import Exclusion
from fair_models.publishing import slices

BOX = shapely.box(10.0, 20.0, 10.01, 20.01)
OTHER = shapely.box(10.02, 20.0, 10.03, 20.01)
LINE = {"type": "LineString", "coordinates": [[10, 20], [11, 21]]}
EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)


def of(shape: shapely.Geometry) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shapely.to_geojson(shape))
    return found


def collection(*members: object) -> dict[str, object]:
    return {"type": "GeometryCollection", "geometries": list(members)}


def document(*geometries: object, **more: object) -> dict[str, object]:
    features = [
        {"type": "Feature", "id": 1, "properties": {"id": 1, "verdict": "corrected"}, "geometry": geometry}
        for geometry in geometries
    ]
    return {"type": "FeatureCollection", "features": features, **more}


def as_labels(path: Path) -> shapely.Geometry:
    return shapely.union_all(labels.read(path, ["building"]).outlines)


def as_stored(path: Path) -> shapely.Geometry:
    return shapely.union_all(labels.read_stored(path, ["building"], None).outlines)


def as_existing(path: Path) -> shapely.Geometry:
    return shapely.union_all(Exclusion(path, 0.5, EVERYWHERE)._shapes)


def as_area(path: Path) -> shapely.Geometry:
    return areas.read(str(path)).outline


def as_slice(path: Path) -> shapely.Geometry:
    """A slice keeps the text of its area and reads that again."""
    return slices.areas.read(areas.read(str(path)).text).outline


def as_feedback(path: Path) -> shapely.Geometry:
    known = {"1": Predicted(shapely.box(*EVERYWHERE), "building")}
    return shapely.union_all([each for each, _ in feedback.read(path, {}, known, ["building"]).labels])


READERS: dict[str, Callable[[Path], shapely.Geometry]] = {
    "labels": as_labels,
    "stored labels": as_stored,
    "existing features": as_existing,
    "area": as_area,
    "slice": as_slice,
    "feedback": as_feedback,
}

NAMED = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4979"}}
ODDITIES: dict[str, tuple[dict[str, object], shapely.Geometry]] = {
    "a polygon in a collection": (document(collection(of(BOX), LINE)), BOX),
    "collections in collections": (document(collection(LINE, collection(collection(of(BOX))))), BOX),
    "several polygons in a collection": (document(collection(of(BOX), of(OTHER))), BOX.union(OTHER)),
    "a collection with a broken member": (
        document(collection(of(BOX), {"type": "Polygon", "coordinates": [["x"]]})),
        BOX,
    ),
    "heights and measures": (
        document({"type": "Polygon", "coordinates": [[[x, y, 5, 7] for x, y in BOX.exterior.coords]]}),
        BOX,
    ),
    "an open ring": (
        document({"type": "Polygon", "coordinates": [list(map(list, BOX.exterior.coords))[:-1]]}),
        BOX,
    ),
    "a geometry of its own system on the geometry": (document({**of(BOX), "crs": NAMED}), BOX),
    "a system on the document": (document(of(BOX), crs=NAMED), BOX),
    "a collection of collections of features": (
        {"type": "FeatureCollection", "features": [document(of(BOX))]},
        BOX,
    ),
}


@pytest.mark.parametrize("oddity", ODDITIES)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_odd_is_read_alike_by_all(tmp_path: Path, reader: str, oddity: str) -> None:
    written, expected = ODDITIES[oddity]
    path = tmp_path / "polygons.geojson"
    path.write_text(json.dumps(written))

    found = READERS[reader](path)

    assert shapely.equals_exact(found.normalize(), expected.normalize(), 1e-9), found


@pytest.mark.parametrize("place", ["document", "feature", "geometry", "inner"])
@pytest.mark.parametrize("reader", READERS)
def test_another_system_is_refused_wherever_it_is_named(tmp_path: Path, reader: str, place: str) -> None:
    utm = {"type": "name", "properties": {"name": "EPSG:32645"}}
    geometry = {**of(BOX), **({"crs": utm} if place in ("geometry", "inner") else {})}
    written = document(collection(geometry) if place == "inner" else geometry)
    if place == "document":
        written["crs"] = utm
    if place == "feature":
        written["features"][0]["crs"] = utm  # type: ignore[index]
    path = tmp_path / "polygons.geojson"
    path.write_text(json.dumps(written))

    with pytest.raises(FairModelsError, match=r"EPSG:32645, not in longitude .*ogr2ogr -t_srs EPSG:4326"):
        READERS[reader](path)


@pytest.mark.parametrize(
    "crs",
    [
        "urn:ogc:def:crs:OGC:1.3:CRS84",
        "urn:ogc:def:crs:OGC::CRS84h",
        "ogc:crs84",
        "OGC:CRS84",
        "epsg:4326",
        "EPSG:4979",
        "urn:ogc:def:crs:EPSG::4979",
        "urn:ogc:def:crs:EPSG:6.9:4326",
        "urn:x-ogc:def:crs:EPSG:4326",
        "urn:ogc:def:crs,crs:EPSG::4326,crs:EPSG::5773",
        "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
        "https://www.opengis.net/def/crs/EPSG/0/4326",
        "http://www.opengis.net/gml/srs/epsg.xml#4326",
        "WGS 84",
        "WGS84",
        "GCS_WGS_1984",
        "EPSG:9755",
        {"type": "EPSG", "properties": {"code": 4326}},
        {"type": "epsg", "properties": {"code": "4326"}},
        {"type": "OGC", "properties": {"urn": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
        {"type": "link", "properties": {"href": "http://spatialreference.org/ref/epsg/4326/ogcwkt/"}},
        "plain text: EPSG:4326",
        4326,
        None,
    ],
)
def test_wgs84_is_known_by_all_its_names(tmp_path: Path, crs: Any) -> None:
    if isinstance(crs, str):
        plain = crs.removeprefix("plain text: ")
        crs = plain if plain != crs else {"type": "name", "properties": {"name": crs}}
    path = tmp_path / "polygons.geojson"
    path.write_text(json.dumps(document(of(BOX), crs=crs)))

    assert polygons.read(path)[0].outline == BOX


@pytest.mark.parametrize(
    "name", ["EPSG:4258", "EPSG:4807", "EPSG:3857", "urn:ogc:def:crs:ESRI::4326", "", "X"]
)
def test_what_is_not_wgs84_is_none_of_its_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / "polygons.geojson"
    path.write_text(json.dumps(document(of(BOX), crs={"type": "name", "properties": {"name": name}})))

    with pytest.raises(InvalidLabels, match="not in longitude and latitude"):
        polygons.read(path)


@pytest.mark.parametrize(
    ("west", "east"),
    [(179.9, 180.00005), (-180.00005, -179.9), (179.9, 180.1), (180.2, 180.3), (359.9, 359.95)],
)
def test_what_reaches_over_180_degrees_is_cut_there_and_counted(
    tmp_path: Path, west: float, east: float
) -> None:
    over = shapely.box(west, -17, east, -16.9)
    path = tmp_path / "polygons.geojson"
    path.write_text(json.dumps(document(of(BOX), of(over))))

    first, second = polygons.read(path)

    assert first.happened == ()
    assert second.happened == ("over_antimeridian",)
    assert second.outline is not None
    assert second.outline.area == pytest.approx(over.area)
    assert second.outline.bounds[0] >= -180
    assert second.outline.bounds[2] <= 180


def test_a_ring_that_jumps_over_the_map_is_a_small_one_over_180_degrees(tmp_path: Path) -> None:
    ring = [[179.9, -17], [-179.9, -17], [-179.9, -16.9], [179.9, -16.9], [179.9, -17]]
    path = tmp_path / "polygons.geojson"
    path.write_text(json.dumps(document({"type": "Polygon", "coordinates": [ring]})))

    (found,) = polygons.read(path)

    assert found.happened == ("over_antimeridian",)
    assert found.outline is not None
    assert found.outline.geom_type == "MultiPolygon"
    assert found.outline.area == pytest.approx(0.2 * 0.1)


def test_one_polygon_that_is_no_degrees_is_left_out_and_most_of_them_are_a_wrong_system(
    tmp_path: Path,
) -> None:
    metres = shapely.box(353000, 3057000, 353010, 3057010)
    path = tmp_path / "polygons.geojson"
    path.write_text(json.dumps(document(of(BOX), of(OTHER), of(metres))))

    assert polygons.counted(polygons.read(path)) == {"outside_degrees": 1}

    path.write_text(json.dumps(document(of(BOX), of(metres), of(metres))))
    with pytest.raises(InvalidLabels, match=r"2 polygons have coordinates such as \(3530[01]0, 3.057e\+06\)"):
        polygons.read(path)


def write(path: Path, shapes: list[Any], crs: str | None = "EPSG:4326", **more: Any) -> Path:
    """A file of GDAL with the property `id`, counted from 1."""
    numbers = np.arange(1, len(shapes) + 1)
    pyogrio.raw.write(
        path,
        np.array([None if shape is None else shapely.to_wkb(shape) for shape in shapes], dtype=object),
        [numbers],
        ["id"],
        geometry_type=more.pop("geometry_type", "Polygon"),
        crs=crs,
        **more,
    )
    return path


def write_parquet(path: Path, shapes: list[Any]) -> Path:
    geo = {
        "version": "1.0.0",
        "primary_column": "geom",
        "columns": {"geom": {"encoding": "WKB", "geometry_types": []}},
    }
    table = pa.table(
        {"id": list(range(1, len(shapes) + 1)), "geom": [shapely.to_wkb(each) for each in shapes]}
    )
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    return path


def write_lines(path: Path, shapes: list[Any], mark: str = "") -> Path:
    listed = document(*(of(shape) for shape in shapes))["features"]
    path.write_text("".join(f"{mark}{json.dumps(each)}\n" for each in listed))  # type: ignore[attr-defined]
    return path


def zipped(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"inner/{file.name}")
    return path


def gzipped(path: Path, source: Path) -> Path:
    path.write_bytes(gzip.compress(source.read_bytes()))
    return path


def in_utm(*shapes: shapely.Geometry) -> list[shapely.Geometry]:
    from fair_models.inference.imagery.georeference import moved

    return [
        shapely.transform(shape, lambda places: moved(places, "EPSG:4326", "EPSG:32632")) for shape in shapes
    ]


def forms(folder: Path) -> dict[str, Path]:
    """The same two squares in every format, under names that say nothing."""
    two = [BOX, OTHER]
    shp = folder / "shp"
    shp.mkdir()
    write(shp / "a.shp", in_utm(*two), "EPSG:32632")
    plain = folder / "plain.geojson"
    plain.write_text(json.dumps(document(of(BOX), of(OTHER))))
    layers = write(folder / "layers.gpkg", [BOX], layer="one")
    write(layers, [OTHER], layer="two", append=True)
    return {
        "GeoPackage": write(folder / "a.gpkg", two),
        "GeoPackage in UTM": write(folder / "utm.gpkg", in_utm(*two), "EPSG:32632"),
        "GeoPackage of two layers": layers,
        "GeoPackage under another name": write(folder / "b.gpkg", two).rename(folder / "b.dat"),
        "Shapefile in UTM": shp / "a.shp",
        "zipped Shapefile": zipped(folder / "a.zip", shp),
        "FlatGeobuf": write(folder / "a.fgb", two),
        "GeoParquet": write_parquet(folder / "a.parquet", two),
        "lines": write_lines(folder / "a.geojsonl", two),
        "records": write_lines(folder / "b.geojsons", two, "\x1e"),
        "packed GeoJSON": gzipped(folder / "a.geojson.gz", plain),
        "packed GeoPackage": gzipped(folder / "a.gpkg.gz", folder / "utm.gpkg"),
    }


def test_every_format_gives_the_same_polygons(tmp_path: Path) -> None:
    expected = BOX.union(OTHER)
    for name, path in forms(tmp_path).items():
        for reader in ("labels", "existing features", "area"):
            found = READERS[reader](path)
            assert shapely.symmetric_difference(found, expected).area < 1e-6 * expected.area, (name, reader)
        if name not in ("GeoPackage of two layers", "lines", "records", "packed GeoJSON"):
            assert sorted(each.id for each in polygons.read(path)) == ["1", "2"], name


def test_the_layer_of_a_polygon_is_a_property_where_there_are_several(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg", [BOX], layer="building")
    write(path, [OTHER], layer="road", append=True)

    assert labels.read(path, ["building", "road"], "layer").names == ["building", "road"]


def test_curves_of_a_geopackage_become_straight_pieces(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg", [BOX], layer="one", geometry_type="Unknown")
    points = [(0, 0), (1, 1), (2, 0), (1, -1), (0, 0)]
    circle = struct.pack("<BII", 1, 10, 1) + struct.pack("<BII", 1, 8, len(points))
    circle += b"".join(struct.pack("<dd", *point) for point in points)
    with closing(sqlite3.connect(path)) as database:
        for (trigger,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            database.execute(f'DROP TRIGGER "{trigger}"')  # what checks rows with functions of GDAL
        head = b"GP\x00\x01" + struct.pack("<i", 4326)
        database.execute("INSERT INTO one (geom, id) VALUES (?, 2)", (head + circle,))
        database.commit()

    first, second = polygons.read(path)

    assert first.outline == BOX
    assert second.outline is not None
    assert second.outline.area == pytest.approx(np.pi, rel=0.002)


def test_oddities_of_other_formats_are_counted_under_the_same_names(tmp_path: Path) -> None:
    bow = shapely.Polygon([(10, 20), (10.01, 20.01), (10.01, 20), (10, 20.01)])
    shapes = [
        BOX,
        bow,
        shapely.Point(10, 20),
        shapely.GeometryCollection([OTHER, shapely.Point(10, 20)]),
        shapely.Polygon(),
        shapely.box(179.9, 0, 180.1, 1),
        shapely.force_3d(OTHER, 5),
    ]
    path = write_parquet(tmp_path / "a.parquet", shapes)

    found = polygons.read(path)

    assert polygons.counted(found) == {
        "repaired": 1,
        "other_geometry": 1,
        "partly": 1,
        "without_area": 1,
        "over_antimeridian": 1,
    }
    assert sum(each.outline is not None for each in found) == 5
    assert not any(each.outline.has_z for each in found if each.outline is not None)


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b'<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"/>', "a.kml", "it is KML"),
        (b"<!-- <OGRVRTDataSource> --><osm version='0.6'></osm>", "a.osm", "it is XML, which is not read"),
        (b"<osm generator='<ogrwfsdatasource>'></osm>", "a.osm", "it is XML, which is not read"),
        (b'<gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml">', "a.gml", "it is GML"),
        (b"  0\nSECTION\n  2\nHEADER\n", "a.dxf", "it is DXF"),
        (b"id,wkt\n1,POINT(1 2)\n", "a.csv", "it is CSV"),
        (b"POLYGON ((0 0, 1 0, 1 1, 0 0))", "a.wkt", "well-known text"),
        (b"<OGRVRTDataSource><OGRVRTLayer/></OGRVRTDataSource>", "a.vrt", "only points to other data"),
        (b"<OGRVRTDataSource/>", "a.gpkg", "only points to other data"),
        (b"SQLite format 3\x00" + bytes(100), "a.sqlite", "no GeoPackage"),
        (b'{"type": "Topology"}', "a.json", "no GeoJSON FeatureCollection but an object of type Topology"),
    ],
)
def test_other_formats_are_named_with_what_converts_them(
    tmp_path: Path, content: bytes, name: str, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(InvalidLabels, match=said.replace("FILE", name)) as error:
        polygons.read(path)
    assert "ogr2ogr" in str(error.value) or "name that data" in str(error.value) or "QGIS" in str(error.value)


def test_a_part_of_a_shapefile_and_a_folder_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a.shp", [BOX])
    for name, said in (
        (".dbf", "name the .shp beside it"),
        (".shx", "index of a Shapefile"),
        ("", "a folder"),
    ):
        with pytest.raises(InvalidLabels, match=said):
            polygons.read(tmp_path / f"a{name}" if name else tmp_path)


def test_limits_hold_for_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    star = shapely.Point(10, 20).buffer(0.01, quad_segs=20)
    files = [write(tmp_path / "a.gpkg", [star, BOX]), write_parquet(tmp_path / "a.parquet", [star, BOX])]
    monkeypatch.setattr(geojson, "MAX_FEATURES", 1)
    for path in files:
        with pytest.raises(InvalidLabels, match="more than 1 features"):
            polygons.read(path)
    monkeypatch.setattr(geojson, "MAX_FEATURES", 5)
    monkeypatch.setattr(geojson, "MAX_POSITIONS", 50)
    for path in files:
        with pytest.raises(InvalidLabels, match="feature 0 has 1 rings and 81 positions"):
            polygons.read(path)


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.geojson.gz"
    path.write_bytes(gzip.compress(b" " * 100_000))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../a.geojson", b" " * 100_000)
    monkeypatch.setattr(geojson, "MAX_BYTES", 1000)

    for each in (path, tmp_path / "a.zip"):
        with pytest.raises(InvalidLabels, match="unpacks to more than 1,000 bytes"):
            polygons.read(each)
    assert not (tmp_path.parent / "a.geojson").exists()


def test_the_area_that_an_export_was_asked_for_is_none_of_its_polygons(tmp_path: Path) -> None:
    collection = shapely.geometry.mapping(BOX)
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("town.geojson", json.dumps(collection))
        archive.writestr("clipping_boundary.geojson", json.dumps(collection))

    assert len(polygons.read(tmp_path / "export.zip")) == 1


def test_a_view_in_a_geopackage_is_not_computed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg", [BOX], layer="one")
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE VIEW two AS SELECT * FROM one")
        database.execute("UPDATE gpkg_geometry_columns SET table_name = 'two'")
        database.commit()

    with pytest.raises(InvalidLabels, match="layer two is a view"):
        polygons.read(path)


def test_a_broken_file_of_each_format_is_told(tmp_path: Path) -> None:
    for name, path in forms(tmp_path).items():
        if name in ("lines", "records"):
            continue
        cut = path.with_name(f"cut-{path.name}")
        cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InvalidLabels):
            polygons.read(cut)
