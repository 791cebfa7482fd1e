"""The report on the labels of a dataset: in its item, beside its files, and in what follows from it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from pystac import Item

from fair_models.catalog import validation
from fair_models.catalog.items.dataset import LABEL_REPORT
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.synthetic import make_settlement
from fair_models.params import IngestDatasetParams
from fair_models.publishing.datasets import ingest
from fair_models.reports import cards
from fair_models.reports.artifacts import Table
from fair_models.store.local import LocalStore

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
    report = report_of(item, store)
    assert [each["chip"] for each in report["chips"]] == sorted(each["chip"] for each in report["chips"])
    assert len(report["chips"]) == item.properties["fair:chip_count"] == 12
    assert report["summary"] == said


def test_the_same_labels_again_are_no_new_version_also_where_other_software_would_write_other_bytes(
    publish: Ingest, catalog: LocalCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fair_models.data.label_quality.report import LabelReport

    first = publish()
    document = LabelReport.document
    monkeypatch.setattr(LabelReport, "document", lambda self: {**document(self), "made_by": "other software"})
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
    del item.properties[LABEL_REPORT], item.assets["label-report"]

    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    (card,) = cards.of_ingest(item)
    assert "Labels:" not in card.markdown
