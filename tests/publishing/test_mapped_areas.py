"""Datasets of several areas: what the item says of them, whole areas held out, and taking them up again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import shapely
from pystac import Item

from fair_models import prechecks
from fair_models.audit import split_rules
from fair_models.catalog import validation
from fair_models.catalog.items import assets
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.images import chips, footprint
from fair_models.data.splits import Split
from fair_models.data.synthetic import make_settlement
from fair_models.data.vectors import labels
from fair_models.errors import Invalid, InvalidItem
from fair_models.params import IngestDatasetParams, SliceDatasetParams
from fair_models.publishing.datasets import ingest
from fair_models.publishing.exports import export_dataset
from fair_models.publishing.slices import publish_slice
from fair_models.store.local import LocalStore
from fair_models.training.search import study
from fair_models.types import DATASETS
from tests.store.web_server import WebServer

Ingest = Callable[..., Item]
Json = dict[str, Any]

AREAS = {"west": (0, 2), "middle": (2, 4), "east": (4, 6)}
"""First and last column of chips of each area."""


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 x 2 chips of 64 px with buildings everywhere."""
    folder = tmp_path_factory.mktemp("areas")
    return make_settlement(folder, seed=3, columns=6, rows=2, size_px=64, prediction_columns=0)


@pytest.fixture(scope="session")
def box_of(town: Path) -> Callable[[float, float], shapely.Polygon]:
    """A box from one column of chips to another, a bit smaller than they are."""
    west, south, east, north = footprint.of(chips.find(town / "input")).bounds
    width = (east - west) / 6

    def made(first: float, last: float) -> shapely.Polygon:
        spare = 0.01 * width
        return shapely.box(
            west + first * width + spare, south + spare, west + last * width - spare, north - spare
        )

    return made


@pytest.fixture
def area_file(box_of: Callable[..., shapely.Polygon], tmp_path: Path) -> Callable[..., str]:
    """A file of areas by name, each from one column to another."""

    def write(**columns: tuple[float, float]) -> str:
        features = [
            {
                "type": "Feature",
                "properties": {"name": name},
                "geometry": shapely.geometry.mapping(box_of(*ends)),
            }
            for name, ends in (columns or AREAS).items()
        ]
        path = tmp_path / "areas.geojson"
        path.write_bytes(orjson.dumps({"type": "FeatureCollection", "features": features}))
        return str(path)

    return write


@pytest.fixture
def publish(town: Path, catalog: LocalCatalog, store: LocalStore) -> Ingest:
    def call(notes: list[str] | None = None, **fields: Any) -> Item:
        params = {"name": "town", "title": "Town", "chips": str(town), **fields}
        told = notes.append if notes is not None else lambda sentence: None
        return ingest(IngestDatasetParams(**params), catalog, store, note=told)

    return call


def split_of(item: Item, store: LocalStore) -> Split:
    return Split.read(store.fetch(*assets.file_ref(item, assets.SPLIT)))


def rows(item: Item) -> dict[str, Json]:
    return {row["name"]: row for row in item.properties["fair:areas"]}


def test_the_item_says_which_areas_were_looked_at(
    publish: Ingest, area_file: Callable[..., str], box_of: Any, store: LocalStore
) -> None:
    item = publish(area=area_file())

    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    assert list(rows(item)) == ["west", "middle", "east"]
    assert [row["chips"] for row in rows(item).values()] == [4, 4, 4]
    assert sum(row["train"] for row in rows(item).values()) == item.properties["fair:split_spec"]["train"]
    assert all(row["labels"] for row in rows(item).values())
    outline = shapely.from_geojson(orjson.dumps(item.properties["fair:mapped_area"]))
    assert outline.equals(shapely.union_all([box_of(*ends) for ends in AREAS.values()]))
    stored = orjson.loads(store.fetch(*assets.file_ref(item, assets.AREAS)).read_bytes())
    assert [feature["properties"]["name"] for feature in stored["features"]] == list(AREAS)


def test_one_small_area_needs_no_file(publish: Ingest, box_of: Any) -> None:
    item = publish(area=",".join(map(str, box_of(0, 4).bounds)))

    assert "areas" not in item.assets
    assert list(rows(item)) == ["area-1"]
    assert shapely.from_geojson(orjson.dumps(item.properties["fair:mapped_area"])).equals(box_of(0, 4))


def test_an_outline_of_many_corners_lies_in_a_file(publish: Ingest, box_of: Any, store: LocalStore) -> None:
    ring = box_of(0, 4).buffer(0.0001, quad_segs=300)
    hole = shapely.difference(ring, box_of(1, 2).buffer(-0.00005))

    item = publish(area=shapely.to_geojson(hole))

    assert "fair:mapped_area" not in item.properties
    stored = orjson.loads(store.fetch(*assets.file_ref(item, assets.AREAS)).read_bytes())
    [feature] = stored["features"]
    assert shapely.from_geojson(orjson.dumps(feature["geometry"])).equals(hole)
    assert len(feature["geometry"]["coordinates"]) == 2


def test_without_an_area_nothing_is_said_of_one(publish: Ingest, store: LocalStore) -> None:
    item = publish()

    assert not {"fair:areas", "fair:mapped_area"} & set(item.properties)
    assert "areas" not in item.assets
    assert "areas" not in orjson.loads(store.fetch(*assets.file_ref(item, "split")).read_bytes())


def test_an_area_of_background_alone_is_taken_and_named(
    publish: Ingest, area_file: Callable[..., str], town: Path, tmp_path: Path, box_of: Any
) -> None:
    document = orjson.loads((town / "input" / "labels.geojson").read_bytes())
    document["features"] = [
        feature
        for feature in document["features"]
        if not shapely.from_geojson(orjson.dumps(feature["geometry"])).intersects(box_of(4, 6))
    ]
    path = tmp_path / "labels.geojson"
    path.write_bytes(orjson.dumps(document))
    notes: list[str] = []

    item = publish(notes, area=area_file(), labels=str(path))

    assert rows(item)["east"] | {"train": 0, "held_out": 0} == {
        "name": "east",
        "chips": 4,
        "labels": 0,
        "train": 0,
        "held_out": 0,
    }
    assert "Area east has no label: its 4 chips are background alone" in notes
    assert not [note for note in notes if "west" in note]


def test_the_named_areas_are_held_out_whole(
    publish: Ingest, area_file: Callable[..., str], store: LocalStore
) -> None:
    notes: list[str] = []
    item = publish(notes, area=area_file(), held_out_areas=["middle"])

    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    said = item.properties["fair:split_spec"]
    assert (said["method"], list(said["held_out_areas"])) == ("whole-areas", ["middle"])
    split = split_of(item, store)
    assert set(split.held_out) == set(split.areas["middle"])
    assert (rows(item)["middle"]["held_out"], rows(item)["middle"]["train"]) == (4, 0)
    assert "Held out whole: middle (4 of 12 chips)" in notes


def test_areas_are_drawn_by_the_ratio_where_none_is_named(
    publish: Ingest, area_file: Callable[..., str]
) -> None:
    found = {
        tuple(
            publish(area=area_file(), split="whole-areas", held_out_ratio=0.3, seed=seed).properties[
                "fair:split_spec"
            ]["held_out_areas"]
        )
        for seed in range(6)
    }

    assert len(found) > 1
    assert found <= {("west",), ("middle",), ("east",)}


def test_leaving_out_one_area_after_the_other_gives_a_dataset_each(
    publish: Ingest, area_file: Callable[..., str], store: LocalStore
) -> None:
    items = [publish(name=f"without-{name}", area=area_file(), held_out_areas=[name]) for name in AREAS]

    held_out = [name for item in items for name in split_of(item, store).held_out]
    assert len(held_out) == len(set(held_out)) == 12
    assert len({assets.file_ref(item, assets.CHIPS)[1] for item in items}) == 1


@pytest.mark.parametrize(
    ("columns", "fields", "reason"),
    [
        ({}, {"held_out_areas": ["Middle"]}, "no area Middle; did you mean middle"),
        ({}, {"held_out_areas": ["nowhere"]}, "no area nowhere; there are west, middle, east"),
        ({}, {"held_out_areas": list(AREAS)}, "all areas are held out"),
        ({"only": (0, 6)}, {"split": "whole-areas"}, r"there is one area \(only\), and at least 2"),
        (
            {"west": (0, 3), "lake": (7, 8), "east": (3, 6)},
            {"held_out_areas": ["west"]},
            "No chip belongs to lake",
        ),
        (
            {"west": (0, 3), "dot": (3.4, 3.45), "east": (3, 6)},
            {"held_out_areas": ["west"]},
            "No chip belongs to dot",
        ),
    ],
)
def test_what_cannot_be_held_out_whole_is_refused_and_nothing_is_stored(
    publish: Ingest,
    area_file: Callable[..., str],
    catalog: LocalCatalog,
    columns: dict[str, tuple[float, float]],
    fields: Json,
    reason: str,
) -> None:
    with pytest.raises(Invalid, match=reason):
        publish(area=area_file(**columns), **fields)
    assert list(catalog.search(DATASETS)) == []


def test_whole_areas_without_an_area_are_refused(publish: Ingest) -> None:
    with pytest.raises(Invalid, match="no area is given"):
        publish(split="whole-areas")


def test_unknown_areas_are_refused_before_a_run_is_created(
    area_file: Callable[..., str], catalog: LocalCatalog, town: Path
) -> None:
    params = IngestDatasetParams(
        name="town", title="Town", chips=str(town), area=area_file(), held_out_areas=["wset"]
    )
    with pytest.raises(Invalid, match="did you mean west"):
        prechecks.check(params, catalog)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"captions": "from-labels", "split": "whole-areas"}, "captions are split by image"),
        ({"captions": "given", "held_out_areas": ["a"]}, "captions are split by image"),
        ({"split": "block", "held_out_areas": ["a"]}, "held out whole, not as a block"),
    ],
)
def test_contradictions_are_refused_at_the_border(fields: Json, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        IngestDatasetParams(name="town", title="Town", chips="chips", **fields)


def test_polygons_of_one_name_are_told_where_they_leave_too_few_areas(publish: Ingest, box_of: Any) -> None:
    features = [
        {
            "type": "Feature",
            "properties": {"name": "AOI"},
            "geometry": shapely.geometry.mapping(box_of(*ends)),
        }
        for ends in AREAS.values()
    ]
    text = orjson.dumps({"type": "FeatureCollection", "features": features}).decode()
    with pytest.raises(Invalid, match=r"one area \(AOI\).*3 polygons are named AOI"):
        publish(area=text, split="whole-areas")


def test_the_same_areas_again_are_no_new_version(publish: Ingest, area_file: Callable[..., str]) -> None:
    first = publish(area=area_file(), held_out_areas=["east"])

    assert publish(area=area_file(), held_out_areas=["east"]).id == first.id
    assert publish(area=area_file(), held_out_areas=["west"]).id == "town-v2"


@pytest.mark.parametrize("whole", [True, False])
def test_a_dataset_is_taken_up_again_with_its_areas(
    publish: Ingest,
    area_file: Callable[..., str],
    box_of: Any,
    store: LocalStore,
    tmp_path: Path,
    whole: bool,
) -> None:
    area = area_file(west=(0.3, 2), east=(2, 4.6)) if whole else ",".join(map(str, box_of(0.3, 4.6).bounds))
    before = publish(area=area)
    path = tmp_path / "item.json"
    path.write_bytes(orjson.dumps(before.to_dict(transform_hrefs=False)))

    again = publish(name="again", chips=str(path))

    for key in ("fair:mapped_area", "fair:areas", "fair:split_spec", "fair:class_counts"):
        assert again.properties[key] == before.properties[key]
    for role in (assets.CHIPS, assets.LABELS, assets.SPLIT):
        assert assets.file_ref(again, role)[1] == assets.file_ref(before, role)[1]
    outside = labels.read_stored(store.fetch(*assets.file_ref(again, assets.LABELS)), ["building"]).outside
    assert outside is not None
    if whole:
        assert publish(name="held-out", chips=str(path), held_out_areas=["east"]).id == "held-out-v1"


def test_areas_of_an_item_are_checked_by_name_before_a_run_is_created(
    publish: Ingest, area_file: Callable[..., str], catalog: LocalCatalog, tmp_path: Path
) -> None:
    path = tmp_path / "item.json"
    path.write_bytes(orjson.dumps(publish(area=area_file()).to_dict(transform_hrefs=False)))
    wish: Json = {"name": "again", "title": "Again", "chips": str(path)}

    prechecks.check(IngestDatasetParams(**wish, held_out_areas=["west"]), catalog)
    with pytest.raises(Invalid, match="did you mean west"):
        prechecks.check(IngestDatasetParams(**wish, held_out_areas=["wset"]), catalog)


def test_areas_of_an_item_on_the_web_are_used_too(
    publish: Ingest,
    area_file: Callable[..., str],
    store: LocalStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = publish(area=area_file())
    document = before.to_dict(transform_hrefs=False)
    for key, asset in document["assets"].items():
        path = store.fetch(asset["href"], asset["file:checksum"])
        (tmp_path / path.name).write_bytes(path.read_bytes())
        document["assets"][key]["href"] = path.name
    (tmp_path / "item.json").write_bytes(orjson.dumps(document))
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    with WebServer(tmp_path).running() as server:
        again = publish(name="again", chips=server.url("item.json"), held_out_areas=["middle"])

    assert list(rows(again)) == list(AREAS)
    assert again.properties["fair:mapped_area"] == before.properties["fair:mapped_area"]


@pytest.mark.parametrize("whole", [True, False])
def test_an_export_is_read_back_with_its_areas(
    publish: Ingest,
    area_file: Callable[..., str],
    box_of: Any,
    catalog: LocalCatalog,
    store: LocalStore,
    tmp_path: Path,
    whole: bool,
) -> None:
    area = area_file() if whole else ",".join(map(str, box_of(0.3, 4.6).bounds))
    before = publish(area=area)

    made = export_dataset("town", tmp_path / "out", "fair", catalog, store)

    assert made.ingest.endswith("--area areas.geojson")
    again = publish(name="again", chips=str(made.folder), area=str(made.folder / "areas.geojson"))
    for key in ("fair:mapped_area", "fair:areas", "fair:split_spec"):
        assert again.properties[key] == before.properties[key]
    assert assets.file_ref(again, assets.LABELS)[1] == assets.file_ref(before, assets.LABELS)[1]


def test_an_area_of_the_request_counts_before_that_of_the_item(
    publish: Ingest, area_file: Callable[..., str], box_of: Any, tmp_path: Path
) -> None:
    path = tmp_path / "item.json"
    path.write_bytes(orjson.dumps(publish(area=area_file()).to_dict(transform_hrefs=False)))

    again = publish(name="again", chips=str(path), area=",".join(map(str, box_of(0, 2).bounds)))

    assert list(rows(again)) == ["area-1"]
    assert again.properties["fair:chip_count"] == 4


def test_an_item_with_a_broken_area_is_refused_with_the_reason(
    publish: Ingest, box_of: Any, tmp_path: Path, catalog: LocalCatalog
) -> None:
    document = publish(area=",".join(map(str, box_of(0, 4).bounds))).to_dict(transform_hrefs=False)
    document["properties"]["fair:mapped_area"] = {"type": "Point", "coordinates": [0, 0]}
    path = tmp_path / "item.json"
    path.write_bytes(orjson.dumps(document))

    with pytest.raises(InvalidItem, match=re.escape("properties.fair:mapped_area")):
        publish(name="again", chips=str(path))
    with pytest.raises(InvalidItem, match=re.escape("properties.fair:mapped_area")):
        prechecks.check(IngestDatasetParams(name="again", title="Again", chips=str(path)), catalog)


def test_a_slice_keeps_the_areas_of_its_chips(
    publish: Ingest, area_file: Callable[..., str], box_of: Any, catalog: LocalCatalog, store: LocalStore
) -> None:
    publish(area=area_file(), held_out_areas=["west"])
    wish = SliceDatasetParams(dataset="town", name="part", area=",".join(map(str, box_of(0, 4).bounds)))

    item = publish_slice(wish, catalog, store)

    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    assert list(split_of(item, store).areas) == ["west", "middle"]
    assert rows(item)["west"] == {"name": "west", "chips": 4, "train": 0, "held_out": 4}
    assert list(item.properties["fair:split_spec"]["held_out_areas"]) == ["west"]


def test_a_search_chooses_on_a_whole_area_of_those_that_are_learnt_from(
    publish: Ingest, area_file: Callable[..., str], store: LocalStore, tmp_path: Path
) -> None:
    item = publish(area=area_file(), held_out_areas=["west"])

    split = study.choosing_split(item, store, 0, tmp_path / "search")

    assert split.method == "whole-areas"
    assert len(split.held_out_areas) == 1
    assert not set(split_of(item, store).held_out) & {*split.train, *split.held_out}


def test_a_search_chooses_on_a_block_where_one_area_is_left(
    publish: Ingest, area_file: Callable[..., str], store: LocalStore, tmp_path: Path
) -> None:
    item = publish(area=area_file(west=(0, 2), east=(2, 6)), held_out_areas=["west"])

    split = study.choosing_split(item, store, 0, tmp_path / "search")

    assert split.method == "area"
    assert set(split.areas) == {"east"}


def test_the_audit_finds_an_area_that_is_on_both_sides(
    publish: Ingest, area_file: Callable[..., str], store: LocalStore, tmp_path: Path
) -> None:
    split = split_of(publish(area=area_file(), held_out_areas=["west"]), store)
    path = tmp_path / "split.json"
    split.write(path)
    assert split_rules.divided_areas(path) == []

    moved = Split(
        **{**vars(split), "train": (*split.train, split.held_out[0]), "held_out": split.held_out[1:]}
    )
    moved.write(path)

    assert split_rules.divided_areas(path) == ["west"]
