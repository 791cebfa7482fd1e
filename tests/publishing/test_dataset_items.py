"""Items of datasets of another fAIr catalogue: what an ingest takes of them, and why some are refused."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from pystac import Item

from fair_models.catalog import validation
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.synthetic import make_settlement
from fair_models.errors import FairModelsError, Invalid, InvalidItem, NotFound
from fair_models.params import IngestDatasetParams
from fair_models.publishing import item_check
from fair_models.publishing.datasets import ingest
from fair_models.store.local import LocalStore
from fair_models.types import DATASETS
from tests.store.web_server import WebServer

Json = dict[str, Any]
Ingest = Callable[..., Item]


def item(**properties: Any) -> Json:
    """As the existing catalogue writes them: folders relative to the item, classes by a property."""
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": ["https://stac-extensions.github.io/label/v1.0.1/schema.json"],
        "id": "houses-of-a-town",
        "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        "bbox": [0, 0, 1, 1],
        "properties": {
            "datetime": "2024-01-01T00:00:00Z",
            "title": "Houses of a town",
            "description": "Drawn by hand.",
            "label:type": "vector",
            "label:tasks": ["segmentation"],
            "label:classes": [{"name": "building", "classes": ["yes", "house"]}],
            "label:properties": ["building"],
            "label:description": "Footprints",
            "keywords": ["building", "semantic-segmentation", "polygon"],
            "version": "1",
            "license": "ODbL-1.0",
            "providers": [
                {"name": "Mappers", "roles": ["producer"]},
                {"name": "A town", "roles": ["licensor"]},
            ],
            **properties,
        },
        "assets": {
            "chips": {"href": "../train/oam", "type": "image/tiff", "roles": ["data"]},
            "labels": {"href": "../train/osm", "type": "application/geo+json", "roles": ["labels"]},
        },
        "links": [{"rel": "source", "href": "https://tiles.example.org/{z}/{x}/{y}"}],
    }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    make_settlement(folder, seed=3, columns=4, rows=2, size_px=64, prediction_columns=0)
    return folder


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    """The folders of the catalogue: chips apart from labels, the item elsewhere."""
    root = tmp_path / "catalogue"
    shutil.copytree(drawn / "input", root / "train/oam")
    (root / "train/osm").mkdir()
    shutil.move(root / "train/oam/labels.geojson", root / "train/osm/houses.geojson")
    (root / "sample").mkdir()
    return root


@pytest.fixture
def publish(folder: Path, catalog: LocalCatalog, store: LocalStore) -> Ingest:
    def call(document: Json, **given: Any) -> Item:
        path = folder / "sample/stac-item.json"
        path.write_bytes(orjson.dumps(document))
        asked = {"name": "town", "title": "town", "chips": str(path), **given}
        return ingest(IngestDatasetParams(**asked), catalog, store)

    return call


def test_an_item_of_a_dataset_is_ingested_with_all_that_it_says(publish: Ingest) -> None:
    made = publish(item())
    said = made.properties

    assert made.id == "town-v1"
    assert validation.problems(made.to_dict(transform_hrefs=False)) == []
    assert said["title"] == "Houses of a town"
    assert said["description"] == "Drawn by hand."
    assert said["license"] == "ODbL-1.0"
    assert said["providers"][0]["name"] == "Mappers, A town"
    assert said["keywords"] == ["building", "semantic-segmentation", "polygon"]
    assert said["label:classes"][0]["classes"] == ["building"]
    assert said["fair:source_imagery"] == "https://tiles.example.org/{z}/{x}/{y}"
    assert said["fair:chip_count"] == 8
    assert sum(said["fair:class_counts"]["train"].values()) > 0


def test_what_is_asked_for_counts_before_what_the_item_says(publish: Ingest) -> None:
    said = publish(item(), title="My town", license="CC0-1.0", provider="Me").properties
    assert (said["title"], said["license"]) == ("My town", "CC0-1.0")
    assert said["providers"][0]["name"] == "Me"
    assert said["description"] == "Drawn by hand."


def test_values_of_a_property_that_is_no_feature_are_the_classes(publish: Ingest, folder: Path) -> None:
    labels = folder / "train/osm/houses.geojson"
    document = orjson.loads(labels.read_bytes())
    for number, feature in enumerate(document["features"]):
        feature["properties"]["kind"] = ("House", "shed")[number % 2]
    labels.write_bytes(orjson.dumps(document))
    said = publish(
        item(
            **{
                "label:classes": [{"name": "kind", "classes": ["House", "shed"]}],
                "label:properties": ["kind"],
            }
        )
    ).properties
    assert said["label:classes"][0]["classes"] == ["house", "shed"]
    assert said["fair:class_counts"]["train"]["shed"] > 0


def test_all_that_stands_against_an_item_is_told_at_once(publish: Ingest, catalog: LocalCatalog) -> None:
    document = item(license="my own", **{"label:type": "raster", "keywords": ["A Word"]})
    del document["assets"]["labels"]
    with pytest.raises(InvalidItem) as raised:
        publish(document)
    for words in ("properties.license", "properties.keywords", "label:type: is raster", "no labels"):
        assert words in str(raised.value)
    assert list(catalog.search(DATASETS)) == []


def test_check_item_says_the_same_without_a_server(publish: Ingest, folder: Path) -> None:
    document = item(license="my own")
    document["assets"]["chips"]["href"] = "../train/nothing"
    with pytest.raises(InvalidItem):
        publish(document)
    found = item_check.check(str(folder / "sample/stac-item.json"))
    assert found.kind == "a dataset"
    told = " ".join(found.problems)
    assert "properties.license" in told
    assert "assets.chips: there is no ../train/nothing" in told

    publish(item())
    assert item_check.check(str(folder / "sample/stac-item.json")).problems == []


def test_a_folder_with_several_files_of_labels_is_refused_with_their_names(
    publish: Ingest, folder: Path
) -> None:
    labels = folder / "train/osm/houses.geojson"
    shutil.copy(labels, labels.with_name("more.geojson"))
    with pytest.raises(InvalidItem, match=r"2 files of labels \(houses.geojson, more.geojson\)"):
        publish(item())
    assert publish(item(), labels=str(labels)).id == "town-v1"


def test_a_file_that_the_settings_do_not_allow_is_refused(
    publish: Ingest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_FOLDERS", orjson.dumps([str(folder / "sample")]).decode())
    with pytest.raises(InvalidItem, match=r"assets\.chips: .*outside of the folders that may be used"):
        publish(item())


@pytest.fixture
def web(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    with zipfile.ZipFile(folder / "train/chips.zip", "w") as archive:
        for path in sorted((folder / "train/oam").iterdir()):
            archive.write(path, f"oam/{path.name}")
    with WebServer(folder).running() as server:
        yield server


def on_the_web(web: WebServer, catalog: LocalCatalog, store: LocalStore, **assets: str) -> Item:
    document = item()
    hrefs = {"chips": "../train/chips.zip", "labels": "../train/osm/houses.geojson", **assets}
    for key, href in hrefs.items():
        document["assets"][key]["href"] = href
    (web.folder / "sample/item.json").write_bytes(orjson.dumps(document))
    asked = IngestDatasetParams(name="town", title="town", chips=web.url("sample/item.json"))
    return ingest(asked, catalog, store)


def test_an_item_on_the_web_is_ingested_with_the_files_beside_it(
    web: WebServer, catalog: LocalCatalog, store: LocalStore
) -> None:
    made = on_the_web(web, catalog, store)
    assert made.properties["fair:chip_count"] == 8
    assert made.properties["license"] == "ODbL-1.0"


@pytest.mark.parametrize(
    ("assets", "told"),
    [
        ({"chips": "../train/oam"}, "A folder on the web cannot be listed"),
        ({"chips": "../train/osm/houses.geojson"}, "neither a folder nor a zip archive"),
        ({"chips": "file:///etc/passwd"}, "names a file of the machine that reads it"),
        ({"labels": "/etc/passwd"}, "names a file of the machine that reads it"),
        ({"labels": "http://10.1.2.3/labels.geojson"}, "not one of FAIR_ALLOWED_HOSTS"),
    ],
)
def test_files_on_the_web_that_cannot_be_had_are_refused(
    web: WebServer, catalog: LocalCatalog, store: LocalStore, assets: dict[str, str], told: str
) -> None:
    with pytest.raises(FairModelsError, match=told):
        on_the_web(web, catalog, store, **assets)
    assert list(catalog.search(DATASETS)) == []


def test_items_of_other_kinds_are_refused_with_what_to_do(publish: Ingest) -> None:
    with pytest.raises(Invalid, match="the item of a base model and not of a dataset; register it"):
        publish({"type": "Feature", "id": "roofs", "properties": {"mlm:name": "roofs"}})
    with pytest.raises(NotFound):
        publish(item(), chips="/nowhere/item.json")
