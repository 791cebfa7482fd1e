"""What careless hands and crashes leave on disk: each is found, and the rest is looked at all the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from fair_models.audit.audit_run import audit
from fair_models.audit.findings import Finding, Report
from fair_models.catalog.local import journal
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.local.journal import Step
from fair_models.params import AuditParams
from fair_models.store.local import LocalStore
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS
from tests.publishing.memory_ledger import MemoryLedger

pytestmark = pytest.mark.usefixtures("registry")

Found = Callable[..., list[Finding]]
Run = Callable[..., Report]
SECOND = "local-models/banepa-roofs-v2/banepa-roofs-v2.json"
DATASET = "datasets/banepa-buildings-v1/banepa-buildings-v1.json"


def edit_file(path: Path, change: Callable[[Any], object]) -> None:
    """Change a file as an editor does."""
    document = orjson.loads(path.read_bytes())
    change(document)
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def age(path: Path, hours: float) -> None:
    then = (datetime.now(UTC) - timedelta(hours=hours)).timestamp()
    os.utime(path, (then, then))


def only(findings: list[Finding], rule: str, item: str, *words: str) -> Finding:
    """The one finding there should be."""
    assert [(finding.rule, finding.item) for finding in findings] == [(rule, item)]
    assert all(word in findings[0].message for word in words), findings[0].message
    assert findings[0].next_step
    return findings[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty document"),
        (b'{"id": "banepa', "unexpected end"),
        (b"[]", "no STAC item"),
        (b'{"id": "banepa-roofs-v2", "links": 3}', "assets"),
        (None, "No such file"),
    ],
)
def test_an_item_file_that_cannot_be_read_does_not_end_the_audit(
    run: Run, catalog: LocalCatalog, content: bytes | None, words: str
) -> None:
    path = catalog.root / SECOND
    path.unlink() if content is None else path.write_bytes(content)
    report = run()
    only(list(report.findings), "readable", SECOND, words)
    assert report.checked == {BASE_MODELS: 1, DATASETS: 1, LOCAL_MODELS: 1}
    assert "unreferenced-files" in report.skipped


def test_beside_a_file_that_cannot_be_read_other_faults_are_found(
    found: Found, catalog: LocalCatalog
) -> None:
    (catalog.root / SECOND).write_bytes(b"{")
    edit_file(catalog.root / DATASET, lambda document: document["properties"].pop("license"))
    assert {finding.rule for finding in found()} == {"readable", "licences"}


def test_a_collection_that_cannot_be_read_is_found_and_its_items_are_looked_at(
    run: Run, catalog: LocalCatalog
) -> None:
    (catalog.root / LOCAL_MODELS / "collection.json").write_bytes(b"{")
    report = run()
    only(list(report.findings), "readable", "local-models/collection.json")
    assert report.checked[LOCAL_MODELS] == 2


def test_an_item_that_its_collection_does_not_link_is_found(found: Found, catalog: LocalCatalog) -> None:
    def forget(document: Any) -> None:
        document["links"] = [each for each in document["links"] if "banepa-roofs-v2" not in each["href"]]

    edit_file(catalog.root / LOCAL_MODELS / "collection.json", forget)
    catalog.rebuild()
    assert {(finding.rule, finding.item) for finding in found("unlinked-items", "links")} == {
        ("unlinked-items", SECOND)
    }


def test_absolute_structural_links_of_an_item_are_found(found: Found, catalog: LocalCatalog) -> None:
    def move(document: Any) -> None:
        for link in document["links"]:
            if link["rel"] in ("root", "collection"):
                link["href"] = os.path.normpath(catalog.root / DATASET / ".." / link["href"])

    edit_file(catalog.root / DATASET, move)
    catalog.rebuild()
    only(found(), "structural-links", "datasets/banepa-buildings-v1", "collection, root")


@pytest.mark.parametrize("file", ["catalog.json", "datasets/collection.json"])
def test_absolute_structural_links_of_a_collection_or_the_catalogue_are_found(
    found: Found, catalog: LocalCatalog, file: str
) -> None:
    def move(document: Any) -> None:
        [root] = [link for link in document["links"] if link["rel"] == "root"]
        root["href"] = str(catalog.root / "catalog.json")

    edit_file(catalog.root / file, move)
    catalog.rebuild()
    only(found(), "structural-links", file, "root")


@pytest.mark.parametrize("part", ["extent", "summaries"])
def test_a_collection_behind_its_items_is_found(found: Found, catalog: LocalCatalog, part: str) -> None:
    wrong = {
        "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [[None, None]]}},
        "summaries": {"keywords": ["castle"]},
    }
    edit_file(
        catalog.root / DATASETS / "collection.json", lambda document: document.update({part: wrong[part]})
    )
    catalog.rebuild()
    only(found(), "collections", "datasets", part)


def test_a_collection_that_calls_its_items_otherwise_is_found(found: Found, catalog: LocalCatalog) -> None:
    def rename(document: Any) -> None:
        [link] = [link for link in document["links"] if link["rel"] == "item"]
        link["title"] = "Something else"

    edit_file(catalog.root / DATASETS / "collection.json", rename)
    catalog.rebuild()
    only(found(), "collections", "datasets", "banepa-buildings-v1")


def test_an_item_that_was_changed_behind_the_index_is_found(run: Run, catalog: LocalCatalog) -> None:
    catalog.get(DATASETS, "banepa-buildings-v1")
    edit_file(
        catalog.root / DATASET, lambda document: document["properties"].update(description="Changed by hand.")
    )
    report = run()
    finding = only(list(report.findings), "index", "catalogue", "banepa-buildings-v1")
    assert (finding.severity, report.ok) == ("warning", True)


def test_an_index_that_is_no_database_is_found(found: Found, catalog: LocalCatalog) -> None:
    catalog.get(DATASETS, "banepa-buildings-v1")
    [database] = (catalog.root / ".index").glob("*.sqlite")
    database.write_bytes(b"x" * 10_000)
    only(found(), "index", "catalogue", "all of it")


def test_a_file_that_nothing_names_is_found_after_the_time_of_grace(
    found: Found, run: Run, store: LocalStore
) -> None:
    path = Path(store.put("local-models/banepa-roofs/v3/model-0123.onnx", b"left by a crash").href)
    assert found() == []
    age(path, 25)
    only(found(), "unreferenced-files", str(path))
    assert run(grace_hours=48.0).findings == []


def test_shards_that_nobody_finished_are_found_after_the_time_of_grace(
    found: Found, store: LocalStore
) -> None:
    path = Path(store.put("shards/0123abcd/shard-0007.json", b"{}").href)
    assert found() == []
    age(path, 25)
    only(found(), "unreferenced-files", str(path))


def test_files_of_a_prediction_are_named_by_its_item_beside_them(found: Found, store: LocalStore) -> None:
    half = Path(store.put("predictions/half/predictions.parquet", b"put, and then a crash").href)
    whole = [
        Path(store.put(f"predictions/whole/{name}", name.encode()).href)
        for name in ("predictions.parquet", "prediction.json")
    ]
    for path in (half, *whole):
        age(path, 25)
    only(found(), "unreferenced-files", str(half))


def test_a_file_that_is_put_again_gets_the_time_of_grace_again(found: Found, store: LocalStore) -> None:
    path = Path(store.put("local-models/banepa-roofs/v3/model-0123.onnx", b"left by a crash").href)
    age(path, 25)
    store.put("local-models/banepa-roofs/v3/model-0123.onnx", b"left by a crash")
    assert found() == []


def test_what_an_unlinked_item_names_is_not_called_unreferenced(
    run: Run, catalog: LocalCatalog, store: LocalStore
) -> None:
    for href in store.hrefs():
        age(Path(href), 25)
    shutil.copytree(catalog.root / LOCAL_MODELS / "banepa-roofs-v2", catalog.root / LOCAL_MODELS / "copy-v1")
    (catalog.root / LOCAL_MODELS / "copy-v1" / "banepa-roofs-v2.json").rename(
        catalog.root / LOCAL_MODELS / "copy-v1" / "copy-v1.json"
    )
    report = run()
    assert {finding.rule for finding in report.findings} == {"unlinked-items"}
    assert "unreferenced-files" in report.skipped


def test_an_interrupted_change_is_found_and_finished(found: Found, catalog: LocalCatalog) -> None:
    document = orjson.loads((catalog.root / DATASET).read_bytes())
    document["properties"]["description"] = "Changed in a commit."
    journal.stage(catalog.root, [Step(DATASET, orjson.dumps(document))])
    journal.seal(catalog.root)

    only(found(), "leftovers", "catalogue", "interrupted")
    assert catalog.get(DATASETS, "banepa-buildings-v1").properties["description"] == "Changed in a commit."
    assert found() == []


def test_a_folder_of_work_that_nobody_does_any_more_is_found(found: Found, home: Path) -> None:
    folder = home / "cache" / "work" / "promote-x"
    (folder / "inner").mkdir(parents=True)
    assert found() == []
    age(folder / "inner", 25)
    age(folder, 25)
    only(found(), "leftovers", str(folder))


class Elsewhere:
    """A catalogue that is no folder: it gives what it was given, as a database does."""

    def __init__(self, catalog: LocalCatalog, href: str) -> None:
        self._catalog, self._href = catalog, href

    def __getattr__(self, name: str) -> Any:
        return getattr(self._catalog, name)

    def search(self, collection: Any, **asked: Any) -> Any:
        for item in self._catalog.search(collection, **asked):
            if item.id == "banepa-buildings-v1":
                item.assets["labels"].href = self._href
            yield item


def test_a_relative_address_in_a_catalogue_that_is_no_folder_is_found(
    catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger
) -> None:
    whole = catalog.get(DATASETS, "banepa-buildings-v1").assets["labels"].href
    for href, rules in ((whole, []), ("../store/labels.geojson", ["absolute-links"])):
        params = AuditParams(rules=["absolute-links"])
        report = audit(Elsewhere(catalog, href), store, ledger, params)
        assert [finding.rule for finding in report.findings] == rules
    everything = audit(Elsewhere(catalog, whole), store, ledger, AuditParams())
    assert list(everything.findings) == []
    assert everything.skipped["index"] == "the catalogue is no folder"
