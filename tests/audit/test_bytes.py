"""Rules that read bytes: code that is not there, chips that leak, and the part that is read each day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pystac import Item

from fair_models.audit import code_rules
from fair_models.audit.findings import Finding, Report
from fair_models.audit.scope import Scope
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.params import AuditParams
from fair_models.store.local import LocalStore
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS
from tests.audit.small_files import HELD_OUT, PROCESSING, TRAIN, a_chips_archive, a_code_archive, a_split
from tests.publishing.memory_ledger import MemoryLedger
from tests.publishing.test_promote import of_other_bytes

pytestmark = pytest.mark.usefixtures("registry")

Found = Callable[..., list[Finding]]
ChangeItem = Callable[..., None]
BASE, DATASET = "base-models/roofs-unet-v1", "datasets/banepa-buildings-v1"


@pytest.fixture
def exchange(store: LocalStore, change: ChangeItem) -> Callable[..., None]:
    """Registers other bytes for an asset, past all checks: exchange("datasets", "x-v1", "split", path)."""

    def call(collection: str, item_id: str, key: str, path: Path) -> None:
        stored = store.put(f"{collection}/{item_id}/v9/{key}", path)

        def edit(item: Item) -> None:
            asset = item.assets[key]
            asset.href = stored.href
            asset.extra_fields |= {"file:checksum": stored.checksum, "file:size": stored.size}

        change(collection, item_id, edit)

    return call


@pytest.mark.parametrize(
    ("pipeline", "processing", "package", "words"),
    [
        (None, PROCESSING, "roofs", ["no module models.roofs.pipeline"]),
        ("def build(params): ...", PROCESSING, "roofs", ["no Params, train, evaluate, export", "pipeline"]),
        ("def build(", PROCESSING, "roofs", ["cannot be imported", "never closed"]),
        (None, "", "roofs", ["no preprocess in models.roofs.processing"]),
        (None, PROCESSING, "huts", ["holds the package models.huts"]),
    ],
)
def test_code_that_is_not_in_its_archive_is_found(
    found: Found,
    exchange: Callable[..., None],
    tmp_path: Path,
    pipeline: str | None,
    processing: str,
    package: str,
    words: Sequence[str],
) -> None:
    archive = a_code_archive(tmp_path / "other.zip", pipeline, processing, package)
    exchange(BASE_MODELS, "roofs-unet-v1", "source-code", archive)
    findings = found()
    assert {(finding.rule, finding.item) for finding in findings} == {("entrypoints", BASE)}
    assert any(all(word in finding.message for word in words) for finding in findings), findings


def test_code_that_is_no_archive_is_found(
    found: Found, exchange: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "code.py").write_text("print('hello')", encoding="utf-8")
    exchange(BASE_MODELS, "roofs-unet-v1", "source-code", tmp_path / "code.py")
    assert {(finding.rule, finding.item) for finding in found()} == {("entrypoints", BASE)}


def test_code_whose_archive_is_damaged_anywhere_is_a_finding_and_does_not_end_the_audit(
    tmp_path: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    right = a_code_archive(tmp_path / "right.zip", None, PROCESSING, "roofs").read_bytes()
    scope = Scope(catalog, store, None, AuditParams())
    damaged = tmp_path / "damaged.zip"
    told = set()
    for place in range(len(right)):
        damaged.write_bytes(right[:place] + bytes([right[place] ^ 0xFF]) + right[place + 1 :])
        found = code_rules._problems(scope, str(damaged), ("models.roofs.processing:preprocess",))
        told |= {problem.partition(" (")[0] for problem in found}
    assert "is no archive of code that can be read" in told


def test_code_is_read_and_not_executed(found: Found, exchange: Callable[..., None], tmp_path: Path) -> None:
    witness = tmp_path / "executed"
    code = f"open({str(witness)!r}, 'w')\nfrom fair_models.ml_tasks.segmentation.training import *\n"
    archive = a_code_archive(tmp_path / "other.zip", code)
    exchange(BASE_MODELS, "roofs-unet-v1", "source-code", archive)
    assert found() == []
    assert not witness.exists()


def test_a_held_out_chip_on_the_ground_of_one_that_trains_is_found(
    found: Found, exchange: Callable[..., None], tmp_path: Path
) -> None:
    twin = HELD_OUT[0].replace("OAM", "copy")
    chips = a_chips_archive(tmp_path / "other.zip", (*TRAIN, *HELD_OUT, twin))
    exchange(DATASETS, "banepa-buildings-v1", "chips", chips)
    exchange(
        DATASETS, "banepa-buildings-v1", "split", a_split(tmp_path / "other.json", (*TRAIN, twin), HELD_OUT)
    )
    [finding] = found()
    assert (finding.rule, finding.item) == ("leakage", DATASET)
    assert f"{HELD_OUT[0]} on {twin}" in finding.message
    assert HELD_OUT[1] not in finding.message


def test_neighbours_do_not_leak(found: Found) -> None:
    assert found("leakage") == []


def test_a_split_that_names_other_chips_is_found(
    found: Found, exchange: Callable[..., None], tmp_path: Path
) -> None:
    split = a_split(tmp_path / "other.json", TRAIN, (*HELD_OUT, "OAM-1-1-19"))
    exchange(DATASETS, "banepa-buildings-v1", "split", split)
    [finding] = found()
    assert (finding.rule, finding.item) == ("leakage", DATASET)
    assert "OAM-1-1-19" in finding.message


def test_a_sample_reads_each_file_once_in_its_days(catalog: LocalCatalog, store: LocalStore) -> None:
    day = datetime(2026, 11, 21, 3, 15, tzinfo=UTC)
    hrefs = [f"/data/store/{number}" for number in range(400)]
    read: list[str] = []
    for later in range(20):
        scope = Scope(catalog, store, None, AuditParams(sample=0.05), day + timedelta(days=later))
        today = [href for href in hrefs if scope.chosen(href)]
        assert 5 <= len(today) <= 40
        assert today == [href for href in hrefs if scope.chosen(href)]
        read += today
    assert sorted(read) == sorted(hrefs)


def test_a_sample_of_one_and_digests_read_everything(catalog: LocalCatalog, store: LocalStore) -> None:
    for params in (AuditParams(sample=1.0), AuditParams(digests=True, sample=0.0)):
        scope = Scope(catalog, store, None, params)
        assert all(scope.chosen(f"/data/{number}") for number in range(50))
    nothing = Scope(catalog, store, None, AuditParams(sample=0.0))
    assert not any(nothing.chosen(f"/data/{number}") for number in range(50))


def test_a_damaged_file_is_found_on_the_day_that_it_is_read(
    run: Callable[..., Report], catalog: LocalCatalog, store: LocalStore
) -> None:
    from fair_models.audit.audit_run import look
    from fair_models.audit.rules import select

    path = Path(catalog.get(LOCAL_MODELS, "banepa-roofs-v2").assets["checkpoint"].href)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[::-1])
    day = datetime(2026, 11, 21, tzinfo=UTC)
    scope = Scope(catalog, store, None, AuditParams(sample=0.05), day)
    days = [
        later
        for later in range(20)
        if look(select(["digests"]), replace(scope, moment=day + timedelta(days=later), entries=[])).findings
    ]
    assert len(days) == 1


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("code.archive", "that of banepa-roofs-v1 is"),
        ("weights", "that of roofs-unet-v1 is"),
    ],
)
def test_a_version_that_was_made_of_what_is_not_registered_is_found(
    found: Found, change: Callable[..., None], store: LocalStore, ledger: MemoryLedger, file: str, told: str
) -> None:
    config = of_other_bytes(ledger.configs["banepa-roofs", 1], file)
    put = store.put("local-models/banepa-roofs/v1/other/run.yaml", config.to_zenml().encode())

    def exchange(item: Item) -> None:
        item.assets["run-config"].href = put.href
        item.assets["run-config"].extra_fields |= {"file:checksum": put.checksum, "file:size": put.size}

    change(LOCAL_MODELS, "banepa-roofs-v1", exchange)
    [finding] = found("run-configs")
    assert (finding.severity, finding.item) == ("error", "local-models/banepa-roofs-v1")
    assert f"{file} has the digest eeeeeeeeeeee…" in finding.message
    assert told in finding.message


def test_a_run_config_that_is_none_is_found(
    found: Found, change: Callable[..., None], store: LocalStore
) -> None:
    put = store.put("local-models/banepa-roofs/v1/other/run.yaml", b"\xff")

    def exchange(item: Item) -> None:
        item.assets["run-config"].href = put.href
        item.assets["run-config"].extra_fields |= {"file:checksum": put.checksum, "file:size": put.size}

    change(LOCAL_MODELS, "banepa-roofs-v1", exchange)
    [finding] = found("run-configs")
    assert "its run config: cannot be read" in finding.message


def test_items_from_before_run_configs_are_left_alone(found: Found, change: Callable[..., None]) -> None:
    change(LOCAL_MODELS, "banepa-roofs-v1", lambda item: item.assets.pop("run-config"))
    assert found("run-configs") == []
