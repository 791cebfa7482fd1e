"""A catalogue, a store and a ledger with nothing in them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from pystac import Item

from fair_models import prechecks
from fair_models.catalog.changes import transitions
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.errors import FairModelsError
from fair_models.params import IngestDatasetParams
from fair_models.publishing.datasets import ingest
from fair_models.store.local import LocalStore
from fair_models.types import DATASETS
from tests.catalog.item_factory import base_item, dataset_item
from tests.publishing import tiny_contribution
from tests.publishing.label_servers import quick_server
from tests.publishing.memory_ledger import MemoryLedger
from tests.store.web_server import WebServer


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


Publish = Callable[..., Item]


class Refused(Protocol):
    """Publishes what is refused, and sees that nothing is stored. Returns the message."""

    def __call__(self, publish: Publish, kind: type[FairModelsError], **fields: object) -> str: ...


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    with quick_server(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def ingested(catalog: LocalCatalog, store: LocalStore) -> Publish:
    """Checks and ingests a dataset."""

    def call(**fields: object) -> Item:
        asked = IngestDatasetParams.model_validate({"name": "town", "title": "Town", **fields})
        prechecks.check(asked, catalog)
        return ingest(asked, catalog, store)

    return call


@pytest.fixture
def refused(catalog: LocalCatalog, store: LocalStore) -> Refused:
    def call(publish: Publish, kind: type[FairModelsError], **fields: object) -> str:
        with pytest.raises(kind) as error:
            publish(**fields)
        assert list(catalog.search(DATASETS)) == []
        assert list(store.hrefs()) == []
        return str(error.value)

    return call
