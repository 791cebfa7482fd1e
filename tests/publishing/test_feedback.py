"""Feedback: verdicts on a prediction become the next version of a dataset."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest
import shapely
from pystac import Item

from fair_models import imagery_rules
from fair_models.catalog import validation
from fair_models.catalog.changes import transitions
from fair_models.catalog.items import assets
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.query import ancestors
from fair_models.data.images import chips
from fair_models.data.synthetic import make_settlement
from fair_models.errors import Corrupted, InvalidFeedback, InvalidItem, NotFound
from fair_models.imagery_rules import CURRENT, FIELD, OLD, ImageryRules
from fair_models.params import CollectFeedbackParams, RetireParams
from fair_models.publishing.feedback import collect
from fair_models.publishing.retire import retire
from fair_models.store.local import LocalStore
from fair_models.types import BASE_MODELS, DATASETS, Json
from tests.catalog.item_factory import base_item
from tests.publishing import feedback_files
from tests.publishing.memory_ledger import MemoryLedger

MODEL = "roofs-unet-v1"
NOWHERE = shapely.geometry.mapping(shapely.box(-10.001, 5, -10, 5.001))


@pytest.fixture(scope="module")
def settlement(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight chips with buildings."""
    folder = tmp_path_factory.mktemp("settlement")
    make_settlement(folder, seed=3, columns=4, rows=2, size_px=64, prediction_columns=0)
    return folder


@pytest.fixture(scope="module")
def prediction(settlement: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return feedback_files.predict(settlement, tmp_path_factory.mktemp("predicted") / "it", MODEL)


@pytest.fixture
def catalog(catalog: LocalCatalog) -> LocalCatalog:
    transitions.publish(catalog, base_item())
    return catalog


class Desk:
    """Where people judge the prediction."""

    def __init__(self, settlement: Path, prediction: Path, catalog: LocalCatalog, store: LocalStore) -> None:
        self.settlement, self.prediction = settlement, prediction
        self.catalog, self.store = catalog, store
        self.file = store.root.parent / "feedback.geojson"
        self.notes: list[str] = []

    def say(self, verdicts: Any, members: Json | None = None, **fields: Any) -> Item:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        feedback_files.say(self.settlement, self.file, verdicts, **(members or {}))
        asked = {"prediction": str(self.prediction), "feedback": str(self.file), "dataset": "town", **fields}
        return collect(
            CollectFeedbackParams.model_validate(asked), self.catalog, self.store, note=self.notes.append
        )

    def labels(self, item: Item) -> list[Any]:
        document = orjson.loads(self.store.fetch(*assets.file_ref(item, "labels")).read_bytes())
        return [shapely.from_geojson(orjson.dumps(each["geometry"])) for each in document["features"]]

    def chips(self, item: Item) -> set[str]:
        with zipfile.ZipFile(self.store.fetch(*assets.file_ref(item, "data"))) as archive:
            return {Path(name).stem for name in archive.namelist() if name.endswith(".tif")}

    @property
    def outlines(self) -> list[Any]:
        document = orjson.loads((self.settlement / "input" / "labels.geojson").read_bytes())
        return [shapely.from_geojson(orjson.dumps(each["geometry"])) for each in document["features"]]


@pytest.fixture
def desk(settlement: Path, prediction: Path, catalog: LocalCatalog, store: LocalStore) -> Desk:
    return Desk(settlement, prediction, catalog, store)


def total(outlines: list[Any]) -> float:
    return float(shapely.union_all(outlines).area)


def test_what_was_accepted_is_labelled_and_what_was_rejected_is_background(desk: Desk) -> None:
    all_of_it = dict.fromkeys(range(1, len(desk.outlines) + 1), "accepted")
    item = desk.say({**all_of_it, 1: "rejected"})

    assert item.id == "town-v1"
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    assert total(desk.labels(item)) == pytest.approx(total(desk.outlines[1:]))
    assert item.properties["fair:feedback"]["verdicts"] == {"accepted": len(all_of_it) - 1, "rejected": 1}
    assert item.properties["fair:feedback"]["model"] == MODEL
    assert [link.href for link in item.get_links("derived_from")] == [desk.catalog.href(BASE_MODELS, MODEL)]
    assert item.properties["keywords"] == base_item().properties["keywords"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [({}, False), (OLD, False), (CURRENT, False), (CURRENT.model_copy(update={"fill": "kept"}), True)],
)
def test_fill_is_to_the_dataset_what_it_was_to_the_prediction(
    desk: Desk, tmp_path: Path, said: ImageryRules | Json, kept: bool
) -> None:
    item = orjson.loads((desk.prediction / "prediction.json").read_bytes())
    if isinstance(said, ImageryRules):
        item["properties"][FIELD] = said.model_dump()
    shutil.copytree(desk.prediction, tmp_path / "prediction")
    desk.prediction = tmp_path / "prediction"
    (desk.prediction / "prediction.json").write_bytes(orjson.dumps(item))

    made = imagery_rules.of(desk.say("accepted").properties)

    assert made == CURRENT.model_copy(update={"fill": "kept" if kept else CURRENT.fill})


def test_what_was_corrected_or_added_counts_as_it_was_drawn(desk: Desk) -> None:
    smaller = desk.outlines[0].buffer(-0.000003)
    inside = shapely.box(*desk.outlines[0].centroid.buffer(0.000004).bounds)
    drawn = {"geometry": shapely.geometry.mapping(smaller), "properties": {"verdict": "corrected"}}
    new = {
        "type": "Feature",
        "geometry": shapely.geometry.mapping(inside),
        "properties": {"verdict": "added", "class": "building"},
    }
    said: dict[int, Any] = dict.fromkeys(range(1, len(desk.outlines) + 1), "accepted")

    item = desk.say({**said, 1: drawn}, {"also": [new]})

    labels = desk.labels(item)
    verdicts = {"accepted": len(said) - 1, "added": 1, "corrected": 1}
    assert item.properties["fair:feedback"]["verdicts"] == verdicts
    assert any(shapely.equals_exact(each, smaller, 1e-9, normalize=True) for each in labels)
    assert any(shapely.equals_exact(each, inside, 1e-9, normalize=True) for each in labels)
    assert not any(shapely.equals_exact(each, desk.outlines[0], 1e-9, normalize=True) for each in labels)


def test_chips_without_a_verdict_or_with_an_open_polygon_are_left_out(desk: Desk) -> None:
    whole = desk.say("accepted")
    everywhere = desk.chips(whole)
    outlines = desk.outlines
    said = dict.fromkeys(range(1, len(outlines) + 1), "accepted")
    del said[1]

    item = desk.say(said)

    gone = everywhere - desk.chips(item)
    places = {chip.name: chip.grid.footprint for chip in chips.find(desk.settlement / "input")}
    assert gone == {name for name in everywhere if places[name].intersection(outlines[0]).area > 0}
    assert gone
    assert item.id == "town-v2"
    kept = len(everywhere) - len(gone)
    assert desk.notes[-1] == f"{kept} of {len(places)} chips were judged as a whole and are used"


def test_the_chain_leads_to_the_model_and_the_version_before_and_the_same_again_is_no_new_version(
    desk: Desk,
) -> None:
    first = desk.say("accepted")
    said = {**dict.fromkeys(range(1, len(desk.outlines) + 1), "accepted"), 1: "rejected"}
    second = desk.say(said)

    assert [link.href for link in second.get_links("derived_from")] == [
        desk.catalog.href(BASE_MODELS, MODEL),
        desk.catalog.href(DATASETS, first.id),
    ]
    assert [each.id for each in desk.catalog.derivatives(DATASETS, first.id)] == [second.id]
    assert desk.say(said).id == second.id
    assert [item.id for item in desk.catalog.search(DATASETS)] == ["town-v1", "town-v2"]


def test_the_whole_chain_can_be_read_and_says_what_is_gone(desk: Desk) -> None:
    first = desk.say("accepted")
    second = desk.say({**dict.fromkeys(range(1, len(desk.outlines) + 1), "accepted"), 1: "rejected"})
    told = [(each.id, each.depth, each.is_repeated) for each in ancestors(desk.catalog, second)]
    assert told == [(MODEL, 0, False), (first.id, 0, False), (MODEL, 1, True)]

    params = RetireParams(
        name="town", version=1, collection=DATASETS, action="delete", force=True, reason="blurred"
    )
    retire(params, desk.catalog, desk.store, MemoryLedger())
    _, gone = ancestors(desk.catalog, desk.catalog.get(DATASETS, second.id))
    assert gone.id == first.id
    assert "was deleted" in gone.title
    assert "blurred" in gone.title


def test_a_file_of_verdicts_that_cannot_be_read_is_told_as_such(desk: Desk, tmp_path: Path) -> None:
    asked = {"prediction": str(desk.prediction), "dataset": "town"}
    for name, content, said in (
        ("missing.geojson", None, "no such file; name the GeoJSON with the verdicts"),
        ("cut.geojson", '{"type": "Feat', "it is no JSON"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_text(content)
        params = CollectFeedbackParams.model_validate({**asked, "feedback": str(path)})
        with pytest.raises(InvalidFeedback, match=said):
            collect(params, desk.catalog, desk.store)


def test_a_chain_of_versions_is_deleted_as_a_whole(desk: Desk) -> None:
    desk.say("accepted")
    desk.say({**dict.fromkeys(range(1, len(desk.outlines) + 1), "accepted"), 1: "rejected"})
    params = RetireParams(name="town", collection=DATASETS, action="delete")
    retire(params, desk.catalog, desk.store, MemoryLedger())
    assert list(desk.catalog.search(DATASETS)) == []


def test_a_dry_run_publishes_nothing(desk: Desk) -> None:
    assert desk.say("accepted", dry_run=True).id == "town-v1"
    assert list(desk.catalog.search(DATASETS)) == []


@pytest.mark.parametrize(
    ("verdicts", "members", "message"),
    [
        ({}, {}, "none of its .* features has a verdict; give polygons the property verdict"),
        ({1: "good"}, {}, "feature 0 .id 1. has the verdict 'good'; use accepted, rejected"),
        (
            {1: {"id": 99999, "properties": {"verdict": "accepted"}}},
            {},
            "no polygons with the ids 99999; name the prediction that was reviewed",
        ),
        (
            {1: {"id": None, "geometry": NOWHERE, "properties": {"verdict": "rejected"}}},
            {},
            "feature 0 has no id, and no predicted polygon has its outline and class",
        ),
        ({2: {"id": 1, "properties": {"verdict": "accepted"}}, 1: "accepted"}, {}, "lies elsewhere"),
        (
            {1: {"geometry": None, "properties": {"verdict": "corrected"}}},
            {},
            "has no polygon .null_geometry",
        ),
        (
            {1: {"properties": {"verdict": "added", "class": "tree"}}},
            {},
            "the class 'tree'; set class to one of",
        ),
        ("accepted", {"fair:prediction": "prediction-ffff"}, "its fair:prediction is prediction-ffff"),
        ("accepted", {"fair:checksum": "1220"}, "its fair:checksum is 1220"),
        ("rejected", {}, "everything was rejected.*or judge a prediction that goes beyond"),
        ({1: "accepted"}, {}, "none was judged as a whole"),
    ],
)
def test_feedback_that_does_not_fit_is_refused_with_the_reason(
    desk: Desk, verdicts: Any, members: Json, message: str
) -> None:
    with pytest.raises(InvalidFeedback, match=message):
        desk.say(verdicts, members)
    assert list(desk.catalog.search(DATASETS)) == []


def test_two_verdicts_on_one_polygon_are_refused(desk: Desk) -> None:
    same = {"id": 1, "geometry": None, "properties": {"verdict": "rejected"}}
    with pytest.raises(InvalidFeedback, match="more than one verdict has the id 1; leave one"):
        desk.say({1: "accepted", 2: same})


def test_imagery_that_is_no_folder_is_refused_and_another_can_be_named(
    desk: Desk, settlement: Path, tmp_path: Path
) -> None:
    desk.prediction = feedback_files.predict(settlement, tmp_path / "tiles", MODEL)
    item = orjson.loads((desk.prediction / "prediction.json").read_bytes())
    item["properties"]["fair:imagery"] = "https://tiles.example.org/{z}/{x}/{y}.png"
    (desk.prediction / "prediction.json").write_bytes(orjson.dumps(item))

    with pytest.raises(
        InvalidFeedback, match="is no folder of chips; name a folder with chips of the same area"
    ):
        desk.say("accepted")
    assert desk.say("accepted", imagery=str(settlement)).id == "town-v1"


def test_a_prediction_that_is_not_whole_is_refused(desk: Desk, settlement: Path, tmp_path: Path) -> None:
    desk.prediction = tmp_path / "nowhere"
    with pytest.raises(NotFound, match="There is no prediction at"):
        desk.say("accepted")
    desk.prediction = feedback_files.predict(settlement, tmp_path / "changed", "huts-v1")
    with pytest.raises(NotFound, match="huts-v1, which made prediction-0123456789ab, is published no more"):
        desk.say("accepted")
    with (desk.prediction / "predictions.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(Corrupted):
        desk.say("accepted")
    (desk.prediction / "prediction.json").write_text("{}")
    with pytest.raises(InvalidItem, match="name the item of a prediction"):
        desk.say("accepted")


def test_what_was_mended_of_feedback_stands_in_the_dataset(desk: Desk) -> None:
    all_of_it = dict.fromkeys(range(1, len(desk.outlines) + 1), "accepted")
    lost = {"id": None, "properties": {"verdict": "accepted", "class": "building"}}

    item = desk.say({**all_of_it, 1: lost})

    assert item.properties["fair:repairs"]["matched_by_outline"] == 1
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
