"""The report on the labels of a dataset: in its item, beside its files, and in what follows from it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import shapely
from PIL import Image
from pydantic import ValidationError
from pystac import Item

from fair_models import imagery_rules
from fair_models.audit import audit_run
from fair_models.catalog import validation
from fair_models.catalog.items import assets
from fair_models.catalog.items.dataset import LABEL_REPORT, LEFT_OUT
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.chip_samples import load_samples
from fair_models.data.images import chips
from fair_models.data.label_quality.report import LabelReport
from fair_models.data.samples import IGNORE
from fair_models.data.splits import Split
from fair_models.data.synthetic import make_settlement
from fair_models.data.vectors import labels
from fair_models.errors import Invalid
from fair_models.params import AuditParams, IngestDatasetParams, SliceDatasetParams
from fair_models.publishing import slices
from fair_models.publishing.datasets import ingest
from fair_models.reports import cards
from fair_models.reports.artifacts import Table
from fair_models.store.archive import unpack
from fair_models.store.local import LocalStore
from fair_models.training.search import study
from fair_models.types import DATASETS

Ingest = Any


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    make_settlement(folder, seed=3, columns=4, rows=3, size_px=64, prediction_columns=0)
    return folder


@pytest.fixture
def town(drawn: Path, tmp_path: Path) -> Path:
    """Twelve chips and labels, one of which is there twice."""
    folder = Path(shutil.copytree(drawn, tmp_path / "town"))
    path = folder / "input" / "labels.geojson"
    labels = orjson.loads(path.read_bytes())
    labels["features"].append(labels["features"][4])
    path.write_bytes(orjson.dumps(labels))
    return folder


@pytest.fixture
def publish(town: Path, catalog: LocalCatalog, store: LocalStore) -> Ingest:
    def call(**fields: Any) -> Item:
        params = {"name": "town", "title": "Town", "chips": str(town), **fields}
        return ingest(IngestDatasetParams(**params), catalog, store)

    return call


def report_of(item: Item, store: LocalStore) -> dict[str, Any]:
    asset = item.assets["label-report"]
    path = store.fetch(asset.href, asset.extra_fields["file:checksum"])
    return dict(orjson.loads(path.read_bytes()))


def test_an_item_counts_what_was_found_and_names_a_file_with_each_chip(
    publish: Ingest, store: LocalStore
) -> None:
    item = publish()

    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    said = item.properties[LABEL_REPORT]
    assert said["labels"]["duplicates"] == 1
    assert said["chips"]["duplicates"] >= 1
    assert item.assets["label-report"].roles == ["metadata"]
    picture = item.assets["label-report-picture"]
    assert (picture.roles, picture.media_type) == (["overview"], "image/jpeg")
    assert Image.open(store.fetch(picture.href, picture.extra_fields["file:checksum"])).width == 1200
    report = report_of(item, store)
    assert [each["chip"] for each in report["chips"]] == sorted(each["chip"] for each in report["chips"])
    assert len(report["chips"]) == item.properties["fair:chip_count"] == 12
    assert report["summary"] == said


def test_the_same_labels_again_are_no_new_version_also_where_other_software_would_write_other_bytes(
    publish: Ingest, catalog: LocalCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish()
    document = LabelReport.document

    def other(self: LabelReport, left_out: Mapping[str, str]) -> dict[str, Any]:
        return {**document(self, left_out), "made_by": "other software"}

    monkeypatch.setattr(LabelReport, "document", other)
    assert publish().id == first.id


def test_another_finding_is_the_next_version(publish: Ingest, town: Path) -> None:
    publish()
    path = town / "input" / "labels.geojson"
    labels = orjson.loads(path.read_bytes())
    labels["features"].pop()
    path.write_bytes(orjson.dumps(labels))

    item = publish()
    assert item.id == "town-v2"
    assert "duplicates" not in item.properties[LABEL_REPORT]["labels"]


def test_the_card_and_a_table_show_it(publish: Ingest) -> None:
    item = publish()
    card, table = cards.of_ingest(item)

    assert isinstance(table, Table)
    assert table.key == "label-report"
    assert [row["labels"] for row in table.rows if row["finding"] == "duplicates"] == [1]
    assert "duplicates" in card.markdown
    assert "Not judged: time" in card.markdown


def test_an_item_without_a_report_is_still_valid_and_its_card_says_nothing_of_it(publish: Ingest) -> None:
    item = publish()
    del item.properties[LABEL_REPORT], item.assets["label-report"], item.assets["label-report-picture"]

    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    (card,) = cards.of_ingest(item)
    assert "Labels:" not in card.markdown


def split_of(item: Item, store: LocalStore) -> Split:
    return Split.read(store.fetch(*assets.file_ref(item, assets.SPLIT)))


def boxed(folder: Path, chip: str) -> None:
    """Draw boxes in place of the outlines on one chip."""
    frame = next(each for each in chips.find(folder / "input") if each.name == chip).grid.footprint
    path = folder / "input" / "labels.geojson"
    document = orjson.loads(path.read_bytes())
    for feature in document["features"]:
        shape = shapely.from_geojson(orjson.dumps(feature["geometry"]))
        if shape.intersects(frame):
            feature["geometry"] = orjson.loads(shapely.to_geojson(shapely.box(*shape.bounds)))
    path.write_bytes(orjson.dumps(document))


def middle_chip(folder: Path) -> str:
    """A chip with many labels."""
    return sorted(path.stem for path in (folder / "input").glob("OAM-*.tif"))[4]


def test_chips_that_are_named_neither_train_nor_evaluate(
    publish: Ingest, town: Path, store: LocalStore
) -> None:
    name = middle_chip(town)
    item = publish(leave_out=[name])

    split = split_of(item, store)
    assert split.left_out == (name,)
    assert name not in (*split.train, *split.held_out)
    assert len(split.train) + len(split.held_out) == 11
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    assert item.properties[LEFT_OUT] == {"count": 1, "chips": {name: "named in the request"}}
    assert item.properties["fair:repairs"]["left_out"] == 1
    assert "buffer" not in item.properties["fair:repairs"]
    assert item.properties["fair:chip_count"] == 12
    assert report_of(item, store)["left_out"] == {name: "named in the request"}


def test_doubtful_chips_are_left_out_with_their_reasons_and_a_note(
    town: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    name, notes = middle_chip(town), list[str]()
    boxed(town, name)
    params = IngestDatasetParams(name="town", title="Town", chips=str(town), leave_out=["doubtful"])

    item = ingest(params, catalog, store, note=notes.append)

    said = item.properties[LEFT_OUT]["chips"]
    assert name in said
    assert "upright boxes" in said[name]
    assert set(split_of(item, store).left_out) == set(said)
    assert any("neither train nor evaluate" in each and name in each for each in notes)
    assert audit_of(catalog, store) == []


def audit_of(catalog: LocalCatalog, store: LocalStore) -> list[str]:
    report = audit_run.audit(catalog, store, None, AuditParams(digests=True))
    return [str(finding) for finding in report.findings if finding.severity == "error"]


def test_the_buffer_and_chips_that_are_left_out_are_counted_apart(publish: Ingest, town: Path) -> None:
    item = publish(leave_out=[middle_chip(town)], buffer_m=10.0)
    repairs = item.properties["fair:repairs"]
    assert repairs["left_out"] == 1
    assert repairs["buffer"] == item.properties["fair:split_spec"]["left_out"] - 1 > 0


def test_an_unknown_chip_is_refused_with_the_nearest_names(
    publish: Ingest, town: Path, catalog: LocalCatalog
) -> None:
    name = middle_chip(town)
    with pytest.raises(Invalid, match=rf"there is no chip {name}x; did you mean .*{name}"):
        publish(leave_out=[f"{name}x"])
    with pytest.raises(Invalid, match=r"there is no chip roof; the first of 12 is OAM"):
        publish(leave_out=["roof"])
    assert list(catalog.search(DATASETS)) == []


def test_leaving_out_everything_or_one_side_is_refused_with_the_reason(publish: Ingest, town: Path) -> None:
    names = sorted(path.stem for path in (town / "input").glob("OAM-*.tif"))
    with pytest.raises(Invalid, match=r"12 of 12 chips would be left out .*nothing would be left to learn"):
        publish(leave_out=names)
    with pytest.raises(Invalid, match=r"9 of 12 chips would be left out .*too few to split"):
        publish(leave_out=names[:9])


def test_captions_have_no_labels_to_leave_out() -> None:
    with pytest.raises(ValidationError, match="labels of captioned images are not reported on"):
        IngestDatasetParams(name="town", title="T", chips="x", captions="given", leave_out=["doubtful"])


def test_a_slice_leaves_out_what_the_whole_does_and_says_so(
    publish: Ingest, town: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    name = middle_chip(town)
    whole = publish(leave_out=[name])
    west, south, east, north = whole.bbox
    params = SliceDatasetParams(
        dataset="town", name="town-part", area=f"{west - 1},{south - 1},{east + 1},{north + 1}"
    )
    part = slices.publish_slice(params, catalog, store)

    assert split_of(part, store).left_out == (name,)
    assert part.properties[LEFT_OUT] == whole.properties[LEFT_OUT]
    assert LABEL_REPORT not in part.properties
    assert "label-report" not in part.assets
    assert validation.problems(part.to_dict(transform_hrefs=False)) == []


def test_trainings_and_searches_see_no_chip_that_was_left_out(
    publish: Ingest, town: Path, store: LocalStore, tmp_path: Path
) -> None:
    name = middle_chip(town)
    item = publish(leave_out=[name])
    split = study.choosing_split(item, store, 0, tmp_path / "search")
    assert name not in (*split.train, *split.held_out, *split.left_out)
    unpack(store.fetch(*assets.file_ref(item, assets.CHIPS)), tmp_path / "chips")
    loaded = load_samples(
        tmp_path / "chips",
        store.fetch(*assets.file_ref(item, assets.LABELS)),
        split_of(item, store),
        ["background", "building"],
        64,
        1.1,
        "average",
        lambda known, grid, classes, imagery: labels.rasterise(
            known, grid.transform, grid.height, grid.width, grid.crs, classes, IGNORE
        ),
        rules=imagery_rules.of(item.properties, item.id).model_copy(update={"chips": "alone"}),
    )
    assert name not in (*loaded.train.names, *loaded.held_out.names)
    assert len(loaded.all) == 11
