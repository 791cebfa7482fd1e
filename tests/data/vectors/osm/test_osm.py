"""Labels of OpenStreetMap: the same map gives the same polygons, in whatever format it comes."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import shapely

from fair_models.class_names import names, values
from fair_models.data.vectors import labels, polygons
from fair_models.data.vectors.labels import Labels
from fair_models.data.vectors.osm import extracts, origin
from fair_models.data.vectors.osm.tags import Tag, rules
from fair_models.errors import InvalidLabels
from tests.data.vectors.osm.osm_files import OsmMap, square, village

Write = Callable[[OsmMap, Path], Path]

FORMATS: dict[str, Write] = {
    "xml": lambda made, folder: made.xml(folder / "a.osm"),
    "pbf": lambda made, folder: made.pbf(folder / "a.osm.pbf"),
    "overpass with positions": lambda made, folder: made.overpass(folder / "a.json"),
    "overpass with nodes": lambda made, folder: made.overpass(folder / "b.json", geometry=False),
}

every_format = pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)


def read(path: Path, *classes: str, **more: Any) -> Labels:
    asked = classes or ("building",)
    return labels.read(path, names(asked), values=values(asked), **more)


def refused(path: Path, *classes: str, **more: Any) -> str:
    with pytest.raises(InvalidLabels) as error:
        read(path, *classes, **more)
    return str(error.value)


def areas(known: Labels) -> dict[str, float]:
    """Area of each label in millionths of a square degree, by its id."""
    ids = [f"{each['osm_type']}/{each['osm_id']}" for each in known.properties]
    return dict(zip(ids, (shapely.area(known.outlines) * 1e6).round(3).tolist(), strict=True))


@every_format
def test_buildings_are_read_with_holes_that_touch_and_tags_of_the_old_style(
    write: Write, tmp_path: Path
) -> None:
    known = read(write(village(), tmp_path))

    assert areas(known) == {"way/1": 1, "way/2": 1, "relation/20": 32, "relation/21": 15}
    house = next(each for each in known.properties if each["osm_id"] == 2)
    assert house["name"] == 'Ann\'s "house"'
    assert house["osm_timestamp"] == "2025-03-01T00:00:00Z"
    assert known.mended["other_geometry"] == 1
    assert known.ignored is None


@every_format
def test_an_island_in_a_lake_is_water_where_it_is_a_part_of_it(write: Write, tmp_path: Path) -> None:
    assert areas(read(write(village(), tmp_path), "water")) == {"relation/22": 49}


@every_format
def test_several_classes_are_told_by_tags_of_several_keys(write: Write, tmp_path: Path) -> None:
    known = read(
        write(village(), tmp_path),
        "house=building=house,apartments",
        "public=building=*",
        "background=building=school",
        "green=landuse=forest,natural=water",
    )

    assert dict(zip(areas(known), known.names, strict=True)) == {
        "way/1": "public",
        "way/2": "house",
        "relation/20": "house",
        "relation/22": "green",
        "way/50": "green",
    }
    assert known.mended["background_value"] == 1


@every_format
def test_a_property_names_the_class_as_of_other_files(write: Write, tmp_path: Path) -> None:
    known = labels.read(
        write(village(), tmp_path), ["house"], "building", {"house": ["yes", "house"], "background": ["*"]}
    )

    assert set(areas(known)) == {"way/1", "way/2"}
    assert known.ignored is None


@every_format
def test_closed_ways_of_lines_are_no_areas_unless_they_say_so(write: Write, tmp_path: Path) -> None:
    known = read(write(village(), tmp_path), "road")

    assert set(areas(known)) == {"way/51"}
    assert known.mended["other_geometry"] == 2


@every_format
def test_lines_are_refused_with_the_way_to_make_areas_of_them(write: Write, tmp_path: Path) -> None:
    said = refused(write(village(), tmp_path), "road=highway=residential")

    assert "no polygon is road by its tags (highway=residential)" in said
    assert "2 lines and points have them, which have no area" in said
    assert "Buffer" in said


@every_format
def test_tags_that_match_nothing_are_refused_with_those_that_there_are(write: Write, tmp_path: Path) -> None:
    path = write(village(), tmp_path)

    assert "its polygons have building=*" in refused(path, "shop")
    assert "building=apartments (1)" in (said := refused(path, "hut=building=hut", "water"))
    assert "for example --class hut=building=" in said


@every_format
def test_a_file_says_of_when_its_data_is(write: Write, tmp_path: Path) -> None:
    path = write(village(), tmp_path)
    zipped = tmp_path / "a.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(path, path.name)
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    for each in (path, zipped, packed):
        known = read(each)
        assert known.osm == origin.OsmFile(time)
        assert len(known) == 4


def test_other_files_are_none_of_openstreetmap(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "elements": [], "features": []}))
    assert origin.of_file(path) is None


@pytest.mark.parametrize("name", ["xml", "pbf"])
def test_only_what_reaches_into_the_area_is_read(name: str, tmp_path: Path) -> None:
    path = FORMATS[name](village(), tmp_path)

    assert set(areas(read(path, around=(0.0, 0.0, 0.003, 0.003)))) == {"way/1"}
    said = refused(path, around=(5.0, 5.0, 6.0, 6.0))
    assert "the chips lie within (5.00000" in said
    assert "4 polygons of these tags within (0.00100" in said


@pytest.mark.parametrize("name", ["xml", "pbf"])
def test_all_polygons_are_read_where_no_tags_are_asked_for(name: str, tmp_path: Path) -> None:
    features = polygons.read(FORMATS[name](village(), tmp_path))
    assert sorted(each.properties["osm_id"] for each in features) == [1, 2, 3, 20, 21, 22, 50, 51]


def geojson(path: Path, *properties: dict[str, Any]) -> Path:
    features = [
        {
            "type": "Feature",
            "properties": each,
            "geometry": shapely.geometry.mapping(shapely.Polygon(square(0.01 * at, 0, 0.001))),
        }
        for at, each in enumerate(properties)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.mark.parametrize(
    "tags",
    [
        {"building": "house"},
        {"tags": {"building": "house"}},
        {"tags": '{"building": "house"}'},
        {"other_tags": '"name"=>"a \\"b\\" c","building"=>"house"'},
        {"building": "yes;house"},
    ],
)
def test_tags_of_geojson_are_read_flat_nested_or_as_text(tmp_path: Path, tags: dict[str, Any]) -> None:
    path = geojson(tmp_path / "a.geojson", {"osm_id": 1, **tags}, {"osm_id": 2, "building": "ruins"}, {})
    known = read(path, "house=building=house", "ruin=building=ruins")

    assert known.names == ["house", "ruin"]
    assert known.mended["other_tags"] == 1
    assert known.osm is None
    assert origin.have_ids(known.properties)
    assert len(labels.read(path, ["house"], "building", {"house": ["house", "yes;house"]})) == 1


def test_geojson_is_all_of_one_class_without_tags_and_refused_with_its_tags_else(tmp_path: Path) -> None:
    path = geojson(tmp_path / "a.geojson", {"tags": {"building": "hut"}}, {"tags": {"amenity": "school"}})

    assert len(read(path)) == 2
    assert "they have" not in refused(path, "a=building=x")
    assert "building=hut (1)" in refused(path, "a=building=x")
    assert "building=* (1), amenity=* (1)" in refused(path, "shop=shop=*")


def test_the_newest_change_of_labels_is_their_time(tmp_path: Path) -> None:
    times = [{"timestamp": "2024-05-06T07:08:09Z"}, {"@timestamp": "2025-01-01T00:00:00"}, {"timestamp": "x"}]
    assert origin.newest(times) == datetime(2025, 1, 1, tzinfo=UTC)
    assert origin.newest([{}]) is None


# What is broken


@pytest.mark.parametrize("name", ["xml", "pbf"])
def test_half_a_download_is_refused(name: str, tmp_path: Path) -> None:
    path = FORMATS[name](village(), tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    assert "download" in refused(path)


def test_xml_that_is_broken_inside_is_refused(tmp_path: Path) -> None:
    path = village().xml(tmp_path / "a.osm")
    path.write_text(path.read_text().replace('<way id="2"', '<way id="2" <', 1))
    assert "cannot be read as data of OpenStreetMap" in refused(path)


def test_answers_that_say_that_they_are_incomplete_are_refused(tmp_path: Path) -> None:
    timed_out = "runtime error: Query timed out"
    as_json = village().overpass(tmp_path / "a.json", remark=timed_out)
    as_xml = village().xml(tmp_path / "a.osm")
    as_xml.write_text(as_xml.read_text().replace("</osm>", f"<remark> {timed_out} </remark></osm>"))

    for path in (as_json, as_xml):
        said = refused(path)
        assert timed_out in said
        assert "smaller area" in said


def test_answers_without_positions_are_refused_with_what_to_ask(tmp_path: Path) -> None:
    path = village().overpass(tmp_path / "a.json")
    document = json.loads(path.read_text())
    for element in document["elements"]:
        for each in (element, *element.get("members", ())):
            each.pop("geometry", None)
    document["elements"] = [each for each in document["elements"] if each["type"] != "node"]
    path.write_text(json.dumps(document))

    assert "have no positions; ask Overpass with" in refused(path)


def test_an_empty_answer_has_no_polygon(tmp_path: Path) -> None:
    path = OsmMap().overpass(tmp_path / "a.json")
    assert "the file has no polygon at all" in refused(path)


def test_a_relation_whose_ways_do_not_close_counts_as_malformed(tmp_path: Path) -> None:
    made = village()
    del made.ways[11]
    made.relations[20] = made.relations[20][0][:1], made.relations[20][1]

    known = read(made.overpass(tmp_path / "a.json"))
    assert "relation/20" not in areas(known)
    assert known.mended["malformed"] == 1


@pytest.mark.parametrize("name", ["xml", "pbf"])
def test_large_files_are_refused_with_the_command_that_cuts_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = FORMATS[name](village(), tmp_path)
    monkeypatch.setattr(extracts, "MAX_BYTES", {"osm-xml": 100, "osm-pbf": 100})

    around = (85.00001, 27.0, 85.5, 27.49999)
    said = refused(path, around=around)
    assert "MB of this format are read" in said
    assert f"osmium extract --bbox 85.0000,27.0000,85.5000,27.5000 --output area.osm.pbf {path.name}" in said
    with pytest.raises(InvalidLabels, match=r"osmium extract --bbox 85\.0000,27.0000,85.5000,27.5000"):
        polygons.look(path, around)


# Which tags a class means


def test_values_without_a_key_belong_to_the_key_before_them() -> None:
    asked = ["building", "road=highway=primary, secondary,railway=*", "hut=yes,building=hut", "water"]
    made = rules(names(asked), values(asked))

    assert made.classes["building"] == [Tag("building")]
    assert made.classes["road"] == [Tag("highway", "primary"), Tag("highway", "secondary"), Tag("railway")]
    assert made.classes["hut"] == [Tag("hut", "yes"), Tag("building", "hut")]
    assert Tag("natural", "water") in made.classes["water"]


def test_a_tag_for_two_classes_is_refused(tmp_path: Path) -> None:
    path = village().xml(tmp_path / "a.osm")
    assert "the tag building=yes means a and b; map it once" in refused(
        path, "a=building=yes", "b=building=yes"
    )
