"""Ingesting: what becomes of chips and labels."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import rasterio
import shapely
from PIL import Image
from pystac import Item

from fair_models.catalog import validation
from fair_models.catalog.items import assets
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.splits import Split
from fair_models.data.synthetic import make_settlement
from fair_models.errors import Invalid, InvalidItem
from fair_models.params import IngestDatasetParams
from fair_models.publishing.datasets import ingest
from fair_models.store.local import LocalStore
from fair_models.types import DATASETS
from tests.data.vectors.osm.osm_files import TIME, OsmMap

Ingest = Any


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settlement")
    make_settlement(folder, seed=3, columns=4, rows=2, size_px=64, prediction_columns=0)
    return folder


@pytest.fixture
def settlement(drawn: Path, tmp_path: Path) -> Path:
    """Eight chips and labels in the layout that fAIr uses."""
    return Path(shutil.copytree(drawn, tmp_path / "settlement"))


@pytest.fixture
def publish(settlement: Path, catalog: LocalCatalog, store: LocalStore) -> Ingest:
    def call(**fields: Any) -> Item:
        params = {"name": "town", "title": "Town", "chips": str(settlement), **fields}
        return ingest(IngestDatasetParams(**params), catalog, store)

    return call


def ids(catalog: LocalCatalog) -> list[str]:
    return [item.id for item in catalog.search(DATASETS, order="version")]


def test_chips_and_labels_become_an_item_with_three_files(publish: Ingest, store: LocalStore) -> None:
    item = publish(source_imagery="https://example.org/mosaic.tif", provider="OpenStreetMap contributors")

    assert item.id == "town-v1"
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    said = item.properties
    assert said["fair:chip_count"] == 8
    assert said["fair:split_spec"]["train"] + said["fair:split_spec"]["held_out"] == 8
    assert said["providers"][0]["name"] == "OpenStreetMap contributors"
    assert item.get_single_link("source").href == "https://example.org/mosaic.tif"
    with zipfile.ZipFile(store.fetch(*assets.file_ref(item, "data"))) as archive:
        assert len([name for name in archive.namelist() if name.endswith((".tif", ".png"))]) == 8
    labels = orjson.loads(store.fetch(*assets.file_ref(item, "labels")).read_bytes())
    counted = sum(each["count"] for each in said["label:overviews"][0]["counts"])
    assert 0 < counted <= len(labels["features"])
    split = Split.read(store.fetch(*assets.file_ref(item, "split")))
    assert len(split.train) == said["fair:split_spec"]["train"]


def test_the_same_chips_and_labels_again_are_no_new_version(
    publish: Ingest, catalog: LocalCatalog, store: LocalStore
) -> None:
    first = publish()
    before = sorted(store.hrefs())

    assert publish().to_dict() == first.to_dict()
    assert ids(catalog) == ["town-v1"]
    assert sorted(store.hrefs()) == before


@pytest.mark.parametrize("fields", [{"title": "Village"}, {"held_out_ratio": 0.5}, {"license": "ODbL-1.0"}])
def test_other_facts_are_the_next_version(
    publish: Ingest, catalog: LocalCatalog, fields: dict[str, Any]
) -> None:
    publish()
    assert publish(**fields).id == "town-v2"
    assert ids(catalog) == ["town-v1", "town-v2"]


def test_another_label_is_the_next_version(publish: Ingest, settlement: Path) -> None:
    publish()
    path = settlement / "input" / "labels.geojson"
    labels = orjson.loads(path.read_bytes())
    labels["features"].pop()
    path.write_bytes(orjson.dumps(labels))

    assert publish().id == "town-v2"


def test_an_unknown_keyword_is_refused_and_nothing_is_stored(
    publish: Ingest, catalog: LocalCatalog, store: LocalStore
) -> None:
    with pytest.raises(InvalidItem, match="spaceship"):
        publish(keywords=["spaceship", "semantic-segmentation", "polygon"])
    assert ids(catalog) == []
    assert list(store.hrefs()) == []


def test_missing_chips_are_refused_and_nothing_is_stored(
    publish: Ingest, settlement: Path, catalog: LocalCatalog, store: LocalStore, home: Path
) -> None:
    for path in (settlement / "input").glob("OAM-*"):
        path.unlink()
    with pytest.raises(Invalid, match=r"chips|images"):
        publish()
    assert ids(catalog) == []
    assert list(store.hrefs()) == []
    assert [path for path in (home / "cache" / "work").iterdir() if path.is_dir()] == []


@pytest.mark.shared
def test_real_chips_and_labels_become_a_dataset(
    shared_data: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    params = IngestDatasetParams(name="banepa-buildings", title="Banepa", chips=str(shared_data))
    item = ingest(params, catalog, store)
    assert item.properties["fair:chip_count"] == 48
    assert item.properties["fair:class_counts"]["held_out"]["building"] > 100


def test_labels_that_no_class_means_are_noted_with_their_values_each_time(
    settlement: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    path = settlement / "input" / "labels.geojson"
    labels = orjson.loads(path.read_bytes())
    for each in labels["features"]:
        each["properties"] = {"kind": "building"}
    outlines = [shapely.geometry.shape(each["geometry"]) for each in labels["features"]]
    field = shapely.geometry.mapping(shapely.box(*shapely.total_bounds(outlines)))
    labels["features"].append({"type": "Feature", "properties": {"kind": "field"}, "geometry": field})
    path.write_bytes(orjson.dumps(labels))
    params = IngestDatasetParams(
        name="town", title="Town", chips=str(settlement), class_property="kind", license="ODbL-1.0"
    )
    notes: list[str] = []

    first = ingest(params, catalog, store, note=notes.append)
    again = ingest(params, catalog, store, note=notes.append)

    assert first.id == again.id == "town-v1"
    assert first.properties["fair:repairs"]["other_class"] == 1
    told, repeated = notes
    assert "most of them field (1)" in told
    assert "--class background=field" in told
    assert repeated == told


def test_labels_that_do_not_tell_objects_apart_are_noted(
    settlement: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    path = settlement / "input" / "labels.geojson"
    labels = orjson.loads(path.read_bytes())
    outlines = [shapely.geometry.shape(each["geometry"]) for each in labels["features"]]
    block = shapely.geometry.mapping(shapely.box(*shapely.total_bounds(outlines)).buffer(0.001))
    labels["features"] = [{"type": "Feature", "properties": {}, "geometry": block}]
    path.write_bytes(orjson.dumps(labels))
    params = IngestDatasetParams(name="town", title="Town", chips=str(settlement), license="ODbL-1.0")
    notes: list[str] = []

    ingest(params, catalog, store, note=notes.append)

    [note] = notes
    assert "labels of building do not tell objects apart" in note


def test_a_dataset_of_masks_says_that_its_objects_are_connected_pixels(
    settlement: Path, catalog: LocalCatalog, store: LocalStore, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for path in (settlement / "input").glob("*.tif"):
        with rasterio.open(path) as chip:
            values = np.zeros(chip.shape, np.uint8)
        values[5:20, 5:30] = 1
        Image.fromarray(values).save(masks / f"{path.stem}.png")
    params = IngestDatasetParams(
        name="town", title="Town", chips=str(settlement), labels=str(masks), license="ODbL-1.0"
    )
    notes: list[str] = []

    item = ingest(params, catalog, store, note=notes.append)

    assert item.properties["fair:instances"] == "connected"
    assert DatasetItem(item).has_connected_objects
    assert "connected pixels" in notes[0]
    town = ingest(params.model_copy(update={"labels": None}), catalog, store)
    assert not DatasetItem(town).has_connected_objects


def test_a_licence_that_nobody_chose_is_noted(
    settlement: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    notes: list[str] = []
    chosen = IngestDatasetParams(name="town", title="Town", chips=str(settlement), license="ODbL-1.0")
    by_default = IngestDatasetParams(name="town", title="Town", chips=str(settlement))

    ingest(chosen, catalog, store, note=notes.append)
    assert notes == []
    ingest(by_default, catalog, store, note=notes.append)
    [note] = notes
    assert "licence" in note
    assert "--license" in note


# Where chips and labels may lie


def allow(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_FOLDERS", orjson.dumps([str(folder) for folder in folders]).decode())


def test_chips_and_labels_may_be_named_by_file_urls_in_the_allowed_folders(
    publish: Ingest, settlement: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, settlement)
    labels = f"file://{settlement / 'input' / 'labels.geojson'}"
    assert publish(chips=f"file://{settlement}", labels=labels).id == "town-v1"


def test_chips_and_labels_outside_of_the_allowed_folders_are_refused(
    publish: Ingest, settlement: Path, tmp_path: Path, catalog: LocalCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / "labels.geojson"
    shutil.copy(settlement / "input" / "labels.geojson", labels)
    allow(monkeypatch, settlement)
    with pytest.raises(Invalid, match=r"labels\.geojson lies outside .* FAIR_ALLOWED_FOLDERS"):
        publish(labels=str(labels))
    allow(monkeypatch, tmp_path / "elsewhere")
    with pytest.raises(Invalid, match="settlement lies outside"):
        publish()
    assert ids(catalog) == []


@pytest.mark.parametrize("name", ["labels.geojson", "OAM-1-1-19.tif"])
def test_symlinks_among_the_chips_do_not_lead_out_of_the_allowed_folders(
    publish: Ingest, settlement: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (settlement / "input" / name).unlink(missing_ok=True)
    (settlement / "input" / name).symlink_to("/etc/hostname")
    allow(monkeypatch, settlement)
    with pytest.raises(Invalid, match=r"leads to /etc/hostname"):
        publish()


def test_chips_on_the_web_are_refused_with_the_way_to_do_it(publish: Ingest) -> None:
    with pytest.raises(Invalid, match="download what lies there"):
        publish(chips="https://example.org/chips/")


def test_the_item_says_which_property_of_the_stored_labels_names_their_class(
    publish: Ingest, settlement: Path, store: LocalStore
) -> None:
    for property_name in (None, "building"):
        classes = ["building"] if property_name is None else ["building=yes"]
        item = publish(classes=classes, class_property=property_name)
        stored = store.fetch(item.assets["labels"].href, item.assets["labels"].extra_fields["file:checksum"])
        said = item.properties

        assert said["label:properties"] == ["class"]
        assert [each["name"] for each in said["label:classes"]] == ["class"]
        assert said["label:overviews"][0]["property_key"] == "class"
        features = orjson.loads(stored.read_bytes())["features"]
        assert {feature["properties"]["class"] for feature in features} == {"building"}


def test_a_class_brings_the_keywords_that_belong_to_it(publish: Ingest) -> None:
    assert publish(classes=["solar_panel"]).properties["keywords"] == [
        "solar-panel",
        "semantic-segmentation",
        "polygon",
    ]
    assert publish(classes=["road"], keywords=["path"]).properties["keywords"] == ["path"]


def test_a_class_that_is_no_word_of_the_vocabulary_is_asked_about(publish: Ingest) -> None:
    with pytest.raises(Invalid, match=r"What do labels of buildings map\?.*--keyword building"):
        publish(classes=["buildings"])


def test_a_licence_that_nobody_chose_is_said_aloud(
    publish: Ingest, settlement: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish()
    assert "No licence was given, so CC-BY-4.0 is written" in caplog.text
    assert "ODbL" not in caplog.text

    caplog.clear()
    publish(license="CC0-1.0")
    assert "licence" not in caplog.text

    path = settlement / "input" / "labels.geojson"
    document = orjson.loads(path.read_bytes())
    for number, feature in enumerate(document["features"], 1):
        feature["properties"]["osm_id"] = number
    path.write_bytes(orjson.dumps(document))
    said = publish().properties
    assert "The labels come from OpenStreetMap (they have its ids)" in caplog.text
    assert said["license"] == "ODbL-1.0"
    assert [each["name"] for each in said["providers"]] == ["OpenStreetMap contributors"]
    assert "fair:labels_datetime" not in said


def test_labels_of_openstreetmap_bring_licence_makers_and_time(
    publish: Ingest, settlement: Path, tmp_path: Path
) -> None:
    folder = settlement / "input"
    document = orjson.loads((folder / "labels.geojson").read_bytes())
    drawn = OsmMap()
    for number, feature in enumerate(document["features"], 1):
        drawn.way(number, map(tuple, feature["geometry"]["coordinates"][0]), {"building": "yes"})
    from_geojson = publish()
    (folder / "labels.geojson").unlink()
    for path in (drawn.xml(tmp_path / "a.osm"), drawn.pbf(tmp_path / "a.osm.pbf")):
        item = publish(labels=str(path), name=f"of-{path.suffix[1:]}")

        said = item.properties
        assert validation.problems(item.to_dict(transform_hrefs=False)) == []
        assert said["license"] == "ODbL-1.0"
        assert [each["name"] for each in said["providers"]] == ["OpenStreetMap contributors"]
        assert said["fair:labels_datetime"] == TIME
        assert said["fair:class_counts"] == from_geojson.properties["fair:class_counts"]
    sentences = publish(labels=str(path), name="sentences", captions="from-labels").properties
    assert (sentences["license"], sentences["fair:labels_datetime"]) == ("ODbL-1.0", TIME)
    chosen = publish(labels=str(path), license="CC0-1.0", provider="The mappers of Banepa").properties
    assert chosen["license"] == "CC0-1.0"
    assert [each["name"] for each in chosen["providers"]] == ["The mappers of Banepa"]
