"""Each rule finds what it is for, and nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from pystac import Item, Link

from fair_models.audit.findings import Finding, Report
from fair_models.audit.rules import RULES
from fair_models.catalog.items.agreement import Agreement, Figure
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Change
from fair_models.params import RetireParams
from fair_models.publishing.retire import retire
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
    assert report.rules == [rule.name for rule in RULES if rule.name != "thresholds"]
    assert report.skipped == {"thresholds": "no thresholds were given"}


def test_an_empty_registry_has_no_findings(run: Run, tmp_path: Path, store: LocalStore) -> None:
    from fair_models.audit.audit_run import audit
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


@pytest.mark.parametrize("figure", [0.98, None])
def test_a_network_in_8_bits_without_a_figure_that_is_high_enough_is_found(
    found: Found, change: ChangeItem, figure: float | None
) -> None:
    def add(item: Item) -> None:
        asset = item.assets["model"].clone()
        asset.roles = ["fair:quantized-model"]
        del asset.extra_fields["mlm:artifact_type"]
        if figure is not None:
            figures = (Figure("onnxruntime", "1.31.1", "int8", figure),)
            item.properties["fair:agreement"] = Agreement(figures, 12, 32).to_json()
            asset.extra_fields["fair:mask_iou"] = figure
        item.add_asset("model-int8", asset)

    change(LOCAL_MODELS, "banepa-roofs-v2", add)

    only(found("profile"), "profile", SECOND, "assets.model-int8.fair:mask_iou", "at least 0.995")


def test_a_figure_of_a_network_in_8_bits_that_nobody_measured_is_found(
    found: Found, change: ChangeItem
) -> None:
    def add(item: Item) -> None:
        asset = item.assets["model"].clone()
        asset.roles = ["fair:quantized-model"]
        del asset.extra_fields["mlm:artifact_type"]
        asset.extra_fields["fair:mask_iou"] = 0.999
        item.add_asset("model-int8", asset)

    change(LOCAL_MODELS, "banepa-roofs-v2", add)

    only(found("profile"), "profile", SECOND, "is 0.999, fair:agreement has null")


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
    assert {name for name, reason in without.skipped.items() if "bytes" in reason} == {
        "digests",
        "entrypoints",
        "leakage",
        "run-configs",
    }


def test_two_active_versions_are_found(found: Found, change: ChangeItem) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: item.properties.update(deprecated=False))
    only(
        found("two-active-versions", "no-active-version"),
        "two-active-versions",
        "local-models/banepa-roofs",
        "banepa-roofs-v1, banepa-roofs-v2",
    )


def test_a_name_without_an_active_version_is_found(
    found: Found, change: ChangeItem, ledger: MemoryLedger
) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v2", lambda item: item.properties.update(deprecated=True))
    ledger.set_stage("banepa-roofs", 2, "archived")
    only(found(), "no-active-version", "local-models/banepa-roofs")


@pytest.mark.parametrize("action", ["archive", "delete"])
def test_a_name_whose_active_version_was_retired_needs_none(
    found: Found, catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger, action: Any
) -> None:
    params = RetireParams(name="banepa-roofs", version=2, action=action)
    retire(params, catalog, store, ledger)
    assert found() == []


def test_a_name_that_was_changed_after_its_active_version_was_deleted_needs_one(
    found: Found, catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger, change: ChangeItem
) -> None:
    retire(RetireParams(name="banepa-roofs", version=2, action="delete"), catalog, store, ledger)
    later = {"updated": "2999-01-01T00:00:00Z"}
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: item.properties.update(later))
    only(found("no-active-version"), "no-active-version", "local-models/banepa-roofs")


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
    finding = only(found(), "unpublished-production", "local-models/huts", "version 1 is in production")
    assert "fair-models promote huts --version 1" in finding.next_step


def test_without_a_ledger_its_rules_are_skipped_and_named(run: Run, ledger: MemoryLedger) -> None:
    ledger.records.clear()
    report = run(with_ledger=False)
    assert list(report.findings) == []
    assert {name for name, reason in report.skipped.items() if "ledger" in reason} == {
        "runs",
        "stages",
        "unpublished-production",
        "interrupted-deletions",
    }


def test_a_version_that_was_deleted_and_is_in_zenml_still_is_found(
    found: Found, catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger
) -> None:
    version = ledger.records["banepa-roofs", 1]
    retire(RetireParams(name="banepa-roofs", version=1, action="delete"), catalog, store, ledger)
    assert found() == []
    ledger.records["banepa-roofs", 1] = version
    only(found(), "interrupted-deletions", FIRST, "ZenML has the version still")


def test_a_link_to_a_tombstone_leads_somewhere(
    found: Found, catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger
) -> None:
    params = RetireParams(name="roofs-unet", collection=BASE_MODELS, action="delete", force=True)
    retire(params, catalog, store, ledger)
    assert found("links") == []
    assert catalog.tombstones(BASE_MODELS)


def test_an_item_with_a_tombstone_is_found(
    found: Found, catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger
) -> None:
    collection = catalog.root / LOCAL_MODELS / "collection.json"
    document = orjson.loads(collection.read_bytes())
    href = "./banepa-roofs-v1/banepa-roofs-v1.json"
    document["links"].append({"rel": "tombstone", "href": href, "title": "banepa-roofs-v1"})
    collection.write_bytes(orjson.dumps(document))
    catalog.rebuild()
    only(found(), "tombstones", FIRST)


def test_versions_that_nothing_links_are_found(found: Found, change: ChangeItem) -> None:
    for item_id in ("banepa-roofs-v1", "banepa-roofs-v2"):
        change(LOCAL_MODELS, item_id, without_links("predecessor-version", "successor-version"))
    only(found(), "version-links", SECOND, FIRST, "the version before it")


def test_an_active_version_that_is_not_the_latest_of_any_link_is_found(
    found: Found, change: ChangeItem
) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v2", without_links("latest-version"))
    only(found(), "version-links", SECOND, "no latest-version")


def test_a_local_model_with_the_name_of_a_base_model_is_found(found: Found, catalog: LocalCatalog) -> None:
    twin = catalog.get(LOCAL_MODELS, "banepa-roofs-v2").clone()
    base = next(catalog.search(BASE_MODELS)).clone()
    base.id, base.properties["mlm:name"], base.properties["version"] = twin.id, "banepa-roofs", "2"
    catalog.commit(Change(put=[base], as_found=True))
    problem = only(found("shared-names"), "shared-names", "local-models/banepa-roofs", twin.id)
    assert "base-models/banepa-roofs" in problem.next_step


def test_version_links_in_a_circle_are_found(found: Found, change: ChangeItem, catalog: LocalCatalog) -> None:
    first, second = (catalog.href(LOCAL_MODELS, f"banepa-roofs-v{number}") for number in (1, 2))
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: repoint(item, "predecessor-version", second))
    change(LOCAL_MODELS, "banepa-roofs-v2", lambda item: repoint(item, "successor-version", first))
    findings = found()
    assert names(findings) == {"version-cycles"}
    assert {finding.item for finding in findings} == {FIRST, SECOND}


def test_keywords_outside_the_vocabulary_are_found(found: Found, change: ChangeItem) -> None:
    words = ["building", "semantic-segmentation", "polygon", "castle"]
    change(DATASETS, "banepa-buildings-v1", lambda item: item.properties.update(keywords=words))
    only(found(), "keywords", "datasets/banepa-buildings-v1", "castle")


def test_keywords_of_another_task_than_the_models_are_found(found: Found, change: ChangeItem) -> None:
    words = ["building", "object-detection", "polygon"]
    change(BASE_MODELS, "roofs-unet-v1", lambda item: item.properties.update(keywords=words))
    only(found(), "keywords", "base-models/roofs-unet-v1", "object-detection")


def test_a_missing_licence_is_found(found: Found, change: ChangeItem) -> None:
    change(DATASETS, "banepa-buildings-v1", lambda item: item.properties.pop("license"))
    only(found(), "licences", "datasets/banepa-buildings-v1", "no licence")


def test_a_licence_that_nobody_knows_is_found(found: Found, change: ChangeItem) -> None:
    change(DATASETS, "banepa-buildings-v1", lambda item: item.properties.update(license="Apache-9"))
    only(found(), "licences", "datasets/banepa-buildings-v1", "Apache-9")


def test_a_licence_that_is_not_allowed_here_is_found(run: Run) -> None:
    assert run("licences", licences=["Apache-2.0", "ODbL-1.0"]).ok
    report = run("licences", licences=["Apache-2.0"])
    only(list(report.findings), "licences", "datasets/banepa-buildings-v1", "ODbL-1.0 is not allowed")


def test_an_image_without_a_digest_is_a_warning(run: Run, change: ChangeItem) -> None:
    digest = "@sha256:" + 64 * "a"

    def name_images(item: Item) -> None:
        item.assets["training-runtime"].href = "ghcr.io/hotosm/roofs:latest"
        item.assets["inference-runtime"].href = f"ghcr.io/hotosm/roofs{digest}"

    change(BASE_MODELS, "roofs-unet-v1", name_images)
    report = run()
    finding = only(
        list(report.findings), "images", "base-models/roofs-unet-v1", "training-runtime", ":latest"
    )
    assert (finding.severity, report.ok) == ("warning", True)


@pytest.mark.parametrize("value", [None, "good"])
def test_a_main_metric_without_a_number_is_found(found: Found, change: ChangeItem, value: Any) -> None:
    metrics = {"fair:building_iou": value}
    change(LOCAL_MODELS, "banepa-roofs-v2", lambda item: item.properties.update(metrics))
    only(found(), "metrics", SECOND, "fair:building_iou")


def test_a_metric_that_is_missing_is_found(found: Found, change: ChangeItem) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v2", lambda item: item.properties.pop("fair:building_iou"))
    only(found(), "metrics", SECOND, "fair:building_iou", "has no value")


def without_links(*rels: str) -> Callable[[Item], None]:
    def edit(item: Item) -> None:
        item.links = [link for link in item.links if link.rel not in rels]

    return edit


def test_an_item_of_wild_values_is_reported_and_does_not_end_the_audit(run: Run, change: ChangeItem) -> None:
    wild = {
        "fair:metrics_spec": "none",
        "keywords": [["building"], 3],
        "license": 7,
        "mlm:tasks": None,
        "mlm:input": {"a": 1},
        "created": 12,
        "version": ["2"],
    }
    change(LOCAL_MODELS, "banepa-roofs-v2", lambda item: item.properties.update(wild))
    report = run()
    assert {finding.item for finding in report.findings} == {SECOND}
    assert {"profile", "keywords", "licences", "version-numbers"} <= names(list(report.findings))
    assert sum(report.checked.values()) == 4
