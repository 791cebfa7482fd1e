"""Each repair: what was wrong is right afterwards, nothing else has changed, and it says what it did."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from fair_models.audit.findings import Report
from fair_models.audit.rules import RULES
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.params import RetireParams
from fair_models.publishing.retire import retire
from fair_models.store.local import LocalStore
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS
from tests.audit.test_files import DATASET, age, edit_file
from tests.audit.test_rules import FIRST, SECOND, repoint, without_links
from tests.publishing.memory_ledger import MemoryLedger

pytestmark = pytest.mark.usefixtures("registry")

Run = Callable[..., Report]
ChangeItem = Callable[..., None]
NAME = "local-models/banepa-roofs"


def digests(store: LocalStore) -> dict[str, str]:
    return {href: hashlib.sha256(Path(href).read_bytes()).hexdigest() for href in store.hrefs()}


def items(catalog: LocalCatalog) -> dict[str, Any]:
    return {
        item.id: item.to_dict(include_self_link=False, transform_hrefs=False)
        for collection in (BASE_MODELS, DATASETS, LOCAL_MODELS)
        for item in catalog.search(collection)
    }


def repaired(run: Run, rule: str) -> list[tuple[str, str]]:
    """Repair, see that the second audit is clean, and hand back what was done: item and words."""
    assert {finding.rule for finding in run().findings} == {rule}
    assert {finding.rule for finding in run().findings} == {rule}, "an audit without repairs changes nothing"
    report = run(repair=True)
    assert list(report.findings) == []
    assert report.unrepaired == {}
    assert {repair.rule for repair in report.repairs} == {rule}
    again = run(repair=True)
    assert (list(again.findings), list(again.repairs)) == ([], [])
    return [(repair.item, repair.done) for repair in report.repairs]


def test_a_clean_registry_is_left_as_it_is(run: Run, catalog: LocalCatalog, store: LocalStore) -> None:
    before = items(catalog), digests(store)
    report = run(repair=True)
    assert list(report.repairs) == []
    assert (items(catalog), digests(store)) == before


def test_a_stale_index_is_made_again(run: Run, catalog: LocalCatalog) -> None:
    catalog.get(DATASETS, "banepa-buildings-v1")
    edit_file(catalog.root / DATASET, lambda document: document["properties"].update(description="By hand."))
    [(item, done)] = repaired(run, "index")
    assert (item, "made again" in done) == ("catalogue", True)
    assert catalog.get(DATASETS, "banepa-buildings-v1").properties["description"] == "By hand."


@pytest.mark.parametrize("part", ["extent", "summaries", "links"])
def test_a_collection_is_written_again(run: Run, catalog: LocalCatalog, part: str) -> None:
    path = catalog.root / DATASETS / "collection.json"
    before = orjson.loads(path.read_bytes())

    def spoil(document: Any) -> None:
        if part == "links":
            document["links"][-1]["title"] = "Something else"
        else:
            document[part] = {}

    edit_file(path, spoil)
    edit_file(path, lambda document: document.update({"x:kept": "what others wrote"}))
    catalog.rebuild()
    known = items(catalog)
    assert [item for item, _ in repaired(run, "collections")] == ["datasets/collection.json"]
    after = orjson.loads(path.read_bytes())
    assert after.pop("x:kept") == "what others wrote"
    assert after == before
    assert items(catalog) == known


def test_absolute_structural_links_are_made_relative(run: Run, catalog: LocalCatalog) -> None:
    known = items(catalog)
    paths = [catalog.root / each for each in (DATASET, "catalog.json", "datasets/collection.json")]
    before = [orjson.loads(path.read_bytes()) for path in paths]

    def move(path: Path) -> Callable[[Any], None]:
        def change(document: Any) -> None:
            for link in document["links"]:
                if link["rel"] in ("root", "parent", "collection", "child"):
                    link["href"] = os.path.normpath(path.parent / link["href"])

        return change

    for path in paths:
        edit_file(path, move(path))
    catalog.rebuild()
    done = dict(repaired(run, "structural-links"))
    assert set(done) == {"datasets/banepa-buildings-v1", "catalog.json", "datasets/collection.json"}
    assert [orjson.loads(path.read_bytes()) for path in paths] == before
    assert items(catalog) == known


def test_a_tombstone_of_an_item_that_exists_is_taken_out(run: Run, catalog: LocalCatalog) -> None:
    known = items(catalog)
    link = {"rel": "tombstone", "href": "./banepa-roofs-v1/banepa-roofs-v1.json", "title": "banepa-roofs-v1"}
    edit_file(
        catalog.root / LOCAL_MODELS / "collection.json", lambda document: document["links"].append(link)
    )
    catalog.rebuild()
    assert [item for item, _ in repaired(run, "tombstones")] == ["local-models/collection.json"]
    assert catalog.tombstones(LOCAL_MODELS) == []
    assert items(catalog) == known


def test_version_links_are_written_again(run: Run, catalog: LocalCatalog, change: ChangeItem) -> None:
    known = items(catalog)
    here = catalog.href(LOCAL_MODELS, "banepa-roofs-v1")
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: repoint(item, "latest-version", here))
    change(LOCAL_MODELS, "banepa-roofs-v1", without_links("successor-version"))
    change(LOCAL_MODELS, "banepa-roofs-v2", without_links("predecessor-version", "latest-version"))
    assert {item for item, _ in repaired(run, "version-links")} == {FIRST, SECOND}
    assert links(items(catalog)) == links(known)


def test_links_in_a_circle_are_written_again(run: Run, catalog: LocalCatalog, change: ChangeItem) -> None:
    known = items(catalog)
    first, second = (catalog.href(LOCAL_MODELS, f"banepa-roofs-v{number}") for number in (1, 2))
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: repoint(item, "predecessor-version", second))
    change(LOCAL_MODELS, "banepa-roofs-v2", lambda item: repoint(item, "successor-version", first))
    repaired(run, "version-cycles")
    assert links(items(catalog)) == links(known)


def links(known: dict[str, Any]) -> dict[str, set[tuple[str, str]]]:
    return {
        item_id: {(link["rel"], link["href"]) for link in document["links"]}
        for item_id, document in known.items()
    }


def test_of_two_active_versions_the_one_that_everything_names_stays(
    run: Run, catalog: LocalCatalog, change: ChangeItem, ledger: MemoryLedger
) -> None:
    known = items(catalog)
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: item.properties.update(deprecated=False))
    findings = {finding.rule for finding in run().findings}
    assert findings == {"two-active-versions", "stages"}  # ZenML cannot follow both
    report = run(repair=True)
    assert list(report.findings) == []
    first = report.repairs[0]
    assert (first.rule, first.item) == ("two-active-versions", NAME)
    assert items(catalog) == known
    assert ledger.stages() == ["archived", "production"]


def test_two_active_versions_are_left_where_the_ledger_says_otherwise(
    run: Run, catalog: LocalCatalog, change: ChangeItem, ledger: MemoryLedger
) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: item.properties.update(deprecated=False))
    ledger.set_stage("banepa-roofs", 1, "production")
    report = run("two-active-versions", repair=True)
    assert [finding.item for finding in report.findings] == [NAME]
    assert list(report.repairs) == []


def test_zenml_is_left_as_it_is_where_two_versions_are_active(
    run: Run, change: ChangeItem, ledger: MemoryLedger
) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: item.properties.update(deprecated=False))
    ledger.set_stage("banepa-roofs", 1, "production")
    before = ledger.stages()
    for _ in range(2):
        assert list(run(repair=True).repairs) == []
    assert ledger.stages() == before


def test_a_model_that_cannot_go_into_production_does_not_keep_others_from_following(
    run: Run, ledger: MemoryLedger
) -> None:
    ledger.records["banepa-roofs", 2] = replace(
        ledger.records["banepa-roofs", 2], stage="none", status="failed"
    )
    report = run(repair=True)
    assert report.unrepaired == {}
    assert {finding.rule for finding in report.findings} == {"runs", "stages"}


def test_two_active_versions_are_left_where_links_say_otherwise(
    run: Run, catalog: LocalCatalog, change: ChangeItem
) -> None:
    here = catalog.href(LOCAL_MODELS, "banepa-roofs-v1")
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: item.properties.update(deprecated=False))
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: repoint(item, "latest-version", here))
    report = run("two-active-versions", repair=True)
    assert [finding.item for finding in report.findings] == [NAME]
    assert list(report.repairs) == []


def test_stages_follow_the_catalogue(run: Run, catalog: LocalCatalog, ledger: MemoryLedger) -> None:
    known = items(catalog)
    ledger.set_stage("banepa-roofs", 1, "production")
    done = repaired(run, "stages")
    assert {item for item, _ in done} == {NAME}
    assert ledger.stages() == ["archived", "production"]
    assert items(catalog) == known


def test_production_that_nobody_published_is_archived_where_another_version_is_active(
    run: Run, ledger: MemoryLedger
) -> None:
    ledger.add()
    ledger.records["banepa-roofs", 3] = replace(ledger.records["banepa-roofs", 3], stage="production")
    repaired(run, "unpublished-production")
    assert ledger.stages() == ["archived", "production", "archived"]


def test_production_of_a_model_that_has_no_item_is_left(run: Run, ledger: MemoryLedger) -> None:
    ledger.add("huts", stage="production")
    report = run(repair=True)
    assert [finding.rule for finding in report.findings] == ["unpublished-production"]
    assert ledger.stages("huts") == ["production"]


def test_an_interrupted_deletion_is_finished(
    run: Run, catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger
) -> None:
    version = ledger.records["banepa-roofs", 1]
    retire(RetireParams(name="banepa-roofs", version=1, action="delete"), catalog, store, ledger)
    ledger.records["banepa-roofs", 1] = version
    repaired(run, "interrupted-deletions")
    assert [each.number for each in ledger.versions("banepa-roofs")] == [2]


def test_files_that_nothing_names_are_taken_away_and_no_others(run: Run, store: LocalStore) -> None:
    known = digests(store)
    path = Path(store.put("local-models/banepa-roofs/v3/model-0123.onnx", b"left by a crash").href)
    other = Path(store.put("notes.txt", b"of nobody").href)
    young = Path(store.put("local-models/banepa-roofs/v4/model-0123.onnx", b"being published").href)
    for href in store.hrefs():
        if href != str(young):
            age(Path(href), 25)
    assert {item for item, _ in repaired(run, "unreferenced-files")} == {str(path), str(other)}
    assert young.exists()
    young.unlink()
    assert digests(store) == known


def test_folders_of_interrupted_work_are_taken_away(run: Run, home: Path) -> None:
    folder, going_on = (home / "cache" / "work" / name for name in ("promote-x", "ingest-y"))
    for each in (folder, going_on):
        each.mkdir(parents=True)
    age(folder, 25)
    assert [item for item, _ in repaired(run, "leftovers")] == [str(folder)]
    assert going_on.exists()


def test_files_that_were_left_unfinished_are_taken_away(run: Run, store: LocalStore, home: Path) -> None:
    old = [store.root / "datasets" / ".chips.zip.1-ab.part", home / "cache" / ".archive.1-ab.part"]
    young = store.root / ".labels.geojson.2-cd.part"
    for path in (*old, young):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    for path in old:
        age(path, 25)
    assert {item for item, _ in repaired(run, "leftovers")} == {str(path) for path in old}
    assert young.exists()


def test_a_repair_that_cannot_be_done_is_named_and_the_others_go_on(
    run: Run, catalog: LocalCatalog, ledger: MemoryLedger, home: Path
) -> None:
    folder = home / "cache" / "work" / "promote-x"
    folder.mkdir(parents=True)
    age(folder, 25)
    ledger.set_stage("banepa-roofs", 1, "production")
    (catalog.root / DATASET).write_bytes(b"{")  # nothing can be asked of the catalogue
    report = run(repair=True)
    assert "stages" in report.unrepaired
    assert [repair.rule for repair in report.repairs] == ["leftovers"]
    assert "Repairs that failed" in report.to_markdown()
    assert {"readable", "stages"} <= {finding.rule for finding in report.findings}


def test_every_repair_is_of_a_rule_that_has_a_test_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{rule.name}"' in text for rule in RULES if rule.repair)
