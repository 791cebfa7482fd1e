"""The next version of a dataset says what is new in it: labels, chips, and sides of the split."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import rasterio
import shapely
from pystac import Item

from fair_models.catalog import validation
from fair_models.catalog.changes import transitions
from fair_models.catalog.items import assets
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.synthetic import make_settlement
from fair_models.params import (
    CollectFeedbackParams,
    IngestDatasetParams,
    RetireParams,
    SliceDatasetParams,
)
from fair_models.publishing.datasets import ingest
from fair_models.publishing.feedback import collect
from fair_models.publishing.retire import retire
from fair_models.publishing.slices import publish_slice
from fair_models.reports import cards
from fair_models.store.local import LocalStore
from tests.catalog.item_factory import base_item
from tests.publishing import feedback_files
from tests.publishing.memory_ledger import MemoryLedger

Json = dict[str, Any]
Ingest = Callable[..., Item]
MODEL = "roofs-unet-v1"


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    return make_settlement(folder, seed=3, columns=4, rows=2, size_px=64, prediction_columns=0)


@pytest.fixture
def town(drawn: Path, tmp_path: Path) -> Path:
    """Eight chips and labels that a test may change."""
    return Path(shutil.copytree(drawn, tmp_path / "town"))


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def publish(town: Path, catalog: LocalCatalog, store: LocalStore, notes: list[str]) -> Ingest:
    def call(**fields: Any) -> Item:
        params = {"name": "town", "title": "Town", "chips": str(town), "license": "ODbL-1.0", **fields}
        return ingest(IngestDatasetParams(**params), catalog, store, note=notes.append)

    return call


def edit_labels(town: Path, change: Callable[[list[Json]], list[Json]]) -> None:
    path = town / "input" / "labels.geojson"
    document = orjson.loads(path.read_bytes())
    document["features"] = change(document["features"])
    path.write_bytes(orjson.dumps(document))


def paint(path: Path, value: int) -> None:
    """Other pixels in the same place."""
    with rasterio.open(path) as opened:
        profile, pixels = opened.profile, opened.read()
    pixels[:, :20, :20] = value
    with rasterio.open(path, "w", **profile) as opened:
        opened.write(pixels)


def tiffs(town: Path) -> list[Path]:
    return sorted((town / "input").glob("*.tif"))


def counts(item: Item) -> Json:
    """What `fair:changes` says, without zeros and without what is unchanged."""
    said = item.properties["fair:changes"]
    return {
        part: {name: count for name, count in said[part].items() if count and name != "unchanged"}
        for part in ("labels", "chips", "split")
    }


def test_the_first_version_says_nothing_of_changes(publish: Ingest, notes: list[str]) -> None:
    item = publish()

    assert "fair:changes" not in item.properties
    assert "changes" not in item.assets
    assert not [note for note in notes if "since" in note]


def test_labels_that_people_changed_are_counted_and_listed(
    publish: Ingest, town: Path, store: LocalStore, notes: list[str]
) -> None:
    publish()

    def changed(features: list[Json]) -> list[Json]:
        moved = shapely.from_geojson(orjson.dumps(features[5]["geometry"]))
        west, _, east, _ = moved.bounds
        further = shapely.transform(moved, lambda places: places + np.array([(east - west) * 0.1, 0]))
        features[5]["geometry"] = shapely.geometry.mapping(further)
        return features[1:]

    edit_labels(town, changed)
    item = publish()

    assert item.id == "town-v2"
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    assert item.properties["fair:changes"]["since"] == "town-v1"
    assert counts(item) == {"labels": {"removed": 1, "moved": 1}, "chips": {}, "split": {}}
    asset = item.assets["changes"]
    listed = orjson.loads(store.fetch(asset.href, asset.extra_fields["file:checksum"]).read_bytes())
    assert listed["since"] == "town-v1"
    assert [len(listed["labels"][kind]) for kind in ("removed", "moved", "added")] == [1, 1, 0]
    assert 0.5 < listed["labels"]["moved"][0]["iou"] < 1
    assert "Labels since town-v1: 1 removed, 1 moved or with another outline" in notes


def test_the_same_again_is_no_new_version_and_keeps_its_history(publish: Ingest, town: Path) -> None:
    publish()
    edit_labels(town, lambda features: features[1:])
    second = publish()

    again = publish()

    assert again.id == second.id == "town-v2"
    assert again.properties["fair:changes"] == second.properties["fair:changes"]


def test_newer_imagery_is_told_by_pixels(publish: Ingest, town: Path, notes: list[str]) -> None:
    publish()
    paint(tiffs(town)[0], 90)

    item = publish()

    assert counts(item) == {"labels": {}, "chips": {"changed": 1}, "split": {}}
    assert "Chips since town-v1: 1 with other pixels" in notes


def test_the_same_pixels_in_another_file_are_no_change(publish: Ingest, town: Path) -> None:
    publish()
    path = tiffs(town)[0]
    with rasterio.open(path) as opened:
        profile, pixels = opened.profile, opened.read()
    profile.update(compress="deflate", photometric="RGB")
    with rasterio.open(path, "w", **profile) as opened:
        opened.write(pixels)

    item = publish()

    assert item.id == "town-v2"
    assert counts(item) == {"labels": {}, "chips": {}, "split": {}}
    assert "changes" not in item.assets


def test_chips_that_went_take_their_labels_along(publish: Ingest, town: Path, notes: list[str]) -> None:
    publish()
    gone = tiffs(town)[0]
    for path in (town / "input").glob(f"{gone.stem}.*"):
        path.unlink()

    item = publish()

    found = counts(item)
    assert found["chips"] == {"removed": 1}
    assert 0 < found["labels"]["removed_with_chips"] <= found["labels"]["removed"]
    assert any("lay on chips that are no more" in note for note in notes)


def test_chips_that_were_held_out_and_train_now_are_told(publish: Ingest, notes: list[str]) -> None:
    publish(seed=0)

    item = publish(seed=2)

    found = counts(item)["split"]
    assert found["held_out_to_train"] == found["train_to_held_out"] > 0
    assert any("held out in town-v1, used for training now" in note for note in notes)
    assert any("models that were trained on town-v1 have learnt from them" in note for note in notes)


def test_other_words_alone_change_no_data(publish: Ingest, notes: list[str]) -> None:
    publish()

    item = publish(title="Another title")

    assert item.id == "town-v2"
    assert counts(item) == {"labels": {}, "chips": {}, "split": {}}
    assert not [note for note in notes if "since" in note]


def test_a_dry_run_says_the_same_and_changes_nothing(
    publish: Ingest, town: Path, catalog: LocalCatalog, notes: list[str]
) -> None:
    publish()
    edit_labels(town, lambda features: features[1:])

    item = publish(dry_run=True)

    assert counts(item)["labels"] == {"removed": 1}
    assert [each.id for each in catalog.search("datasets", name="town")] == ["town-v1"]


def test_where_all_versions_are_archived_the_newest_is_compared_with(
    publish: Ingest, town: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    publish()
    retire(RetireParams(name="town", collection="datasets"), catalog, store, MemoryLedger())
    edit_labels(town, lambda features: features[1:])

    assert publish().properties["fair:changes"]["since"] == "town-v1"


def test_files_that_are_gone_are_told_and_stop_nothing(
    publish: Ingest, town: Path, store: LocalStore, notes: list[str]
) -> None:
    first = publish()
    store.fetch(*assets.file_ref(first, "split")).unlink()
    edit_labels(town, lambda features: features[1:])

    item = publish()

    assert item.id == "town-v2"
    assert "fair:changes" not in item.properties
    assert any("What is new since town-v1 cannot be told" in note for note in notes)


def test_feedback_on_a_prediction_and_new_labels_are_one_history(
    publish: Ingest, drawn: Path, catalog: LocalCatalog, store: LocalStore, tmp_path: Path, notes: list[str]
) -> None:
    transitions.publish(catalog, base_item())
    publish()
    prediction = feedback_files.predict(drawn, tmp_path / "predicted", MODEL)
    count = len(orjson.loads((drawn / "input" / "labels.geojson").read_bytes())["features"])

    def judged(**verdicts: str) -> Item:
        said = {
            **dict.fromkeys(range(1, count + 1), "accepted"),
            **{int(key[1:]): each for key, each in verdicts.items()},
        }
        file = feedback_files.say(drawn, tmp_path / "feedback.geojson", said)
        wish = CollectFeedbackParams(prediction=str(prediction), feedback=str(file), dataset="town")
        return collect(wish, catalog, store, note=notes.append)

    second = judged(n1="rejected")
    third = judged(n1="rejected", n2="rejected", n3="rejected")

    assert (second.id, second.properties["fair:changes"]["since"]) == ("town-v2", "town-v1")
    assert counts(second)["labels"] == {"removed": 1}
    assert (third.id, third.properties["fair:changes"]["since"]) == ("town-v3", "town-v2")
    assert counts(third) == {"labels": {"removed": 2}, "chips": {}, "split": {}}
    assert judged(n1="rejected", n2="rejected", n3="rejected").id == "town-v3"


def test_the_next_version_of_a_slice_says_what_is_new_in_the_slice(
    publish: Ingest, town: Path, catalog: LocalCatalog, store: LocalStore, notes: list[str]
) -> None:
    whole = publish()
    west, south, east, north = whole.bbox or []
    everything = SliceDatasetParams(
        dataset="town", name="part", area=f"{west - 0.01},{south - 0.01},{east + 0.01},{north + 0.01}"
    )
    first = publish_slice(everything, catalog, store, note=notes.append)
    edit_labels(town, lambda features: features[1:])
    publish()

    second = publish_slice(everything, catalog, store, note=notes.append)

    assert "fair:changes" not in first.properties
    assert second.properties["fair:changes"]["since"] == "part-v1"
    assert counts(second)["labels"] == {"removed": 1}
    assert validation.problems(second.to_dict(transform_hrefs=False)) == []
    assert publish_slice(everything, catalog, store).id == "part-v2"


def test_a_narrower_slice_says_which_chips_are_no_more_in_it(
    publish: Ingest, catalog: LocalCatalog, store: LocalStore
) -> None:
    west, south, east, north = publish(seed=1, held_out_ratio=0.5).bbox or []
    boxes = (f"{west},{south},{east},{north}", f"{west},{south},{west + 0.75 * (east - west)},{north}")

    _, second = (
        publish_slice(SliceDatasetParams(dataset="town", name="part", area=box), catalog, store)
        for box in boxes
    )

    found = counts(second)
    assert found["chips"] == {"removed": 2}
    assert found["labels"]["removed_with_chips"] > 0


def test_captions_are_told_image_by_image(publish: Ingest, town: Path) -> None:
    publish(name="sentences", captions="from-labels")
    edit_labels(town, lambda features: features[:1])
    paint(tiffs(town)[0], 90)

    item = publish(name="sentences", captions="from-labels")

    found = counts(item)
    assert found["labels"] == {}
    assert found["chips"]["captions"] > 0
    assert found["chips"]["changed"] == 1


def test_the_card_of_a_dataset_says_what_is_new(publish: Ingest, town: Path) -> None:
    publish()
    edit_labels(town, lambda features: features[1:])

    card = cards.of_dataset(publish())

    assert "Labels since town-v1: 1 removed" in card.markdown


def test_pixels_are_compared_by_the_rules_of_each_version(publish: Ingest, town: Path) -> None:
    for path in tiffs(town):
        with rasterio.open(path) as opened:
            profile, pixels = opened.profile, opened.read()
        pixels[:, :20] = 255
        with rasterio.open(path, "w", **profile) as opened:
            opened.write(pixels)
    publish()

    item = publish(fill="kept")

    assert counts(item)["chips"] == {"changed": len(tiffs(town))}
