"""Prefect servers for the session: a bare one, and one with workers as the command line starts it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from blocks.local_catalog import LocalCatalog
from blocks.local_store import LocalStore
from deployments.deploy import deploy
from fair_models.client import Client
from fair_models.data.synthetic import make_settlement
from flows.runtime import places
from tests.flows.backend import PROJECT, Backend, processes
from tests.services import free_port

QUICK = {
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "2",
    "FAIR_MIN_CHIPS_PER_SUB_RUN": "100",
}
"""The server looks more often for runs that died and for what they held: tests wait for both.

Sub-runs may be small."""

ELSEWHERE = ("PREFECT_", "ZENML_", "FAIR_STORE", "FAIR_CATALOG")
"""Variables that would lead away from the home of the server that tests start."""


@pytest.fixture(scope="package")
def prefect_api() -> Iterator[str]:
    """Address of a real server with a database of its own."""
    with prefect_test_harness(server_startup_timeout=300):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="package")
def api(prefect_api: str) -> httpx.Client:
    """The server's REST API, with everything deployed."""
    deploy("local")
    return httpx.Client(base_url=prefect_api, timeout=30)


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
    LocalCatalog(folder=tmp_path / "catalog").save("default", overwrite=True)
    LocalStore(folder=tmp_path / "store").save("default", overwrite=True)
    yield tmp_path
    LocalCatalog.delete("default")
    LocalStore.delete("default")
    places.enter()  # what flows of this process put into its environment goes too


@pytest.fixture(scope="package")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A local server with workers and deployments, started by the command line."""
    home = tmp_path_factory.mktemp("backend") / "home"
    port, web_port = str(free_port()), str(free_port())
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ELSEWHERE)}
    (home.parent / "tmp").mkdir()
    own = {"FAIR_HOME": str(home), "FAIR_PREFECT_PORT": port, "FAIR_WEB_PORT": web_port}
    own["TMPDIR"] = str(home.parent / "tmp")
    made = Backend(home, {**inherited, **QUICK, **own})
    started = made.command("up", "--json")
    try:
        assert started.returncode == 0, started.stderr
        yield made
    finally:
        stopped = made.command("down", "--json")
    assert {"server", "registry", "worker-control", "worker-predict", "worker-train"} <= set(
        json.loads(stopped.stdout)["stopped"]
    )
    assert psutil.pid_exists(os.getpid())
    assert not any(str(home) in " ".join(process.cmdline()) for process in processes())


@pytest.fixture(scope="package")
def registered(backend: Backend, town: Path) -> tuple[str, str]:
    """A base model and a dataset, asked for under the keys that docs/tutorials/backend.md has."""
    [contribution, *_] = sorted((PROJECT / "models").glob("*/stac-item.json"), reverse=True)
    town_params = {"name": "town-buildings", "title": "Town", "chips": str(town / "input")}
    base = backend.start("register-model", {"source": str(contribution.parent)}, "register-unet-1")
    data = backend.start("ingest-dataset", town_params, "ingest-town-1")
    return backend.outcome(base)["item"], backend.outcome(data)["item"]
