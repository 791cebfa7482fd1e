"""Datasets for other tools: what was written is read back to the same labels, where the format says them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import shapely
from pystac import Item
from rasterio import Affine
from typer.testing import CliRunner

from fair_models.catalog.items import assets
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.cli.app import app
from fair_models.data.exports.formats import FORMATS, UNKNOWN
from fair_models.data.images import chips
from fair_models.data.images.chips import Chip
from fair_models.data.splits import Split
from fair_models.data.synthetic import make_settlement
from fair_models.data.vectors import labels
from fair_models.errors import Conflict, Invalid, NotFound
from fair_models.params import IngestDatasetParams, SliceDatasetParams
from fair_models.publishing import slices
from fair_models.publishing.datasets import ingest
from fair_models.publishing.exports import ExportedDataset, export_dataset
from fair_models.store.archive import unpack
from fair_models.store.local import LocalStore
from fair_models.types import Mask

CLASSES = ("building", "road", "tree")
SIZE_PX = 64


@pytest.fixture
def town(tmp_path: Path, catalog: LocalCatalog, store: LocalStore) -> Item:
    """Buildings and roads on eight chips, one building with a courtyard; trees are not asked for."""
    folder = make_settlement(
        tmp_path / "town", seed=3, columns=4, rows=2, size_px=SIZE_PX, prediction_columns=0, classes=CLASSES
    )
    path = folder / "input" / "labels.geojson"
    document = orjson.loads(path.read_bytes())
    houses = [each for each in document["features"] if each["properties"]["class"] == "building"]
    largest = max(houses, key=lambda each: shapely.geometry.shape(each["geometry"]).area)
    outline = shapely.geometry.shape(largest["geometry"])
    court = shapely.affinity.scale(outline.envelope, 0.3, 0.3).intersection(outline)
    largest["geometry"] = shapely.geometry.mapping(outline.difference(court))
    path.write_bytes(orjson.dumps(document))
    params = {"name": "town", "title": "Town", "chips": str(folder), "provider": "The mappers"}
    asked = {"classes": list(CLASSES[:2]), "class_property": "class", "license": "ODbL-1.0"}
    return ingest(IngestDatasetParams.model_validate(params | asked), catalog, store)


@pytest.fixture
def export(town: Item, tmp_path: Path, catalog: LocalCatalog, store: LocalStore) -> Any:
    def call(form: str) -> ExportedDataset:
        return export_dataset("town", tmp_path / "out" / form, form, catalog, store)

    return call


def again(made: ExportedDataset, catalog: LocalCatalog, store: LocalStore) -> Item:
    """What the command says that an export is read back with."""
    words = shlex.split(made.ingest)
    folder = words[3]
    assert words[:3] == ["fair-models", "ingest", "town"]
    options = [(words[at], words[at + 1]) for at in range(4, len(words), 2)]
    asked: dict[str, Any] = {"classes": [value for key, value in options if key == "--class"]}
    for key, value in options:
        if key == "--labels":
            asked["labels"] = str(made.folder / value)
        elif key == "--class-property":
            asked["class_property"] = value
    params = {"name": "again", "title": "Again", "chips": str(made.folder / folder), "license": "ODbL-1.0"}
    return ingest(IngestDatasetParams.model_validate(params | asked), catalog, store)


def drawn(item: Item, store: LocalStore, folder: Path) -> dict[str, Mask]:
    """Class of each pixel of a dataset, by chip."""
    data = DatasetItem(item)
    unpack(store.fetch(*data.file(assets.CHIPS)), folder)
    known = labels.read_stored(store.fetch(*data.file(assets.LABELS)), data.classes)
    return {chip.name: masked(known, chip, data.classes) for chip in chips.find(folder)}


def masked(known: labels.Labels, chip: Chip, classes: list[str]) -> Mask:
    names = [labels.BACKGROUND, *classes]
    return labels.rasterise(known, chip.transform, chip.height, chip.width, chip.crs, names, UNKNOWN)


def stored(item: Item, store: LocalStore) -> labels.Labels:
    data = DatasetItem(item)
    return labels.read_stored(store.fetch(*data.file(assets.LABELS)), data.classes)


@pytest.mark.parametrize("form", ["fair", "coco", "masks"])
def test_what_is_exported_is_read_back_to_the_same_pixels(
    form: str, export: Any, town: Item, tmp_path: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    made = again(export(form), catalog, store)

    before, after = (drawn(item, store, tmp_path / item.id) for item in (town, made))
    assert before.keys() == after.keys()
    assert {0, 1, 2, UNKNOWN} <= set(np.unique(np.stack(list(before.values()))).tolist())
    for name, mask in before.items():
        np.testing.assert_array_equal(mask, after[name], err_msg=name)
    assert made.properties["fair:chip_count"] == 8


def test_the_layout_of_fair_keeps_labels_and_chips_byte_for_byte(
    export: Any, town: Item, catalog: LocalCatalog, store: LocalStore
) -> None:
    made = export("fair")

    data = DatasetItem(town)
    assert (made.folder / "input" / "labels.geojson").read_bytes() == store.fetch(
        *data.file(assets.LABELS)
    ).read_bytes()
    assert Split.read(made.folder / "split.json") == Split.read(store.fetch(*data.file(assets.SPLIT)))
    back = again(made, catalog, store)
    assert stored(back, store).outlines.tolist() == stored(town, store).outlines.tolist()
    assert back.properties["fair:class_counts"] == town.properties["fair:class_counts"]


def test_coco_has_an_outline_for_each_label_on_each_chip(
    export: Any, town: Item, catalog: LocalCatalog, store: LocalStore
) -> None:
    made = export("coco")

    document = orjson.loads((made.folder / "annotations.coco.json").read_bytes())
    objects = [each for each in document["annotations"] if not each["iscrowd"]]
    assert len(objects) == sum(made.export.labels.values())
    assert sum(isinstance(each["segmentation"], dict) for each in objects) >= 1  # with a courtyard
    assert all(isinstance(each["segmentation"], dict) for each in document["annotations"] if each["iscrowd"])
    assert [each["name"] for each in document["categories"]] == ["building", "road"]
    assert {image["file_name"] for image in document["images"]} <= {
        path.name for path in (made.folder / "images").iterdir()
    }
    known = stored(town, store)
    touching = 0
    for chip in chips.find(made.folder / "images"):
        touching += len(known.touching(chip.grid))
    assert len(objects) == touching
    assert "labels that lie on several chips" in made.export.notes[0]
    assert len(stored(again(made, catalog, store), store)) == touching


def test_masks_lie_where_their_chips_lie_and_tell_connected_regions_alone(
    export: Any, catalog: LocalCatalog, store: LocalStore
) -> None:
    import rasterio

    made = export("masks")

    for chip in chips.find(made.folder / "images"):
        with rasterio.open(made.folder / "masks" / f"{chip.name}.tif") as mask:
            assert mask.shape == (chip.height, chip.width)
            assert tuple(mask.transform)[:6] == pytest.approx(chip.transform)
            assert mask.crs == rasterio.CRS.from_user_input(chip.crs)
    assert "a mask tells no objects apart" in made.export.notes[-1]
    assert DatasetItem(again(made, catalog, store)).has_connected_objects


def yolo(made: ExportedDataset, side: str) -> dict[str, list[tuple[int, np.ndarray]]]:
    return {
        path.stem: [
            (int(words[0]), np.array(words[1:], float).reshape(-1, 2) * SIZE_PX)
            for words in map(str.split, path.read_text().splitlines())
        ]
        for path in (made.folder / "labels" / side).iterdir()
    }


def test_yolo_has_the_outlines_of_both_sides_and_says_that_holes_are_filled(
    export: Any, town: Item, store: LocalStore
) -> None:
    made = export("yolo-segmentation")

    split = Split.read(store.fetch(*DatasetItem(town).file(assets.SPLIT)))
    known = stored(town, store)
    whole = shapely.box(0, 0, SIZE_PX, SIZE_PX)
    for side, names in (("train", split.train), ("val", split.held_out)):
        found = yolo(made, side)
        assert set(found) == set(names)
        described = {chip.name: chip for chip in chips.find(made.folder / "images" / side)}
        assert set(described) == set(names)
        for name, lines in found.items():
            chip = described[name]
            placed, _ = known.around(chip.grid)
            (a, b, c, d, e, f) = chip.transform
            backward = tuple((~Affine(a, b, c, d, e, f)).to_shapely())
            for number, class_name in enumerate(["building", "road"]):
                shapes = [
                    shapely.Polygon(part.exterior)
                    for at in known.touching(chip.grid)
                    if known.names[at] == class_name
                    for part in shapely.get_parts(
                        [shapely.affinity.affine_transform(placed[at], backward).intersection(whole)]
                    )
                ]
                wanted = shapely.union_all(shapes)
                got = shapely.union_all(
                    [shapely.Polygon(corners).buffer(0) for index, corners in lines if index == number]
                )
                assert got.symmetric_difference(wanted).area < 1e-3 * max(1, wanted.area)
    assert "labels with holes" in " ".join(made.export.notes)
    assert "counts neither way" in " ".join(made.export.notes)
    assert (made.folder / "data.yaml").read_text().endswith("names:\n  0: building\n  1: road\n")
    assert made.ingest == ""


def test_yolo_has_boxes_around_the_same_outlines(export: Any) -> None:
    outlines, boxes = export("yolo-segmentation"), export("yolo-detection")

    for name, lines in yolo(outlines, "train").items():
        for (number, corners), (same, (middle, size)) in zip(lines, yolo(boxes, "train")[name], strict=True):
            assert number == same
            low, high = corners.min(axis=0), corners.max(axis=0)
            np.testing.assert_allclose((middle, size), ((low + high) / 2, high - low), atol=1e-3)


@pytest.mark.parametrize("form", FORMATS)
def test_each_export_says_what_it_is_and_under_which_terms(export: Any, form: str) -> None:
    about = (export(form).folder / "README.md").read_text()

    assert "Dataset town-v1" in about
    assert "- Licence: ODbL-1.0\n- By: The mappers" in about


def test_a_slice_is_exported_with_its_own_chips_alone(
    town: Item, tmp_path: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    west, south, east, north = town.bbox
    area = f"{west},{south},{(west + east) / 2},{north}"
    part = slices.publish_slice(
        SliceDatasetParams(dataset="town", name="west", area=area), catalog, store
    ).properties["fair:chip_count"]

    made = export_dataset("west", tmp_path / "west", "coco", catalog, store)
    assert 0 < made.export.chips == part < 8
    assert len(list((made.folder / "images").glob("*.tif"))) == part


def test_what_cannot_be_exported_is_refused_and_nothing_written(
    export: Any, tmp_path: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("x")
    with pytest.raises(Conflict, match="is not empty"):
        export_dataset("town", full, "coco", catalog, store)
    with pytest.raises(Invalid, match="There is no format voc; there are fair, coco"):
        export("voc")
    with pytest.raises(NotFound):
        export_dataset("village", tmp_path / "out", "coco", catalog, store)
    assert [path.name for path in full.iterdir()] == ["mine.txt"]
    assert not (tmp_path / "out").exists()


def test_the_command_tells_how_an_export_is_read_back(
    town: Item, tmp_path: Path, catalog: LocalCatalog, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fair_models.catalog.opening.open_catalog", lambda settings: catalog)
    monkeypatch.setattr("fair_models.store.opening.open_store", lambda settings: store)
    asked = ["export-dataset", "town", str(tmp_path / "out"), "--format", "masks"]

    ran = CliRunner().invoke(app, [*asked, "--json"])
    assert ran.exit_code == 0, ran.output
    said = orjson.loads(ran.stdout)
    assert said["ingest"] == (
        "fair-models ingest town images --labels masks --class building=1 --class road=2"
    )
    assert (said["item"], said["chips"]) == ("town-v1", 8)
    assert CliRunner().invoke(app, asked).exit_code != 0
