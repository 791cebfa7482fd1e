"""Areas as what was looked at: nothing counts outside of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from fair_models.data import chip_samples
from fair_models.data.chip_samples import LoadedSamples
from fair_models.data.dataset_check import PreparedDataset
from fair_models.data.images import chips, footprint
from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import LONLAT, Grid, reproject
from fair_models.data.ingest import prepare
from fair_models.data.samples import IGNORE
from fair_models.data.splits import Split
from fair_models.data.synthetic import make_settlement
from fair_models.data.vectors import labels, mapped_area
from fair_models.data.vectors.labels import Labels
from fair_models.errors import InvalidImagery, InvalidLabels
from fair_models.ml_tasks.detection import evaluation
from fair_models.ml_tasks.detection import targets as detection
from fair_models.ml_tasks.registry import targets_for
from fair_models.params import IngestDatasetParams
from fair_models.store.archive import unpack

CLASSES = ["background", "building"]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 x 3 chips of 64 px."""
    folder = tmp_path_factory.mktemp("town")
    return make_settlement(folder, seed=5, columns=4, rows=3, size_px=64, prediction_columns=0)


@pytest.fixture(scope="module")
def area(town: Path) -> shapely.Polygon:
    """A slanted part of the western three columns, without a hole in its middle."""
    west, south, east, north = footprint.of(chips.find(town / "input")).bounds
    width, height = (east - west) / 4, (north - south) / 3
    outer = [
        (west + 0.2 * width, south + 0.2 * height),
        (west + 2.6 * width, south + 0.1 * height),
        (west + 2.9 * width, north - 0.3 * height),
        (west + 0.4 * width, north - 0.2 * height),
    ]
    middle = shapely.Point(west + 1.5 * width, south + 1.5 * height)
    return shapely.Polygon(outer, [middle.buffer(0.4 * height).exterior.coords])


def ingest(town: Path, work: Path, area: shapely.Polygon | None, **more: object) -> PreparedDataset:
    given = {"name": "town", "title": "Town", "chips": str(town), "held_out_ratio": 0.3, **more}
    return prepare(IngestDatasetParams.model_validate(given), work, area=area)


def load(prepared: PreparedDataset, folder: Path, task: str = "semantic-segmentation") -> LoadedSamples:
    unpack(prepared.chips, folder)
    split = Split.read(prepared.split)
    return chip_samples.load_samples(
        folder, prepared.labels, split, CLASSES, 128, 1.05, "average", targets_for(task), rules=prepared.rules
    )


def stored(prepared: PreparedDataset) -> Labels:
    return labels.read_stored(prepared.labels, CLASSES[1:])


def in_area(grid: Grid, area: shapely.Polygon) -> np.ndarray:
    """Which pixels have their middle in an area, by the place of each."""
    rows, columns = np.mgrid[: grid.height, : grid.width] + 0.5
    places = reproject(grid.crs, LONLAT, *grid.places(columns.ravel(), rows.ravel()))
    return shapely.contains_xy(area, *places).reshape(grid.height, grid.width)


def on(chip: Chip, known: Labels) -> np.ndarray:
    return labels.rasterise(known, chip.transform, chip.height, chip.width, chip.crs, CLASSES, IGNORE)


def test_each_pixel_outside_of_the_area_is_ignored_and_each_inside_is_what_it_was(
    town: Path, area: shapely.Polygon, tmp_path: Path
) -> None:
    whole, part = stored(ingest(town, tmp_path / "a", None)), stored(ingest(town, tmp_path / "b", area))

    found = mapped_area.chips_in(chips.find(town / "input"), area)
    assert len(found) == 9
    for chip in found:
        inside = in_area(chip.grid, area)
        mask = on(chip, part)
        assert (mask[~inside] == IGNORE).all()
        np.testing.assert_array_equal(mask[inside], on(chip, whole)[inside])


def test_samples_of_training_and_evaluation_ignore_what_lies_outside(
    town: Path, area: shapely.Polygon, tmp_path: Path
) -> None:
    prepared = ingest(town, tmp_path, area)
    samples = load(prepared, tmp_path / "chips")

    counted = sum(int((side.targets != IGNORE).sum()) for side in (samples.train, samples.held_out))
    inside = sum(int(in_area(chip.grid, area).sum()) for chip in chips.find(tmp_path / "chips"))
    assert counted == pytest.approx(inside, rel=0.01)
    for side in (samples.train, samples.held_out):
        assert side.instances is not None
        assert not side.instances[side.targets == IGNORE].any()
        assert side.instances.any()


def test_chips_and_labels_outside_are_left_out_and_counted(
    town: Path, area: shapely.Polygon, tmp_path: Path
) -> None:
    whole, part = ingest(town, tmp_path / "a", None), ingest(town, tmp_path / "b", area)

    assert part.chip_count == 9
    assert part.repairs["chips_outside_area"] == 3
    assert part.repairs["over_area_edge"] == 9
    gone = part.repairs["labels_outside_area"]
    assert gone == whole.label_counts["building"] - part.label_counts["building"] > 0
    assert "chips_outside_area" not in whole.repairs


def test_a_label_over_the_edge_stays_whole(town: Path, area: shapely.Polygon, tmp_path: Path) -> None:
    whole, part = stored(ingest(town, tmp_path / "a", None)), stored(ingest(town, tmp_path / "b", area))

    over = [each for each in whole.outlines if shapely.crosses(area.boundary, each)]
    assert over
    assert all(any(shapely.equals(each, other) for other in part.outlines) for each in over)


def test_labels_that_are_ingested_again_keep_what_was_not_looked_at(
    town: Path, area: shapely.Polygon, tmp_path: Path
) -> None:
    first = ingest(town, tmp_path / "a", area)
    again = ingest(town, tmp_path / "b", area, labels=str(first.labels), class_property="class")

    for chip in mapped_area.chips_in(chips.find(town / "input"), area):
        np.testing.assert_array_equal(on(chip, stored(again)), on(chip, stored(first)))
    assert again.repairs.get("other_class", 0) == 0


def test_detections_outside_count_neither_way_and_those_inside_do(
    town: Path, area: shapely.Polygon, tmp_path: Path
) -> None:
    known = stored(ingest(town, tmp_path, area))
    chip = next(
        each
        for each in mapped_area.chips_in(chips.find(town / "input"), area)
        if 0.3 < in_area(each.grid, area).mean() < 0.7
    )
    inside = in_area(chip.grid, area)
    target = detection.from_labels(known, chip.grid, CLASSES, np.ones_like(inside))

    places = detection.ignored(target)
    drawn = np.zeros_like(inside)
    for left, top, right, bottom in places.astype(int):
        assert not drawn[top:bottom, left:right].any()
        drawn[top:bottom, left:right] = True
    assert (drawn != inside).mean() > 0.9  # told in squares of 8 px of a chip of 64

    size = 10
    boxes = np.array(
        [(x, y, x + size, y + size) for y in range(0, 54, 6) for x in range(0, 54, 6)], np.float32
    )
    shares = np.array([inside[int(y) : int(y) + size, int(x) : int(x) + size].mean() for x, y, *_ in boxes])
    skipped = evaluation._on_ignored(boxes, places, np.empty((0, 4), np.float32))
    assert skipped[shares == 0].all()
    assert not skipped[shares == 1].any()
    assert (shares == 0).any()
    assert (shares == 1).any()


def test_an_area_without_chips_or_labels_is_refused_with_both_places(town: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidImagery, match=r"none of its 12 chips lies in the area.*correct the area"):
        ingest(town, tmp_path, shapely.box(85, 27, 85.1, 27.1))

    known = stored(ingest(town, tmp_path, None))
    west, south, east, north = footprint.of(chips.find(town / "input")).bounds
    free = shapely.box(west, south, east, north) - shapely.union_all(known.outlines).buffer(1e-6)
    with pytest.raises(InvalidLabels, match="lies in the area"):
        ingest(town, tmp_path, free)
