"""Files of features."""

from pathlib import Path

import numpy as np
import orjson
import pyogrio
import pytest
import shapely

from fair_models.errors import Unavailable
from fair_models.inference.features import Features, none
from fair_models.inference.writers import write_geojson

CLASSES = ["background", "building", "well"]


def features() -> Features:
    return Features(
        np.array([shapely.box(85.0, 27.0, 85.001, 27.001), shapely.Point(85.5, 27.5)], dtype=object),
        np.array([1, 2]),
        np.array([0.912345, 1.0]),
        np.array([1234.5678, 0.0]),
        np.array(["OAM-1-2-19", "OAM-1-3-19"], dtype=object),
    )


def test_geojson_holds_what_was_found(tmp_path: Path) -> None:
    write_geojson(features(), CLASSES, tmp_path / "out.geojson")

    document = orjson.loads((tmp_path / "out.geojson").read_bytes())
    assert [feature["id"] for feature in document["features"]] == [1, 2]
    assert document["features"][0]["properties"] == {
        "class": "building",
        "confidence": 0.9123,
        "area_m2": 1234.57,
        "source": "OAM-1-2-19",
    }
    assert document["features"][1]["geometry"] == {"type": "Point", "coordinates": [85.5, 27.5]}


def test_other_readers_open_it_in_degrees(tmp_path: Path) -> None:
    write_geojson(features().select(np.array([0])), CLASSES, tmp_path / "out.geojson")

    meta, _, geometry, _ = pyogrio.raw.read(tmp_path / "out.geojson")

    assert meta["crs"] == "EPSG:4326"
    assert shapely.from_wkb(geometry)[0].equals(shapely.box(85.0, 27.0, 85.001, 27.001))


def test_no_features_are_an_empty_collection(tmp_path: Path) -> None:
    write_geojson(none(), CLASSES, tmp_path / "out.geojson")

    assert orjson.loads((tmp_path / "out.geojson").read_bytes()) == {
        "type": "FeatureCollection",
        "features": [],
    }


def test_thousands_of_features_are_one_collection_with_ids_that_go_on(tmp_path: Path) -> None:
    many = features().select(np.tile([0, 1], 1100))

    write_geojson(many, CLASSES, tmp_path / "out.geojson")

    document = orjson.loads((tmp_path / "out.geojson").read_bytes())
    assert [feature["id"] for feature in document["features"]] == list(range(1, 2201))


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out.geojson").mkdir()

    with pytest.raises(Unavailable, match=r"out\.geojson"):
        write_geojson(features(), CLASSES, tmp_path / "out.geojson")

    assert [path.name for path in tmp_path.iterdir()] == ["out.geojson"]
