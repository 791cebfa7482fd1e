"""Neighbours that share a wall stay two objects, whichever way their labels go."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from fair_models.data import dataset_slice, feedback
from fair_models.data.dataset_slice import SliceCriteria
from fair_models.data.images import chips
from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import to_lonlat
from fair_models.data.lost_ids import Predicted
from fair_models.data.samples import IGNORE
from fair_models.data.splits import Split
from fair_models.data.vectors import instances, labels
from fair_models.data.vectors.labels import CLASS_PROPERTY, Labels
from tests.data.messy import png_without_place

CLASSES = ["background", "building"]


@pytest.fixture
def chip(tmp_path: Path) -> Chip:
    return chips.describe(png_without_place(tmp_path))


@pytest.fixture
def walls(chip: Chip) -> tuple[shapely.Polygon, shapely.Polygon]:
    """Two houses side by side, of 20 x 30 px."""
    columns, rows = np.array([50, 70, 90, 50, 50]), np.array([40, 40, 40, 70, 70])
    longitude, latitude = to_lonlat(chip.crs, *chip.grid.places(columns, rows))
    (west, wall, east), (north, south) = longitude[:3], latitude[2:4]
    return shapely.box(west, south, wall, north), shapely.box(wall, south, east, north)


def assert_are_two(known: Labels, chip: Chip) -> None:
    mask = labels.rasterise(known, chip.transform, chip.height, chip.width, chip.crs, CLASSES, IGNORE)
    numbers = instances.number(known, chip.grid, mask, CLASSES)

    assert np.bincount(numbers.ravel())[1:].tolist() == [600, 600]
    assert numbers[50, 69] != numbers[50, 70]


def test_through_a_slice(chip: Chip, walls: tuple[shapely.Polygon, ...], tmp_path: Path) -> None:
    known = Labels(np.array(walls, dtype=object), ["building"] * 2, [{}, {}])
    split = Split("area", 0.5, 0.0, 0, "south", (chip.name,), (), ())

    part = dataset_slice.cut([chip], known, split, ["building"], SliceCriteria(classes=["building"]))
    labels.write(part.labels, tmp_path / "labels.geojson")

    assert part.class_counts["train"] == {"building": 2}
    assert_are_two(labels.read_stored(tmp_path / "labels.geojson", ["building"]), chip)


@pytest.mark.parametrize("verdicts", [("accepted", "accepted"), ("added", "corrected")])
def test_through_feedback(
    chip: Chip, walls: tuple[shapely.Polygon, ...], tmp_path: Path, verdicts: tuple[str, str]
) -> None:
    predicted = {str(at): Predicted(wall, "building") for at, wall in enumerate(walls)}
    said: list[Any] = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(wall),
            "properties": {"verdict": verdict, **({} if verdict == "added" else {"id": str(at)})},
        }
        for at, (wall, verdict) in enumerate(zip(walls, verdicts, strict=True))
    ]
    path = tmp_path / "feedback.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": said}))

    found = feedback.read(path, {}, predicted, ["building"])
    feedback.write_labels(found, tmp_path / "labels.geojson")

    known = labels.read(tmp_path / "labels.geojson", ["building"], CLASS_PROPERTY)
    assert_are_two(known, chip)


def test_through_the_pieces_of_a_polygon_that_somebody_split(
    chip: Chip, walls: tuple[shapely.Polygon, ...], tmp_path: Path
) -> None:
    predicted = {"7": Predicted(shapely.union_all(walls), "building")}
    said = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(wall),
            "properties": {"verdict": "corrected", "id": "7"},
        }
        for wall in walls
    ]
    path = tmp_path / "feedback.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": said}))

    feedback.write_labels(feedback.read(path, {}, predicted, ["building"]), tmp_path / "labels.geojson")

    assert_are_two(labels.read(tmp_path / "labels.geojson", ["building"], CLASS_PROPERTY), chip)
