"""Datasets from an area and an imagery address."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from pystac import Item

from fair_models import prechecks
from fair_models.catalog import validation
from fair_models.catalog.items import assets
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data import chip_samples
from fair_models.data.images import chips, tiles
from fair_models.data.samples import IGNORE
from fair_models.data.splits import Split
from fair_models.errors import FairModelsError, Invalid, NotFound
from fair_models.inference.imagery import areas
from fair_models.ml_tasks.registry import targets_for
from fair_models.params import IngestDatasetParams, SliceDatasetParams
from fair_models.publishing import datasets, exports, slices
from fair_models.store.local import LocalStore
from fair_models.types import DATASETS
from tests.inference.tile_server import TileServer, failing
from tests.ingestion.town import ZOOM, Town, make_town


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return make_town(tmp_path_factory.mktemp("town"))


@pytest.fixture
def server(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TileServer]:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    with TileServer(tmp_path, town.picture, town.corner).running() as running:
        assert isinstance(running, TileServer)
        yield running


def params(town: Town, **fields: Any) -> IngestDatasetParams:
    given = {"name": "town", "title": "Town", "labels": town.labels, "license": "CC0-1.0", **fields}
    return IngestDatasetParams.model_validate(given)


class Ingest:
    """Ingests, and keeps what was said."""

    def __init__(self, town: Town, catalog: LocalCatalog, store: LocalStore) -> None:
        self.town, self.catalog, self.store = town, catalog, store
        self.notes: list[str] = []

    def __call__(self, **fields: Any) -> Item:
        self.notes = []
        return datasets.ingest(params(self.town, **fields), self.catalog, self.store, note=self.notes.append)

    def bytes_of(self, item: Item, role: str) -> bytes:
        return Path(self.store.fetch(*assets.file_ref(item, role))).read_bytes()


@pytest.fixture
def ingest(town: Town, catalog: LocalCatalog, store: LocalStore) -> Ingest:
    return Ingest(town, catalog, store)


def test_chips_of_a_mosaic_make_the_dataset_that_the_folder_makes(
    ingest: Ingest, town: Town, tmp_path: Path
) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")

    of_folder = ingest(name="folder", chips=str(town.folder))
    of_imagery = ingest(imagery=str(image), zoom=ZOOM)

    assert validation.problems(of_imagery.to_dict(transform_hrefs=False)) == []
    for role in ("labels", "split"):
        assert ingest.bytes_of(of_imagery, role) == ingest.bytes_of(of_folder, role)
    for name in ("fair:chip_count", "fair:class_counts", "fair:chip_counts", "gsd", "fair:split_spec"):
        assert of_imagery.properties[name] == of_folder.properties[name]
    assert of_imagery.bbox == of_folder.bbox
    assert of_imagery.properties["fair:source_imagery"] == "mosaic.tif"


@pytest.mark.parametrize("kind", ["openaerialmap", "stac", "tags"])
def test_the_item_says_when_the_imagery_was_taken(
    kind: str, ingest: Ingest, town: Town, tmp_path: Path
) -> None:
    image = imagery = town.in_web_mercator(tmp_path / "mosaic.tif")
    start, end = "2017-05-31T22:00:00Z", "2017-06-01T17:01:26Z"
    if kind == "openaerialmap":
        said = {
            "provider": "Flyers",
            "properties": {"license": "CC-BY-SA 4.0"},
            "uuid": "https://a.example/a.tif",
        }
        times = {"acquisition_start": start, "acquisition_end": end}
        (tmp_path / "mosaic_meta.json").write_text(json.dumps({**said, **times}))
    elif kind == "stac":
        imagery = tmp_path / "item.json"
        properties = {
            "license": "CC-BY-SA-4.0",
            "datetime": None,
            "start_datetime": start,
            "end_datetime": end,
        }
        visual = {"href": "mosaic.tif", "type": "image/tiff", "roles": ["visual"]}
        item = {"type": "Feature", "stac_version": "1.1.0", "id": "a", "assets": {"visual": visual}}
        imagery.write_text(json.dumps({**item, "properties": properties}))
    else:
        end = start
        with rasterio.open(image, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
            dataset.update_tags(TIFFTAG_DATETIME="2017:05:31 22:00:00")

    made = ingest(imagery=str(imagery), zoom=ZOOM)
    assert (made.properties["start_datetime"], made.properties["end_datetime"]) == (start, end)
    assert made.properties.get("fair:imagery_license", "CC-BY-SA-4.0") == "CC-BY-SA-4.0"
    assert (kind == "tags") is ("fair:imagery_license" not in made.properties)


def test_the_same_service_and_area_again_are_no_new_version(
    ingest: Ingest, server: TileServer, town: Town
) -> None:
    request = {"imagery": server.url("{z}/{x}/{y}.png"), "area": town.area(), "zoom": ZOOM}

    first, again = ingest(**request), ingest(**request)

    assert again.to_dict() == first.to_dict()
    assert len(server.asked) == 12  # the second time all tiles are in the cache
    assert first.properties["fair:source_imagery"] == server.url("{z}/{x}/{y}.png")
    assert first.get_single_link("source") is None  # a template leads nowhere
    assert validation.problems(first.to_dict(transform_hrefs=False)) == []


def test_what_was_fetched_before_a_failure_is_not_asked_for_again(
    ingest: Ingest, server: TileServer, town: Town, catalog: LocalCatalog, store: LocalStore
) -> None:
    request = {"imagery": server.url("{z}/{x}/{y}.png"), "area": town.area(), "zoom": ZOOM}
    last = server.all()[-1]
    good = server.answers[server.path(last)]
    server.answers[server.path(last)] = failing(403)
    with pytest.raises(FairModelsError, match="could not be had"):
        ingest(**request)
    assert not list(catalog.search(DATASETS))
    assert not list(store.hrefs())
    fetched = [path for path in server.asked if path != server.path(last)]

    server.answers[server.path(last)] = good
    item = ingest(**request)

    assert item.properties["fair:chip_count"] == 12
    assert [path for path in server.asked if path != server.path(last)] == fetched


def with_hole(town: Town) -> str:
    """An area with a hole in its middle, as GeoJSON."""
    outer = areas.read(town.area(0.4)).outline
    hole = shapely.affinity.scale(outer, 0.3, 0.3)
    return shapely.to_geojson(shapely.Polygon(outer.exterior.coords, [hole.exterior.coords]))


@pytest.mark.parametrize("of", ["imagery", "chips"])
def test_nothing_counts_outside_of_an_area_and_in_its_hole(
    ingest: Ingest, town: Town, tmp_path: Path, of: str
) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    source = {"imagery": str(image), "zoom": ZOOM} if of == "imagery" else {"chips": str(town.folder)}
    text = with_hole(town)

    item = ingest(**source, area=text)

    assert item.properties["fair:repairs"]["over_area_edge"] == 12
    archive, labels, split = (tmp_path / name for name in ("chips.zip", "labels.geojson", "split.json"))
    for path, role in ((archive, "data"), (labels, "labels"), (split, "split")):
        path.write_bytes(ingest.bytes_of(item, role))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "chips")
    samples = chip_samples.load_samples(
        tmp_path / "chips",
        labels,
        Split.read(split),
        ["background", "building"],
        256,
        0.26,
        "average",
        targets_for("semantic-segmentation"),
        rules=DatasetItem(item).imagery_rules,
    )
    area = areas.read(text).outline
    inside = sum(int(pixels_in(chip, area).sum()) for chip in chips.find(tmp_path / "chips"))
    counted = sum(int((side.targets != IGNORE).sum()) for side in (samples.train, samples.held_out))
    assert counted == pytest.approx(inside, rel=0.002)
    assert (samples.train.targets == 1).any()


def pixels_in(chip: chips.Chip, area: shapely.Polygon) -> np.ndarray:
    rows, columns = np.mgrid[: chip.height, : chip.width] + 0.5
    return shapely.contains_xy(area, *chip.grid.places(columns.ravel(), rows.ravel()))


def test_licence_and_attribution_are_those_of_the_source(ingest: Ingest, town: Town, tmp_path: Path) -> None:
    town.in_web_mercator(tmp_path / "mosaic.tif")
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "mosaic",
        "properties": {"license": "CC-BY-NC-4.0", "providers": [{"name": "Flyers", "roles": ["licensor"]}]},
        "assets": {"visual": {"href": "mosaic.tif", "type": "image/tiff", "roles": ["visual"]}},
    }
    (tmp_path / "item.json").write_text(json.dumps(item))

    fields = {"imagery": str(tmp_path / "item.json"), "zoom": ZOOM}
    plain = datasets.ingest(
        IngestDatasetParams(name="plain", title="Town", labels=town.labels, **fields),
        ingest.catalog,
        ingest.store,
        note=ingest.notes.append,
    )
    assert plain.properties["license"] == "CC-BY-NC-4.0"
    assert plain.properties["fair:attribution"] == "Flyers"
    assert any("CC-BY-NC-4.0 is written, which the imagery is under" in note for note in ingest.notes)
    assert any("by Flyers" in note for note in ingest.notes)

    chosen = ingest(**fields)
    assert chosen.properties["license"] == "CC0-1.0"
    assert chosen.properties["fair:imagery_license"] == "CC-BY-NC-4.0"


def test_imagery_whose_licence_nobody_says_is_told(ingest: Ingest, town: Town, tmp_path: Path) -> None:
    ingest(imagery=str(town.in_web_mercator(tmp_path / "mosaic.tif")), zoom=ZOOM)
    assert any("does not say under which licence it is" in note for note in ingest.notes)


REFUSED = {
    "both": ({"chips": "a", "imagery": "b"}, "both are given; name a folder with chips, or imagery"),
    "neither": ({}, "neither is given"),
    "no labels": ({"imagery": "b", "labels": None}, "name the file with the labels"),
    "no number": ({"imagery": "b", "zoom": "resample"}, "resample chooses among chips"),
    "captions": ({"chips": "a", "area": "1,1,2,2", "captions": "given"}, "leave imagery and area out"),
}


@pytest.mark.parametrize("fields", REFUSED)
def test_what_does_not_fit_together_is_refused(town: Town, fields: str) -> None:
    given, said = REFUSED[fields]
    with pytest.raises(ValueError, match=said):
        params(town, **given)


def test_mistakes_are_told_before_a_run_begins(
    town: Town, catalog: LocalCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = str(town.in_web_mercator(tmp_path / "mosaic.tif"))
    service = "https://tiles.example.org/{z}/{x}/{y}.png"

    prechecks.check(params(town, imagery=image, area=town.area(), zoom=ZOOM), catalog)
    prechecks.check(params(town, imagery=service, area=town.area(), zoom=ZOOM), catalog)
    wrong: list[tuple[dict[str, Any], type[FairModelsError], str]] = [
        ({"imagery": str(tmp_path / "none.tif")}, NotFound, "There is no imagery at"),
        ({"imagery": image, "area": "85,27,85.1,27.1"}, Invalid, "no ground in common"),
        ({"imagery": service}, Invalid, "is a service of tiles: give the area"),
        ({"imagery": service, "area": "5,27,6,28", "zoom": 20}, Invalid, r"at most 50,000"),
        ({"imagery": image, "labels": str(tmp_path / "none.geojson")}, NotFound, "There is no file"),
        ({"chips": str(town.folder), "area": "5,27,4"}, Invalid, "it is no box"),
    ]
    for fields, kind, said in wrong:
        with pytest.raises(kind, match=said):
            prechecks.check(params(town, **fields), catalog)


def test_an_area_of_several_parts_has_the_chips_of_each(ingest: Ingest, town: Town, tmp_path: Path) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    x, y = town.corner.x, town.corner.y
    parts = [tiles.Tile(x + column, y + row, ZOOM).outline for column in (0, 3) for row in (0, 1, 2)]
    both = shapely.union_all([part.buffer(-1e-5) for part in parts])

    item = ingest(imagery=str(image), zoom=ZOOM, area=shapely.to_geojson(both))

    assert item.properties["fair:chip_count"] == 6
    assert item.geometry["type"] == "MultiPolygon"


def cuts(home: Path) -> list[Path]:
    """Chips that are kept of cuts."""
    return sorted((home / "cache" / "cuts").glob("*/chips/*.tif"))


def test_chips_stay_where_the_ingest_fails_or_is_dry_and_go_when_it_is_done(
    ingest: Ingest, town: Town, tmp_path: Path, home: Path
) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    request = {"imagery": str(image), "area": town.area(), "zoom": ZOOM}
    (tmp_path / "labels.geojson").write_text('{"type": "FeatureCollection", "features": []}')

    with pytest.raises(FairModelsError):
        ingest(**request, labels=str(tmp_path / "labels.geojson"))
    assert len(cuts(home)) == 12
    ingest(**request, dry_run=True)
    assert any("12 of 12 tiles were cut before" in note for note in ingest.notes)
    assert len(cuts(home)) == 12
    ingest(**request)
    assert any("12 of 12 tiles were cut before" in note for note in ingest.notes)
    assert list((home / "cache" / "cuts").glob("[!.]*")) == []


def test_a_dataset_on_a_grid_of_metres_is_sliced_exported_read_back_and_learnt_from(
    ingest: Ingest, town: Town, tmp_path: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    item = ingest(imagery=str(image), area=town.area(), grid="metric", gsd_m=0.3)
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    assert item.properties["fair:chip_grid"]["crs"] == "EPSG:32631"

    west, south, east, north = item.bbox or ()
    half = f"{west},{south},{(west + east) / 2},{north}"
    part = slices.publish_slice(SliceDatasetParams(dataset="town", name="west", area=half), catalog, store)
    assert 0 < part.properties["fair:chip_count"] < item.properties["fair:chip_count"]

    made = exports.export_dataset("town", tmp_path / "out", "fair", catalog, store)
    again = ingest(
        name="again", chips=str(made.folder / "input"), labels=str(made.folder / "input" / "labels.geojson")
    )
    assert again.properties["fair:chip_count"] == item.properties["fair:chip_count"]
    assert ingest.bytes_of(again, "data") == ingest.bytes_of(item, "data")

    archive, labels, split = (tmp_path / name for name in ("chips.zip", "labels.geojson", "split.json"))
    for role, path in (("data", archive), ("labels", labels), ("split", split)):
        path.write_bytes(ingest.bytes_of(item, role))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "chips")
    samples = chip_samples.load_samples(
        tmp_path / "chips",
        labels,
        Split.read(split),
        ["background", "building"],
        256,
        0.3,
        "average",
        targets_for("semantic-segmentation"),
        rules=DatasetItem(item).imagery_rules,
    )
    assert len(samples.train.targets) + len(samples.held_out.targets) >= item.properties["fair:chip_count"]
    assert (samples.train.targets == 1).any()
    assert (samples.held_out.targets == 1).any()
