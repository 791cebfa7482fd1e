"""A prediction goes through the software of others and comes back as feedback."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
import shapely.affinity

from fair_models.data import feedback
from fair_models.data.lost_ids import Predicted
from fair_models.data.vectors import labels, polygons
from fair_models.errors import InvalidFeedback
from fair_models.inference.outlines.features import Features
from fair_models.inference.writing.geoparquet import GeoParquetSink
from fair_models.inference.writing.layers import write_flatgeobuf, write_geojson

CLASSES = ["building", "road"]
SHAPES = [shapely.box(10 + x / 100, 20, 10 + x / 100 + 0.004, 20.004) for x in range(4)]
NAMES = ["building", "road", "building", "building"]
KNOWN = {
    str(number): Predicted(shape, name)
    for number, (shape, name) in enumerate(zip(SHAPES, NAMES, strict=True), 1)
}
VERDICTS = ["Accepted", " accepted ", "REJECTED", "corrected"]


def predictions(folder: Path) -> dict[str, Path]:
    """The vector files of one prediction."""
    parquet = folder / "predictions.parquet"
    sink = GeoParquetSink(parquet, ["background", *CLASSES])
    count = len(SHAPES)
    index = np.array([1 + CLASSES.index(name) for name in NAMES])
    confidence = np.linspace(0.5, 0.9, count)
    sink.write(
        Features(
            np.array(SHAPES, object), index, confidence, np.ones(count), np.array(["chip"] * count, object)
        )
    )
    sink.close()
    files = {"geoparquet": parquet, "geojson": folder / "a.geojson", "flatgeobuf": folder / "a.fgb"}
    write_geojson(parquet, files["geojson"])
    write_flatgeobuf(parquet, files["flatgeobuf"])
    return files


def judged(source: Path, path: Path, driver: str) -> Path:
    """The same polygons with a verdict each, as QGIS and geopandas write them: all they keep are columns."""
    found = polygons.read(source)
    columns: dict[str, list[Any]] = {
        key: [each.properties[key] for each in found] for key in found[0].properties if key != "bbox"
    }
    columns["verdict"] = [VERDICTS[int(each.id) - 1] for each in found]
    pyogrio.raw.write(
        path,
        np.array([shapely.to_wkb(each.outline) for each in found], dtype=object),
        [
            np.array(values, dtype=object if isinstance(values[0], str) else None)
            for values in columns.values()
        ],
        list(columns),
        geometry_type="Polygon",
        crs="EPSG:4326",
        driver=driver,
    )
    return path


@pytest.mark.parametrize(
    ("driver", "name"),
    [("GPKG", "j.gpkg"), ("ESRI Shapefile", "j.shp"), ("GeoJSON", "j.geojson"), ("FlatGeobuf", "j.fgb")],
)
@pytest.mark.parametrize("form", ["geoparquet", "geojson", "flatgeobuf"])
def test_a_prediction_of_every_format_comes_back_from_every_format_without_loss(
    tmp_path: Path, form: str, driver: str, name: str
) -> None:
    path = judged(predictions(tmp_path)[form], tmp_path / name, driver)

    found = feedback.read(path, {"fair:prediction": "x"}, KNOWN, CLASSES)
    back = {each.id: each.properties for each in polygons.read(path)}

    assert found.verdicts == {"accepted": 2, "rejected": 1, "corrected": 1}
    assert sorted(said for _, said in found.labels) == ["building", "building", "road"]
    assert not found.open
    assert {key: each["class"] for key, each in back.items()} == dict(zip("1234", NAMES, strict=True))
    assert [back[key]["confidence"] for key in "1234"] == pytest.approx(np.linspace(0.5, 0.9, 4), abs=1e-4)


def test_all_names_of_properties_fit_into_a_shapefile(tmp_path: Path) -> None:
    first = polygons.read(predictions(tmp_path)["geojson"])[0]

    assert {"id", "class", "confidence"} <= set(first.properties)
    assert all(len(name) <= 10 for name in [*first.properties, feedback.VERDICT, labels.CLASS_PROPERTY])
    assert all(len(name) <= 10 for name in (labels.IGNORED_PROPERTY, labels._DISPLACED))


def say(path: Path, *said: tuple[Any, dict[str, Any]]) -> Path:
    """GeoJSON of outlines and properties."""
    features = [
        {
            "type": "Feature",
            "properties": properties,
            "geometry": None if shape is None else json.loads(shapely.to_geojson(shape)),
        }
        for shape, properties in said
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def halves(shape: shapely.Polygon) -> tuple[shapely.Polygon, shapely.Polygon]:
    west, south, east, north = shape.bounds
    middle = (west + east) / 2
    return shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)


@pytest.mark.parametrize(
    ("one", "other", "verdicts", "share"),
    [
        ("accepted", "Accepted", {"accepted": 1}, 1.0),
        ("rejected", "rejected", {"rejected": 1}, 0.0),
        ("accepted", "rejected", {"corrected": 1}, 0.5),
        ("corrected", "corrected", {"corrected": 1}, 1.0),
        ("corrected", "rejected", {"corrected": 1}, 0.5),
    ],
)
def test_a_polygon_that_was_split_in_two_is_judged_once(
    tmp_path: Path, one: str, other: str, verdicts: dict[str, int], share: float
) -> None:
    left, right = halves(SHAPES[0])
    path = say(
        tmp_path / "j.geojson", (left, {"id": 1, "verdict": one}), (right, {"id": 1, "verdict": other})
    )

    if not share:
        path = say(
            path,
            (left, {"id": 1, "verdict": one}),
            (right, {"id": 1, "verdict": other}),
            (SHAPES[1], {"id": 2}),
        )
    found = feedback.read(path, {}, KNOWN, CLASSES)

    assert found.verdicts == Counter(verdicts)
    assert sum(shape.area for shape, _ in found.labels) == pytest.approx(share * SHAPES[0].area)
    assert not any(shape.equals(SHAPES[0]) for shape in found.open)


def test_a_piece_without_a_verdict_is_still_open(tmp_path: Path) -> None:
    left, right = halves(SHAPES[0])
    path = say(tmp_path / "j.geojson", (left, {"id": 1, "verdict": "accepted"}), (right, {"id": 1}))

    assert any(shape.equals(right) for shape in feedback.read(path, {}, KNOWN, CLASSES).open)


def test_verdicts_that_contradict_each_other_on_one_place_are_refused(tmp_path: Path) -> None:
    path = say(
        tmp_path / "j.geojson",
        (SHAPES[0], {"id": 1, "verdict": "accepted"}),
        (SHAPES[0], {"id": 1, "verdict": "rejected"}),
    )

    with pytest.raises(InvalidFeedback, match="more than one verdict has the id 1"):
        feedback.read(path, {}, KNOWN, CLASSES)


@pytest.mark.parametrize(
    "properties",
    [
        {"id": "1", "verdict": "accepted"},
        {"id": 1.0, "verdict": "ACCEPTED"},
        {"ID": 1, "Verdict": "accepted\n"},
        {"id": 1, "verdict": "corrected", "fair:class": "building"},
        {"id": 1, "verdict": "corrected", "class": " Building "},
    ],
)
def test_ids_classes_and_verdicts_are_understood_as_programs_write_them(
    tmp_path: Path, properties: dict[str, Any]
) -> None:
    found = feedback.read(say(tmp_path / "j.geojson", (SHAPES[0], properties)), {}, KNOWN, CLASSES)

    assert [name for _, name in found.labels] == ["building"]


def test_the_property_is_the_id_where_a_program_counts_features_anew(tmp_path: Path) -> None:
    path = say(tmp_path / "j.geojson", (SHAPES[1], {"id": 2, "verdict": "accepted"}))
    document = json.loads(path.read_text())
    document["features"][0]["id"] = "0"
    path.write_text(json.dumps(document))

    assert feedback.read(path, {}, KNOWN, CLASSES).labels[0][1] == "road"


def test_feedback_of_older_predictions_has_its_ids_as_members(tmp_path: Path) -> None:
    path = say(tmp_path / "j.geojson", (SHAPES[1], {"verdict": "accepted"}))
    document = json.loads(path.read_text())
    document["features"][0]["id"] = 2
    path.write_text(json.dumps(document))

    assert feedback.read(path, {}, KNOWN, CLASSES).labels[0][1] == "road"


def lost(number: int, verdict: str = "accepted", **more: Any) -> tuple[Any, dict[str, Any]]:
    """A polygon of the prediction with its class, as software leaves it that drops ids."""
    return SHAPES[number - 1], {"class": NAMES[number - 1], "verdict": verdict, **more}


def test_polygons_without_ids_are_recognised_by_their_outline_and_counted(tmp_path: Path) -> None:
    first, second, third = lost(1), lost(2, "rejected"), lost(3, "corrected")
    west, south, east, north = SHAPES[0].bounds
    backwards = shapely.Polygon([(east, south), (west, south), (west, north), (east, north)])
    rounded = shapely.set_precision(SHAPES[2], 1e-5)
    path = say(
        tmp_path / "j.geojson",
        (backwards, first[1]),
        second,
        (rounded, third[1]),
        (SHAPES[3], {"class": "x"}),
    )

    found = feedback.read(path, {}, KNOWN, CLASSES)

    assert found.verdicts == {"accepted": 1, "rejected": 1, "corrected": 1}
    assert found.open == [SHAPES[3]]
    assert polygons.repair_sentences(found.mended, feedback.REPAIRS) == [
        "3 features without id were matched by their outline"
    ]


def test_the_class_tells_apart_polygons_that_lie_on_each_other(tmp_path: Path) -> None:
    known = {"1": Predicted(SHAPES[0], "building"), "2": Predicted(SHAPES[0], "road")}
    path = say(tmp_path / "j.geojson", (SHAPES[0], {"class": "Road", "verdict": "accepted"}))

    found = feedback.read(path, {}, known, CLASSES)

    assert [name for _, name in found.labels] == ["road"]
    assert len(found.open) == 1


def test_a_class_may_be_corrected_without_an_id(tmp_path: Path) -> None:
    path = say(tmp_path / "j.geojson", lost(1, "corrected", **{"class": "road"}))

    assert [name for _, name in feedback.read(path, {}, KNOWN, CLASSES).labels] == ["road"]


@pytest.mark.parametrize(
    ("shape", "properties", "message"),
    [
        (
            shapely.box(50, 20, 50.004, 20.004),
            {"verdict": "accepted"},
            "no predicted polygon has",
        ),
        (
            SHAPES[0],
            {"verdict": "accepted", "class": "road"},
            "no predicted polygon has",
        ),
        (
            shapely.affinity.scale(SHAPES[0], 0.98),
            {"verdict": "corrected"},
            "what is new the verdict added",
        ),
        (SHAPES[0], {"verdict": "rejected"}, r"its outline is that of 2 polygons \(ids 1, 5\)"),
        (None, {"verdict": "rejected"}, "feature 0 has no id"),
    ],
)
def test_polygons_without_ids_that_match_none_or_several_are_refused_by_name(
    tmp_path: Path, shape: Any, properties: dict[str, Any], message: str
) -> None:
    known = {**KNOWN, "5": Predicted(SHAPES[0], "building")}

    with pytest.raises(InvalidFeedback, match=message):
        feedback.read(say(tmp_path / "j.geojson", (shape, properties)), {}, known, CLASSES)
