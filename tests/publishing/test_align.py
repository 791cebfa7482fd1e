"""Ingesting labels that lie beside the imagery, with and without moving them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import rasterio
from pydantic import ValidationError
from pystac import Item

from fair_models.catalog import validation
from fair_models.catalog.items import assets
from fair_models.catalog.items.dataset import REGISTRATION
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.images import chips
from fair_models.data.label_quality.alignment import EAST, NORTH
from fair_models.data.synthetic import make_settlement
from fair_models.errors import Invalid, InvalidLabels
from fair_models.params import IngestDatasetParams
from fair_models.publishing.datasets import ingest
from fair_models.store.local import LocalStore
from fair_models.types import DATASETS
from tests.data.label_quality.offsets import metres_between, read, write_beside

EAST_M, NORTH_M = 2.9, -1.4


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settlement")
    return make_settlement(folder, seed=3, columns=4, rows=3, prediction_columns=0) / "input"


@pytest.fixture
def chips_folder(drawn: Path, tmp_path: Path) -> Path:
    """Chips whose labels lie beside the roofs; `true.geojson` beside the folder has the right ones."""
    folder = Path(shutil.copytree(drawn, tmp_path / "input"))
    (folder / "labels.geojson").rename(tmp_path / "true.geojson")
    write_beside(tmp_path / "true.geojson", folder / "labels.geojson", EAST_M, NORTH_M)
    return folder


class Ingested:
    """Calls an ingest and keeps what it told."""

    def __init__(self, folder: Path, catalog: LocalCatalog, store: LocalStore) -> None:
        self.folder, self.catalog, self.store = folder, catalog, store
        self.notes: list[str] = []

    def __call__(self, **fields: Any) -> Item:
        self.notes = []
        named = {"chips": str(self.folder)} if "imagery" not in fields else {}
        params = IngestDatasetParams(**{"name": "town", "title": "Town", **named, **fields})
        return ingest(params, self.catalog, self.store, note=self.notes.append)

    @property
    def told(self) -> list[str]:
        return [each for each in self.notes if "imagery" in each and each.startswith("Labels l")]

    def labels(self, item: Item) -> list[Any]:
        return read(self.store.fetch(*assets.file_ref(item, "labels")))


@pytest.fixture
def publish(chips_folder: Path, catalog: LocalCatalog, store: LocalStore) -> Ingested:
    return Ingested(chips_folder, catalog, store)


def _off_m(found: list[Any], truth: Path) -> np.ndarray:
    """How far stored labels lie beside the right ones, metres east and north, shape (n, 2)."""
    right = {each["properties"]["id"]: each["geometry"] for each in read(truth)}
    return metres_between(
        np.array([each["geometry"] for each in found]),
        np.array([right[each["properties"]["id"]] for each in found]),
    )


def test_without_align_labels_stay_and_the_run_says_how_far_they_lie_beside_the_imagery(
    publish: Ingested, tmp_path: Path
):
    item = publish()

    said = item.properties[REGISTRATION]
    assert said["moved"] is False
    assert said["beside"] == said["certain"] == said["neighbourhoods"] > 1
    assert said["east_m"] == pytest.approx(EAST_M, abs=0.2)
    assert said["north_m"] == pytest.approx(NORTH_M, abs=0.2)
    assert "moved" not in item.properties["fair:repairs"]
    (note,) = publish.told
    assert note.startswith("Labels lie 2.")
    assert " m east and 1." in note
    assert note.endswith("ingest again with --align to move them")
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    found = publish.labels(item)
    assert np.allclose(_off_m(found, tmp_path / "true.geojson"), (EAST_M, NORTH_M), atol=0.01)
    assert not any(EAST in each["properties"] for each in found)


def test_with_align_labels_lie_on_the_roofs_and_say_by_how_much_they_were_moved(
    publish: Ingested, tmp_path: Path
):
    item = publish(align=True)

    assert item.properties[REGISTRATION]["moved"] is True
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    found = publish.labels(item)
    left_m = np.hypot(*_off_m(found, tmp_path / "true.geojson").T)
    assert left_m.max() < 0.3
    assert item.properties["fair:repairs"]["moved"] == len(found)
    assert {each["properties"][EAST] < -2.6 for each in found} == {True}
    assert {each["properties"][NORTH] > 1.1 for each in found} == {True}
    (note,) = publish.told
    assert note.startswith("Labels lay 2.")
    assert note.endswith("they were moved onto it")


def test_the_same_again_is_no_new_version_and_with_align_it_is_one(publish: Ingested, catalog: LocalCatalog):
    assert publish().id == "town-v1"
    assert publish(align=True).id == "town-v2"
    assert publish(align=True).id == "town-v2"
    assert [item.id for item in catalog.search(DATASETS, order="version")] == ["town-v1", "town-v2"]


def test_a_dry_run_shows_the_move_and_stores_nothing(publish: Ingested, catalog: LocalCatalog):
    item = publish(align=True, dry_run=True)

    assert item.properties[REGISTRATION]["moved"] is True
    assert item.properties["fair:repairs"]["moved"] > 0
    assert publish.told
    assert list(catalog.search(DATASETS)) == []


def test_labels_on_the_roofs_are_stored_as_they_are(publish: Ingested, tmp_path: Path):
    item = publish(labels=str(tmp_path / "true.geojson"), align=True)
    plain = publish(labels=str(tmp_path / "true.geojson"), name="plain")

    assert item.properties[REGISTRATION]["moved"] is False
    assert publish.told == []
    assert "moved" not in item.properties["fair:repairs"]
    assert [item.assets["labels"].extra_fields["file:checksum"]] == [
        plain.assets["labels"].extra_fields["file:checksum"]
    ]


def test_a_dataset_of_moved_labels_is_ingested_again_without_a_further_move(
    publish: Ingested, store: LocalStore, tmp_path: Path
):
    first = publish(align=True)
    again = publish(align=True, name="again", labels=str(store.fetch(*assets.file_ref(first, "labels"))))

    assert again.properties[REGISTRATION]["moved"] is False
    assert again.properties["fair:repairs"]["moved"] == first.properties["fair:repairs"]["moved"]
    assert np.hypot(*_off_m(publish.labels(again), tmp_path / "true.geojson").T).max() < 0.3


def test_an_area_is_not_moved(publish: Ingested, chips_folder: Path):
    found = chips.find(chips_folder)
    west, south, east, north = found[0].grid.footprint.union(found[-1].grid.footprint).bounds
    area = f"{west},{south},{(west + east) / 2 + 1e-4},{north}"
    with_align, without = publish(align=True, area=area), publish(area=area, name="still")

    grounds = [
        [
            each["geometry"]["coordinates"]
            for each in orjson.loads(publish.store.fetch(*assets.file_ref(item, "labels")).read_bytes())[
                "features"
            ]
            if each["properties"].get("outside_area")
        ]
        for item in (with_align, without)
    ]
    assert grounds[0]
    assert grounds[0] == grounds[1]
    assert with_align.properties[REGISTRATION]["moved"] is True


def test_labels_of_chips_cut_from_imagery_are_moved_too(
    publish: Ingested, chips_folder: Path, tmp_path: Path
):
    from rasterio.merge import merge

    files = sorted(chips_folder.glob("*.tif"))
    picture, transform = merge([str(path) for path in files])
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "crs": "EPSG:4326", "transform": transform}
    with rasterio.open(
        tmp_path / "whole.tif", "w", **profile, height=picture.shape[1], width=picture.shape[2]
    ) as file:
        file.write(picture)
    item = publish(
        imagery=str(tmp_path / "whole.tif"), labels=str(chips_folder / "labels.geojson"), align=True
    )

    assert item.properties[REGISTRATION]["moved"] is True
    assert np.median(np.hypot(*_off_m(publish.labels(item), tmp_path / "true.geojson").T)) < 0.3


def test_masks_are_refused_before_anything_is_read(publish: Ingested, tmp_path: Path):
    masks = tmp_path / "masks"
    masks.mkdir()

    with pytest.raises(InvalidLabels, match="masks are pixels of their chips"):
        publish(labels=str(masks), align=True)
    with pytest.raises(InvalidLabels, match="masks are pixels of their chips"):
        publish(imagery=str(tmp_path / "none.tif"), labels=str(masks), align=True)


@pytest.mark.parametrize("captions", ["given", "from-labels"])
def test_captions_are_refused(publish: Ingested, captions: str):
    with pytest.raises((ValidationError, Invalid), match="align: captions have no place"):
        publish(captions=captions, align=True)
