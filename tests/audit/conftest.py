"""A small registry in which everything is right, to be broken by the tests in one place each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pystac import Item

from fair_models.audit.audit_run import audit
from fair_models.audit.findings import Finding, Report
from fair_models.catalog.changes import transitions
from fair_models.catalog.items import base_models, datasets
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Change
from fair_models.params import AuditParams, PromoteParams
from fair_models.publishing.promote import promote
from fair_models.store.local import LocalStore
from fair_models.store.protocol import StoredFile
from fair_models.training.config.run_config import FileRef
from fair_models.types import CollectionId
from tests.audit.small_files import HELD_OUT, TRAIN, a_chips_archive, a_code_archive, a_split
from tests.catalog.item_factory import dataset_facts, template
from tests.publishing.memory_ledger import MemoryLedger, a_dataset

Findings = list[tuple[str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def catalog(home: Path) -> LocalCatalog:
    return LocalCatalog(home / "catalog")


@pytest.fixture
def store(home: Path) -> LocalStore:
    return LocalStore(home / "store")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MemoryLedger]:
    """A base model, a dataset, a local model of two versions, as publishing makes them: home, ledger."""
    folder = tmp_path_factory.mktemp("made")
    catalog, store = LocalCatalog(folder / "home" / "catalog"), LocalStore(folder / "home" / "store")
    ledger = MemoryLedger()
    files = {
        "source-code": a_code_archive(folder / "code.zip"),
        "chips": a_chips_archive(folder / "chips.zip"),
        "split": a_split(folder / "split.json", TRAIN, HELD_OUT),
    }

    def put(place: str, key: str) -> Any:
        name = f"{place}/v1/{key}"
        return store.put(name, files.get(key, name.encode()))

    base = {key: put("base-models/roofs-unet", key) for key in ("checkpoint", "source-code", "readme")}
    base["model"] = put("base-models/roofs-unet", "model.onnx")
    data = {key: put("datasets/banepa-buildings", key) for key in ("chips", "labels", "split")}
    transitions.publish(catalog, base_models.build(template(), 1, base))
    transitions.publish(catalog, datasets.build(dataset_facts(files=data)))
    for number in (1, 2):
        ledger.add()
        config = ledger.configs["banepa-roofs", number]
        made_of = {
            "code": config.code.model_copy(update={"archive": ref(base["source-code"])}),
            "weights": ref(base["checkpoint"]),
            "data": a_dataset(data),
        }
        ledger.configs["banepa-roofs", number] = config.model_copy(update=made_of)
        promote(PromoteParams(model="banepa-roofs", version=number), catalog, store, ledger)
    return folder / "home", ledger


def ref(file: StoredFile) -> FileRef:
    return FileRef(href=file.href, checksum=file.checksum)


@pytest.fixture
def ledger(made: tuple[Path, MemoryLedger]) -> MemoryLedger:
    copy = MemoryLedger()
    copy.records = dict(made[1].records)
    copy.configs, copy.files = dict(made[1].configs), dict(made[1].files)
    return copy


@pytest.fixture
def registry(made: tuple[Path, MemoryLedger], home: Path) -> None:
    """A copy of what was made, without its index: that knows the files by their inodes."""
    shutil.copytree(made[0], home, ignore=shutil.ignore_patterns(".index"))


@pytest.fixture
def run(catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger) -> Callable[..., Report]:
    def call(*rules: str, digests: bool = True, with_ledger: bool = True, **asked: Any) -> Report:
        params = AuditParams(rules=list(rules), digests=digests, sample=0.0, **asked)
        return audit(catalog, store, ledger if with_ledger else None, params)

    return call


@pytest.fixture
def found(run: Callable[..., Report]) -> Callable[..., list[Finding]]:
    """Findings of the rules named, of all where none is."""
    return lambda *rules: list(run(*rules).findings)


@pytest.fixture
def change(catalog: LocalCatalog) -> Callable[..., None]:
    """Changes an item behind the registry's back: change("local-models", "roofs-v1", lambda item: ...)."""

    def call(collection: CollectionId, item_id: str, edit: Callable[[Item], object]) -> None:
        item = catalog.get(collection, item_id)
        edit(item)
        catalog.commit(Change(put=[item]))

    return call
