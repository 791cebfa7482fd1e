"""A small registry in which everything is right, to be broken by the tests in one place each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pystac import Item

from fair_models.audit.findings import Finding, Report
from fair_models.audit.run import audit
from fair_models.catalog import base_models, datasets, versions
from fair_models.catalog.local import LocalCatalog
from fair_models.catalog.protocol import Change
from fair_models.params import AuditParams, PromoteParams
from fair_models.publishing.promote import promote
from fair_models.store.local import LocalStore
from fair_models.types import CollectionId
from tests.catalog.item_factory import dataset_facts, template
from tests.publishing.memory_ledger import MemoryLedger

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


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def registry(catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger) -> None:
    """A base model, a dataset, and a local model of two versions, as publishing makes them."""

    def put(name: str) -> Any:
        return store.put(name, name.encode())

    base = {key: put(f"base-models/roofs-unet/v1/{key}") for key in ("checkpoint", "source-code", "readme")}
    base["model"] = put("base-models/roofs-unet/v1/model.onnx")
    data = {key: put(f"datasets/banepa-buildings/v1/{key}") for key in ("chips", "labels", "split")}
    versions.publish(catalog, base_models.build(template(), 1, base))
    versions.publish(catalog, datasets.build(dataset_facts(files=data)))
    for number in (1, 2):
        ledger.add()
        promote(PromoteParams(model="banepa-roofs", version=number), catalog, store, ledger)


@pytest.fixture
def run(catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger) -> Callable[..., Report]:
    def call(*rules: str, digests: bool = True, with_ledger: bool = True) -> Report:
        params = AuditParams(rules=list(rules), digests=digests)
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
