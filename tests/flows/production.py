"""Prefect as in production: a server that keeps its state in PostgreSQL and asks for a login, and workers.

Nothing but the blocks on the server says where the registry's parts are: workers know the server alone.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from deployments.deploy import CHECKOUT, read
from fair_models.cli.local_server import environment
from fair_models.cli.processes import Services, end
from fair_models.client import Client
from fair_models.settings import Settings
from tests import services
from tests.flows.leaking import SERVER_SECRET

LOGIN = f"operator:{SERVER_SECRET}"
APART = "apart"
"""A work pool beside those of the place. Its worker is the only one that trains and makes shards."""

POOLS = ("control", APART)
"""Where workers are."""

_FORGOTTEN = ("AWS_", "PREFECT_", "ZENML_", "FAIR_STORE", "FAIR_CATALOG", "FAIR_HOME", "MLFLOW_")


@contextmanager
def production(database: str, folder: Path) -> Iterator[Client]:
    """Start the server, deploy, start the workers. Within the block this process can save blocks.

    Args:
        database: Address of an empty database, for libpq.
        folder: For all state, and what all processes print.
    """
    home, port = folder / "home", services.free_port()
    url = f"http://127.0.0.1:{port}/api"
    own = _environment(home, url, folder)
    secret = {
        "PREFECT_SERVER_API_AUTH_STRING": LOGIN,
        "PREFECT_API_DATABASE_CONNECTION_URL": database.replace("postgresql://", "postgresql+asyncpg://"),
    }
    prefect = [sys.executable, "-m", "prefect"]
    started = Services(home, folder / "run")
    command = [*prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = started.start("server", command, CHECKOUT, {**own, **secret})
    try:
        deploying = [sys.executable, "-m", "deployments.deploy", str(_place(folder))]
        deployed = subprocess.run(
            deploying, cwd=CHECKOUT, env=own, capture_output=True, text=True, check=False
        )
        assert deployed.returncode == 0, deployed.stderr
        for pool in POOLS:
            worker = [*prefect, "worker", "start", "--pool", pool, "--name", f"worker-{pool}"]
            started.start(f"worker-{pool}", worker, CHECKOUT, own)
        with (
            temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: LOGIN}),
            Client(url, auth=SecretStr(LOGIN)) as client,
        ):
            try:
                yield client
            finally:  # one for all servers: what comes later would wait for this one
                EventsWorker.drain_all(timeout=60)
    finally:
        end([process for process in started.all() if process.pid != server.pid])
        end([server])


def _environment(home: Path, url: str, folder: Path) -> dict[str, str]:
    """What the processes know: their home and the server, and nothing of the registry of other tests."""
    (home / "prefect").mkdir(parents=True)
    local = environment(Settings(home=home))
    return {name: value for name, value in local.items() if not name.startswith(_FORGOTTEN)} | {
        "FAIR_HOME": str(home),
        "TMPDIR": str(folder),
        "ZENML_CONFIG_PATH": str(home / "zenml"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "PREFECT_API_URL": url,
        "PREFECT_API_AUTH_STRING": LOGIN,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def _place(folder: Path) -> Path:
    """The place of one machine, with trainings and shards in one more pool."""
    place = read(CHECKOUT / "deployments" / "local.yaml")
    place["work_pools"][APART] = place["work_pools"]["train"]
    place["also_in"] = {"train": [APART], "predict-shards": [APART]}
    path = folder / "place.yaml"
    path.write_text(yaml.safe_dump(place), encoding="utf-8")
    return path
