"""A catalogue, a store and a ledger with nothing in them."""

from pathlib import Path

import pytest

from fair_models.catalog.changes import transitions
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.store.local import LocalStore
from tests.catalog.item_factory import base_item, dataset_item
from tests.publishing import tiny_contribution
from tests.publishing.memory_ledger import MemoryLedger


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a home of its own."""
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
def parents(catalog: LocalCatalog) -> None:
    """A base model and a dataset to derive from."""
    transitions.publish(catalog, base_item())
    transitions.publish(catalog, dataset_item())


@pytest.fixture
def contribution(tmp_path: Path) -> Path:
    return tiny_contribution.write(tmp_path)
