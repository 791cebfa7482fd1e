from pathlib import Path

import numpy as np
import orjson
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from fair_models.data.images.grid import Grid
from fair_models.data.vectors import geojson, labels
from fair_models.errors import InvalidLabels
from tests.data.messy import square, write_features

GRID = Grid("EPSG:4326", (0.001, 0.0, 10.0, 0.0, -0.001, 20.0), 100, 100)
TWO = ["background", "building", "road"]


def with_geometry(geometry: object) -> dict[str, object]:
    return {"type": "Feature", "properties": {}, "geometry": geometry}


def polygon(*rings: object) -> dict[str, object]:
    return with_geometry({"type": "Polygon", "coordinates": list(rings)})


def refused(path: Path, classes: list[str] | None = None, class_property: str | None = None) -> str:
    with pytest.raises(InvalidLabels) as error:
        labels.read(path, classes or ["building"], class_property)
    return str(error.value)


def draw(known: labels.Labels, grid: Grid = GRID, classes: list[str] | None = None) -> np.ndarray:
    return labels.rasterise(known, grid.transform, grid.height, grid.width, grid.crs, classes or TWO)


BOW_TIE = [[10.01, 19.99], [10.03, 19.97], [10.03, 19.99], [10.01, 19.97], [10.01, 19.99]]


def test_broken_outlines_are_mended_or_left_out_and_counted(tmp_path: Path) -> None:
    good = square(10.05, 19.95, 0.01)
    features = [
        good,
        polygon(BOW_TIE),
        with_geometry(None),
        with_geometry({"type": "Point", "coordinates": [10, 20]}),
        with_geometry({"type": "LineString", "coordinates": [[10, 20], [11, 21]]}),
        with_geometry({"type": "GeometryCollection", "geometries": []}),
        polygon([["a", "b"], [1, 2], [3, 4], ["a", "b"]]),
        polygon([[1], [2], [3], [1]]),
        with_geometry({"type": "Polygon", "coordinates": []}),
        with_geometry({"type": "Polygon"}),
        polygon([[10, 20], [10.01, 20], [10, 20]]),
        polygon([[10, 20], [10.01, 20], [10.02, 20], [10, 20]]),
        with_geometry({"type": "MultiPolygon", "coordinates": [good["geometry"]["coordinates"], []]}),  # type: ignore[index]
    ]

    known = labels.read(write_features(tmp_path / "l.geojson", features), ["building"])

    assert len(known) == 3
    assert shapely.is_valid(known.outlines).all()
    assert known.mended == {
        "repaired": 1,
        "closed": 0,
        "null_geometry": 1,
        "other_geometry": 3,
        "malformed": 2,
        "without_area": 4,
        "other_class": 0,
    }


def test_both_triangles_of_a_bow_tie_are_kept(tmp_path: Path) -> None:
    known = labels.read(write_features(tmp_path / "l.geojson", [polygon(BOW_TIE)]), ["building"])

    assert known.outlines[0].area == pytest.approx(2 * 0.02 * 0.01 / 2)


def test_open_rings_and_heights_are_understood(tmp_path: Path) -> None:
    ring = [[10, 20, 5], [10.01, 20, 5], [10.01, 20.01, 5]]

    known = labels.read(write_features(tmp_path / "l.geojson", [polygon(ring)]), ["building"])

    assert known.outlines[0].area == pytest.approx(0.00005)
    assert not known.outlines[0].has_z


@pytest.mark.parametrize(
    "name",
    [
        "urn:ogc:def:crs:OGC:1.3:CRS84",
        "urn:ogc:def:crs:EPSG::4326",
        "EPSG:4326",
        "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    ],
)
def test_longitude_and_latitude_may_be_named(tmp_path: Path, name: str) -> None:
    path = write_features(
        tmp_path / "l.geojson", [square(10, 20, 0.01)], crs={"type": "name", "properties": {"name": name}}
    )

    assert len(labels.read(path, ["building"])) == 1


def test_another_reference_system_is_refused_with_the_remedy(tmp_path: Path) -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    path = write_features(tmp_path / "l.geojson", [square(10, 20, 0.01)], crs=crs)

    told = refused(path)

    assert "EPSG::3857" in told
    assert "ogr2ogr -t_srs EPSG:4326" in told
    assert "l.geojson" in told


def test_coordinates_that_are_no_degrees_are_refused(tmp_path: Path) -> None:
    path = write_features(tmp_path / "l.geojson", [square(9520000, 3200000, 10)])

    assert "(9.52e+06, 3.2e+06), no longitude and latitude" in refused(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is no JSON"),
        (b"{", "it is no JSON"),
        (b'{"type": "FeatureCollection", "features": [NaN]}', "it is no JSON"),
        (b"[" * 5000, "it is nested 5000 deep"),
        (b"[1, 2]", "a JSON list"),
        (b'{"type": "Topology"}', "an object of type Topology"),
        (b'{"type": "FeatureCollection", "features": {}}', "an object of type FeatureCollection"),
        (b'{"type": "FeatureCollection", "features": [3]}', "an object of type FeatureCollection"),
        (b'{"type": "FeatureCollection", "features": []}', "it holds no features"),
        (
            b'{"type": "Feature", "geometry": null, "properties": null}',
            "none of its 1 features is a usable",
        ),
    ],
)
def test_what_is_no_set_of_polygons_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "l.geojson"
    path.write_bytes(content)

    assert reason in refused(path)


def test_a_missing_or_huge_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no such file" in refused(tmp_path / "nowhere.geojson")

    monkeypatch.setattr(geojson, "MAX_BYTES", 10)
    assert "it has more than 10 bytes" in refused(
        write_features(tmp_path / "l.geojson", [square(10, 20, 0.01)])
    )


def test_coordinates_that_are_no_numbers_make_a_polygon_malformed(tmp_path: Path) -> None:
    ring = square(10, 20, 0.01)["geometry"]["coordinates"][0]  # type: ignore[index]
    text = [[str(x), str(y)] for x, y in ring]
    words = [[True, False], [True, True], [False, True], [True, False]]
    mappings = [{"0": x, "1": y} for x, y in ring]
    features = [square(10, 20, 0.01), polygon(text), polygon(words), polygon(mappings)]

    assert (
        labels.read(write_features(tmp_path / "l.geojson", features), ["building"]).mended["malformed"] == 3
    )


def test_an_open_ring_is_closed_and_counted(tmp_path: Path) -> None:
    closed = square(10, 20, 0.01)["geometry"]["coordinates"][0]  # type: ignore[index]
    path = write_features(tmp_path / "l.geojson", [polygon(closed), polygon(closed[:-1])])

    known = labels.read(path, ["building"])

    assert known.mended["closed"] == 1
    assert known.outlines[0].equals(known.outlines[1])


def test_a_key_that_is_given_twice_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "l.geojson"
    path.write_text('{"type": "FeatureCollection", "features": [], "features": []}')

    assert "gives the key 'features' twice" in refused(path)


def test_geometries_inside_each_other_are_refused_when_they_go_too_deep(tmp_path: Path) -> None:
    geometry: dict[str, object] = {"type": "Point", "coordinates": [10, 20]}
    for _ in range(20):
        geometry = {"type": "GeometryCollection", "geometries": [geometry]}
    path = write_features(tmp_path / "l.geojson", [square(10, 20, 0.01), with_geometry(geometry)])

    assert f"at most {geojson.MAX_DEPTH} is read" in refused(path)


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("MAX_FEATURES", "it has 2 features, at most 1 are read"),
        ("MAX_RINGS", "feature 1 has 2 rings and 10 positions, at most 1 "),
        ("MAX_POSITIONS", "feature 0 has 1 rings and 5 positions, at most"),
    ],
)
def test_more_than_can_be_handled_is_refused_with_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, reason: str
) -> None:
    ring = square(10, 20, 0.01)["geometry"]["coordinates"][0]  # type: ignore[index]
    path = write_features(tmp_path / "l.geojson", [polygon(ring), polygon(ring, ring)])
    monkeypatch.setattr(geojson, limit, 1)

    assert reason in refused(path)


@pytest.mark.parametrize("name", ["EPSG:14326", "my:4326:local", "urn:ogc:def:crs:ESRI::4326"])
def test_only_wgs84_itself_passes_as_longitude_and_latitude(tmp_path: Path, name: str) -> None:
    crs = {"type": "name", "properties": {"name": name}}
    path = write_features(tmp_path / "l.geojson", [square(10, 20, 0.01)], crs=crs)

    assert "ogr2ogr -t_srs EPSG:4326" in refused(path)


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    path = write_features(tmp_path / "l.geojson", [square(10, 20, 0.01)])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert len(labels.read(path, ["building"])) == 1


def test_the_property_tells_the_class_and_others_are_left_out(tmp_path: Path) -> None:
    features = [square(10, 20, 0.01, kind=kind) for kind in ("building", "road", "tree", None)]
    path = write_features(tmp_path / "l.geojson", [*features, square(10, 20, 0.01)])

    known = labels.read(path, ["building", "road"], "kind")

    assert known.names == ["building", "road"]
    assert known.mended["other_class"] == 3


def test_classes_that_no_label_has_are_told_with_those_that_are_there(tmp_path: Path) -> None:
    features = [*[square(10, 20, 0.01, kind="roof")] * 2, square(10, 20, 0.01)]
    path = write_features(tmp_path / "l.geojson", features)

    said = "the property kind says roof (2), nothing (1), asked for were building"
    assert said in refused(path, ["building"], "kind")


def test_wrong_classes_are_refused_together(tmp_path: Path) -> None:
    path = write_features(tmp_path / "l.geojson", [square(10, 20, 0.01)])

    told = refused(path, ["road", "road", "background"])

    assert "a class is named twice" in told
    assert "background is what no label covers" in told
    assert "name the property" in told


def test_a_pixel_has_the_class_that_its_middle_lies_in(tmp_path: Path) -> None:
    path = write_features(tmp_path / "l.geojson", [square(10.010, 19.950, 0.020)])

    mask = draw(labels.read(path, ["building"]))

    assert mask[30:50, 10:30].all()
    assert mask.sum() == 400


def test_the_smaller_of_two_labels_lies_on_top(tmp_path: Path) -> None:
    features = [square(10.02, 19.92, 0.01, kind="road"), square(10.0, 19.9, 0.05, kind="building")]
    path = write_features(tmp_path / "l.geojson", features)

    mask = draw(labels.read(path, ["building", "road"], "kind"))

    assert (mask == 2).sum() == 100
    assert (mask == 1).sum() == 2400


def test_labels_of_classes_that_a_model_does_not_know_are_not_drawn(tmp_path: Path) -> None:
    features = [square(10.02, 19.92, 0.01, kind="road"), square(10.05, 19.92, 0.01, kind="building")]
    path = write_features(tmp_path / "l.geojson", features)

    mask = draw(labels.read(path, ["building", "road"], "kind"), classes=["background", "building"])

    assert mask.sum() == 100


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:32632"])
def test_labels_are_drawn_at_the_same_place_in_every_reference_system(tmp_path: Path, crs: str) -> None:
    known = labels.read(write_features(tmp_path / "l.geojson", [square(9.0, 45.0, 0.001)]), ["building"])
    left, bottom, right, top = shapely.total_bounds(known.in_crs(crs)[0])
    step = (right - left) / 50
    grid = Grid(crs, (step, 0, left - 10 * step, 0, -step, top + 10 * step), 120, 70)

    mask = draw(known, grid)

    rows, columns = np.nonzero(mask)
    assert (columns.min(), columns.max()) == (10, 59)
    assert rows.min() == 10
    assert rows.max() == pytest.approx(9 + (top - bottom) / step, abs=1)


def test_a_label_that_only_shares_an_edge_with_a_grid_does_not_touch_it(tmp_path: Path) -> None:
    path = write_features(tmp_path / "l.geojson", [square(10.1, 19.95, 0.01), square(10.099, 19.95, 0.01)])

    assert labels.read(path, ["building"]).touching(GRID).tolist() == [1]


@given(
    corners=st.lists(st.tuples(st.floats(10, 10.1), st.floats(19.9, 20)), min_size=3, max_size=9),
)
def test_any_ring_becomes_a_valid_polygon_or_is_counted(corners: list[tuple[float, float]]) -> None:
    outline, happened = geojson.polygon({"type": "Polygon", "coordinates": [[*corners, corners[0]]]})

    if outline is None:
        assert happened in ("without_area", "malformed")
    else:
        assert happened in (None, "repaired")
        assert outline.is_valid
        assert outline.area > 0


def test_labels_that_are_written_are_read_back(tmp_path: Path) -> None:
    path = write_features(tmp_path / "l.geojson", [square(10, 20, 0.01, roof="tin"), polygon(BOW_TIE)])
    known = labels.read(path, ["building"])

    labels.write(known, tmp_path / "again.geojson")
    again = labels.read(tmp_path / "again.geojson", ["building"], labels.CLASS_PROPERTY)

    assert shapely.equals(known.outlines, again.outlines).all()
    assert again.names == ["building", "building"]
    assert again.properties[0]["roof"] == "tin"
    assert not any(again.mended.values())
    rings = orjson.loads((tmp_path / "again.geojson").read_bytes())["features"][0]["geometry"]["coordinates"]
    assert shapely.LinearRing(rings[0]).is_ccw


@pytest.mark.shared
def test_the_labels_of_banepa_need_no_repair(shared_data: Path) -> None:
    known = labels.read(shared_data / "labels.geojson", ["building"])

    assert len(known) == 1466
    assert not any(known.mended.values())


def kinds(path: Path, **counts: int) -> Path:
    """Squares side by side with values of the property `kind`."""
    values = [value for value, count in counts.items() for _ in range(count)]
    return write_features(
        path, [square(10 + at / 100, 20, 0.005, kind=value) for at, value in enumerate(values)]
    )


def test_values_of_the_data_are_mapped_onto_classes(tmp_path: Path) -> None:
    features = [square(10, 20, 0.01, kind=value) for value in ("Building", " yes ", 1, 1.0, True, "घर", "x")]
    path = write_features(tmp_path / "l.geojson", features)

    known = labels.read(
        path, ["building", "road"], "kind", {"building": ["Building", "yes", "1", "घर"], "road": ["true"]}
    )

    assert known.names == ["building"] * 4 + ["road", "building"]
    assert known.mended["other_class"] == 1


def test_a_class_without_a_label_is_refused_with_the_values_and_how_to_map_them(tmp_path: Path) -> None:
    path = kinds(tmp_path / "l.geojson", building=3, road=2)

    told = refused(path, ["building", "highway"], "kind")

    assert "no label is of the class highway" in told
    assert "building (3), road (2)" in told
    assert "--class highway=road" in told


def test_a_property_that_no_label_has_is_told_with_those_that_they_have(tmp_path: Path) -> None:
    path = kinds(tmp_path / "l.geojson", building=3)

    assert "no label has the property sort (nothing: 3), they have kind" in refused(
        path, ["building"], "sort"
    )


def test_the_ground_of_other_labels_counts_neither_way(tmp_path: Path) -> None:
    features = [
        square(10.01, 19.91, 0.02, kind="building"),
        square(10.05, 19.91, 0.02, kind="road"),
        square(10.0, 19.95, 0.04, kind="landuse"),
        square(10.02, 19.96, 0.01, kind="building"),
    ]
    path = write_features(tmp_path / "l.geojson", features)
    known = labels.read(path, ["building"], "kind", {"background": ["landuse"]})

    mask = labels.rasterise(known, GRID.transform, 100, 100, GRID.crs, ["background", "building"], 255)

    assert {int(value): int((mask == value).sum()) for value in np.unique(mask)} == {
        0: 10_000 - 500 - 400,
        1: 500,
        255: 400,
    }
    assert known.mended["background_value"] == 1
    assert known.mended["other_class"] == 1


def test_stored_labels_keep_what_is_ignored_and_older_ones_have_none(tmp_path: Path) -> None:
    path = kinds(tmp_path / "l.geojson", building=3, road=2)
    labels.write(labels.read(path, ["building"], "kind"), tmp_path / "stored.geojson")
    older = [square(10, 20, 0.01, **{"fair:class": name, "class": "x"}) for name in ("building", "road")]
    write_features(tmp_path / "older.geojson", older)

    stored = labels.read_stored(tmp_path / "stored.geojson", ["building"])
    before = labels.read_stored(tmp_path / "older.geojson", ["building"])

    assert len(stored) == 3
    assert stored.ignored is not None
    assert len(stored.ignored) == 2
    assert [each["kind"] for each in stored.ignored.properties] == ["road", "road"]
    assert before.names == ["building"]
    assert before.ignored is None


def test_stored_labels_have_the_class_as_a_plain_property_and_keep_another_meaning_of_it(
    tmp_path: Path,
) -> None:
    path = write_features(tmp_path / "l.geojson", [square(10, 20, 0.01, kind="building", **{"class": "hut"})])
    labels.write(labels.read(path, ["building"], "kind"), tmp_path / "stored.geojson")

    (feature,) = orjson.loads((tmp_path / "stored.geojson").read_bytes())["features"]

    assert feature["properties"] == {"kind": "building", "orig_class": "hut", "class": "building"}


@pytest.mark.parametrize("name", ["class", "fair:class"])
def test_both_names_of_the_class_are_read(tmp_path: Path, name: str) -> None:
    features = [square(10, 20, 0.01, **{"class": "road"}), square(10, 20, 0.01, **{"fair:class": "building"})]
    path = write_features(tmp_path / "l.geojson", features)

    assert labels.read(path, ["building", "road"], name).names == ["road", "building"]


@pytest.mark.parametrize(
    ("name", "counts", "proposed"),
    [
        ("building", {"road": 5, "wall": 9, "Buildings": 1}, "building=Buildings"),
        ("building", {"road": 5, "wall": 9, "bulding": 1}, "building=bulding"),
        ("highway", {"road": 2, "tree": 5, "grass": 3}, "highway=tree"),
        ("solar_panel", {"roof": 4, "panel": 1}, "solar_panel=panel"),
    ],
)
def test_the_value_most_like_the_class_is_proposed_else_the_most_frequent(
    tmp_path: Path, name: str, counts: dict[str, int], proposed: str
) -> None:
    with pytest.raises(InvalidLabels, match=f"for example --class {proposed};"):
        labels.read(kinds(tmp_path / "l.geojson", **counts), [name], "kind")


def test_the_property_that_is_called_as_the_class_is_proposed(tmp_path: Path) -> None:
    features = [square(10 + at / 100, 20, 0.005, name="x", source="y", highway="track") for at in range(3)]
    path = write_features(tmp_path / "l.geojson", features)

    with pytest.raises(
        InvalidLabels,
        match=r"no label has the property kind .*they have highway, .*perhaps --class-property highway",
    ):
        labels.read(path, ["highway"], "kind")
