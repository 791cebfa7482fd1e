"""A Prefect server for the session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from blocks.local_catalog import LocalCatalog
from blocks.local_store import LocalStore
from fair_models.client import Client
from fair_models.data.synthetic import make_settlement


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """Address of a real server with a database of its own."""
    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())


@pytest.fixture
def client(prefect_api: str) -> Iterator[Client]:
    with Client(prefect_api) as opened:
        yield opened


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small settlement in the fAIr layout."""
    return make_settlement(tmp_path_factory.mktemp("town"), seed=3, columns=4, rows=4, prediction_columns=1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home: no catalogue, no store."""
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def registry(prefect_api: str, tmp_path: Path) -> Iterator[Path]:
    """An empty catalogue and store. The rest of the home is the session's: a process has one ZenML."""
    LocalCatalog(folder=tmp_path / "catalog").save("default")
    LocalStore(folder=tmp_path / "store").save("default")
    yield tmp_path
    LocalCatalog.delete("default")
    LocalStore.delete("default")
