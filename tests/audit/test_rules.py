"""Each rule finds what it is for, and nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pystac import Item, Link

from fair_models.audit.findings import Finding, Report
from fair_models.audit.rules import RULES
from fair_models.catalog.local import LocalCatalog
from fair_models.catalog.protocol import Change
from fair_models.store.local import LocalStore
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS
from tests.publishing.memory_ledger import MemoryLedger

pytestmark = pytest.mark.usefixtures("registry")

Run = Callable[..., Report]
Found = Callable[..., list[Finding]]
ChangeItem = Callable[..., None]
FIRST, SECOND = "local-models/banepa-roofs-v1", "local-models/banepa-roofs-v2"


def only(findings: list[Finding], rule: str, item: str, *words: str) -> Finding:
    """The one finding there should be."""
    assert [(finding.rule, finding.item) for finding in findings] == [(rule, item)]
    assert all(word in findings[0].message for word in words), findings[0].message
    assert findings[0].next_step
    return findings[0]


def names(findings: list[Finding]) -> set[str]:
    return {finding.rule for finding in findings}


def repoint(item: Item, rel: str, href: str) -> None:
    item.links = [link for link in item.links if link.rel != rel]
    item.links.append(Link(rel, href))


def test_a_registry_made_by_publishing_has_no_findings(run: Run) -> None:
    report = run()
    assert list(report.findings) == []
    assert report.ok
    assert report.checked == {BASE_MODELS: 1, DATASETS: 1, LOCAL_MODELS: 2}
    assert report.rules == [rule.name for rule in RULES]
    assert report.skipped == {}


def test_an_empty_registry_has_no_findings(run: Run, tmp_path: Path, store: LocalStore) -> None:
    from fair_models.audit.run import audit
    from fair_models.params import AuditParams

    report = audit(LocalCatalog(tmp_path / "nothing"), store, None, AuditParams())
    assert list(report.findings) == []
    assert report.checked == {BASE_MODELS: 0, DATASETS: 0, LOCAL_MODELS: 0}


def test_an_item_that_breaks_its_profile_is_an_error_for_each_reason(
    found: Found, change: ChangeItem
) -> None:
    def spoil(item: Item) -> None:
        item.properties["fair:resampling"] = "guess"
        item.properties["fair:sample_size_px"] = 1

    change(BASE_MODELS, "roofs-unet-v1", spoil)
    findings = found("profile")
    assert {finding.item for finding in findings} == {"base-models/roofs-unet-v1"}
    assert len(findings) == 2
    assert {finding.severity for finding in findings} == {"error"}


def test_a_missing_asset_is_found(found: Found, catalog: LocalCatalog) -> None:
    path = Path(catalog.get(LOCAL_MODELS, "banepa-roofs-v2").assets["checkpoint"].href)
    path.unlink()
    only(found("assets", "digests"), "assets", SECOND, "checkpoint", str(path))


def test_a_missing_asset_that_several_items_name_is_found_for_each(
    found: Found, catalog: LocalCatalog
) -> None:
    Path(catalog.get(BASE_MODELS, "roofs-unet-v1").assets["source-code"].href).unlink()
    assert {finding.item for finding in found("assets")} == {"base-models/roofs-unet-v1", FIRST, SECOND}


def test_an_asset_of_another_size_is_found_without_reading_it(run: Run, catalog: LocalCatalog) -> None:
    path = Path(catalog.get(LOCAL_MODELS, "banepa-roofs-v2").assets["checkpoint"].href)
    path.chmod(0o644)
    path.write_bytes(b"short")
    only(list(run("assets", digests=False).findings), "assets", SECOND, "checkpoint", "5 bytes")


def test_changed_bytes_of_the_same_size_are_found_by_their_digest(run: Run, catalog: LocalCatalog) -> None:
    path = Path(catalog.get(LOCAL_MODELS, "banepa-roofs-v2").assets["checkpoint"].href)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[::-1])

    only(list(run().findings), "digests", SECOND, "checkpoint", "other bytes")
    without = run(digests=False)
    assert list(without.findings) == []
    assert without.skipped == {"digests": "reading the bytes was switched off"}


def test_two_active_versions_are_found(found: Found, change: ChangeItem) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: item.properties.update(deprecated=False))
    only(
        found("two-active-versions", "no-active-version"),
        "two-active-versions",
        "local-models/banepa-roofs",
        "banepa-roofs-v1, banepa-roofs-v2",
    )


def test_a_name_without_an_active_version_is_a_warning(
    run: Run, change: ChangeItem, ledger: MemoryLedger
) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v2", lambda item: item.properties.update(deprecated=True))
    ledger.set_stage("banepa-roofs", 2, "archived")
    report = run()
    finding = only(list(report.findings), "no-active-version", "local-models/banepa-roofs")
    assert finding.severity == "warning"
    assert report.ok


def test_an_item_whose_version_is_not_that_of_its_id_is_found(found: Found, change: ChangeItem) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v2", lambda item: item.properties.update(version="7"))
    only(found("version-numbers"), "version-numbers", SECOND, "version is 7", "id says 2")


def test_an_item_whose_name_is_not_that_of_its_id_is_found(found: Found, change: ChangeItem) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v2", lambda item: item.properties.update({"mlm:name": "huts"}))
    only(found("version-numbers"), "version-numbers", SECOND, "huts")


def test_a_link_to_an_item_that_is_gone_is_found(found: Found, catalog: LocalCatalog) -> None:
    catalog.commit(Change(remove=[(LOCAL_MODELS, "banepa-roofs-v1")]))
    only(found("links", "version-links"), "links", SECOND, "predecessor-version", "banepa-roofs-v1")


def test_a_local_model_whose_dataset_is_gone_is_found(found: Found, catalog: LocalCatalog) -> None:
    catalog.commit(Change(remove=[(DATASETS, "banepa-buildings-v1")]))
    findings = found("links")
    assert {finding.item for finding in findings} == {FIRST, SECOND}
    assert all("derived_from" in finding.message for finding in findings)


def test_a_local_model_that_does_not_link_what_it_names_is_found(found: Found, change: ChangeItem) -> None:
    change(
        LOCAL_MODELS,
        "banepa-roofs-v2",
        lambda item: item.properties.update({"fair:dataset_id": "banepa-buildings-v2"}),
    )
    only(found("links"), "links", SECOND, "datasets/banepa-buildings-v2", "fair:dataset_id")


def test_a_version_link_that_is_not_answered_is_found(
    found: Found, change: ChangeItem, catalog: LocalCatalog
) -> None:
    here = catalog.href(LOCAL_MODELS, "banepa-roofs-v1")
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: repoint(item, "successor-version", here))
    messages = {finding.item: finding.message for finding in found("version-links")}
    assert set(messages) == {FIRST, SECOND}
    assert f"its predecessor-version is {FIRST}" in messages[SECOND]
    assert f"successor-version is {FIRST}" in messages[SECOND]


def test_a_version_link_to_another_name_is_found(
    found: Found, change: ChangeItem, catalog: LocalCatalog
) -> None:
    other = catalog.href(BASE_MODELS, "roofs-unet-v1")
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: repoint(item, "successor-version", other))
    assert any("is of another name" in finding.message for finding in found("version-links"))


def test_a_latest_version_that_is_not_the_active_one_is_found(
    found: Found, change: ChangeItem, catalog: LocalCatalog
) -> None:
    here = catalog.href(LOCAL_MODELS, "banepa-roofs-v1")
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: repoint(item, "latest-version", here))
    only(found("version-links"), "version-links", FIRST, "latest-version", SECOND)


@pytest.mark.parametrize("status", ["running", "failed", "missing"])
def test_a_published_version_whose_run_did_not_complete_is_found(
    found: Found, ledger: MemoryLedger, status: Any
) -> None:
    key = ("banepa-roofs", 2)
    ledger.records[key] = replace(ledger.records[key], status=status)
    only(found(), "runs", SECOND, status)


def test_a_published_version_that_the_ledger_does_not_know_is_found(
    found: Found, ledger: MemoryLedger
) -> None:
    ledger.records.clear()
    findings = found()
    assert names(findings) == {"runs"}
    assert {finding.item for finding in findings} == {FIRST, SECOND}


def test_a_stage_out_of_step_is_found(found: Found, ledger: MemoryLedger) -> None:
    ledger.set_stage("banepa-roofs", 1, "production")
    findings = found()
    assert [(finding.rule, finding.item) for finding in findings] == [("stages", FIRST), ("stages", SECOND)]
    assert "is production instead of archived" in findings[0].message
    assert "is archived instead of production" in findings[1].message


def test_production_without_an_item_is_found(found: Found, ledger: MemoryLedger) -> None:
    ledger.add("huts", stage="production")
    finding = only(found(), "stages", "local-models/huts", "version 1 is in production")
    assert "fair-models promote huts --version 1" in finding.next_step


def test_without_a_ledger_its_rules_are_skipped_and_named(run: Run, ledger: MemoryLedger) -> None:
    ledger.records.clear()
    report = run(with_ledger=False)
    assert list(report.findings) == []
    assert report.skipped == {"runs": "no ledger was given", "stages": "no ledger was given"}
