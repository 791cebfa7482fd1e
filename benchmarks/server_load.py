"""What a Prefect server on SQLite refuses and loses under load, with Prefect's own settings and with ours.

    python -m benchmarks.server_load [runs] [events] [threads]

Starts a server in a folder of its own, once with the settings that Prefect brings and once with those of
`fair-models up`. Threads ask for `runs` flow runs (default 200) and send `events` events (default 2000) at
the same time, each request once, without a second try. Then it counts runs and events in the server's
database. In the third line, with our settings, `fair_models.client` starts the runs, each under a key of its
own, and sends refused requests again. No worker runs.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx

from fair_models.cli import local_server
from fair_models.cli.processes import end
from fair_models.client import Client
from fair_models.client.http import Http
from fair_models.errors import FairModelsError
from fair_models.settings import Settings
from tests.services import free_port

_EVENT = "fair-models.load"
_BATCH = 10
"""Events of one request."""
_BROKEN = 599
"""Stands for a connection that ended without an answer."""
_GIVEN_UP = 598
"""Stands for a run that the client gave up to start."""
_WORDS = {_BROKEN: "a broken connection", _GIVEN_UP: "given up"}
_QUIET_S = 20
"""How long no further event has to arrive before they are counted."""


def main() -> None:
    """Measure and print."""
    runs, events, threads = (
        int(sys.argv[at]) if len(sys.argv) > at else default for at, default in ((1, 200), (2, 2000), (3, 16))
    )
    print(f"{runs} runs and {events} events from {threads} threads")
    for title, ours, again in (
        ("Prefect's settings", False, False),
        ("settings of `fair-models up`", True, False),
        ("and runs started by the client", True, True),
    ):
        with tempfile.TemporaryDirectory() as folder:
            load = _Load(runs, events, threads, again)
            print(f"{title:30} {_measured(Path(folder), ours, load)}", flush=True)


@dataclass(frozen=True)
class _Load:
    """Runs and events that threads ask for, and whether the client starts the runs."""

    runs: int
    events: int
    threads: int
    by_client: bool


def _measured(home: Path, ours: bool, load: _Load) -> str:
    port = free_port()
    settings = Settings(home=home, prefect_port=port, prefect_api_url=f"http://127.0.0.1:{port}/api")
    environment = {**os.environ, **settings.environment(), "PREFECT_HOME": str(home / "prefect")}
    if ours:
        environment = {**local_server.environment(settings), "PREFECT_HOME": str(home / "prefect")}
    services = local_server.services_of(settings)
    settings.run_folder.mkdir(parents=True)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    process = services.start("server", command, home, environment)
    try:
        deadline = time.monotonic() + local_server.START_S
        while not local_server.is_healthy(settings):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server does not start: {services.log('server')}")
            time.sleep(0.5)
        return _load(settings, home / "prefect" / "prefect.db", load)
    finally:
        end([process])


def _load(settings: Settings, database: Path, load: _Load) -> str:
    with closing(Http(settings.prefect_api_url, timeout_s=120)) as patient:
        flow = patient.post("/flows/", {"name": "load"})["id"]
        made = {"name": "load", "flow_id": flow, "parameter_openapi_schema": {"type": "object"}}
        deployment = patient.post("/deployments/", made)["id"]
    with httpx.Client(base_url=settings.prefect_api_url, timeout=120) as client:

        def post(path: str, body: object) -> int:
            try:
                return client.post(path, json=body).status_code
            except httpx.TransportError:
                return _BROKEN

        def ask(at: int) -> int:
            if not load.by_client:
                path = f"/deployments/{deployment}/create_flow_run"
                return post(path, {"idempotency_key": f"key-{at}"})
            asked_at = time.perf_counter()
            try:
                retrying.start("load", {"number": at}, idempotency_key=f"key-{at}")
            except FairModelsError:
                return _GIVEN_UP
            finally:
                waits_s.append(time.perf_counter() - asked_at)
            return 201

        def send(_: int) -> int:
            return post("/events", [_event() for _ in range(_BATCH)])

        began = time.perf_counter()
        waits_s: list[float] = []
        retrying = Client(settings.prefect_api_url)
        with closing(retrying), ThreadPoolExecutor(load.threads) as pool:
            sent = [pool.submit(send, at) for at in range(load.events // _BATCH)]
            asked = [pool.submit(ask, at) for at in range(load.runs)]
            answers = Counter(each.result() for each in asked)
            accepted = sum(_BATCH for each in sent if each.result() < 300)
        took_s = time.perf_counter() - began
    kept = _settled(database)
    there, keys = _runs(database)
    told = ", ".join(
        f"{count} times {_WORDS.get(status, status)}" for status, count in sorted(answers.items())
    )
    slowest = f", the slowest start in {max(waits_s):.0f} s" if waits_s else ""
    return (
        f"runs: {told}{slowest}; {there} are there, {there - keys} of them twice; "
        f"events: {accepted} of {load.events} accepted, {accepted - kept} lost; {took_s:.0f} s"
    )


def _event() -> dict[str, object]:
    return {
        "occurred": datetime.now(UTC).isoformat(),
        "event": _EVENT,
        "resource": {"prefect.resource.id": f"fair-models.load.{uuid4()}"},
        "id": str(uuid4()),
    }


def _runs(database: Path) -> tuple[int, int]:
    """Runs in the database, and how many keys they have."""
    with closing(_read_only(database)) as connection:
        [found] = connection.execute("SELECT count(*), count(DISTINCT idempotency_key) FROM flow_run")
    return found[0], found[1]


def _read_only(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)


def _settled(database: Path) -> int:
    """Events in the database, once no more arrive."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < _QUIET_S:
        with closing(_read_only(database)) as connection:
            [now] = connection.execute("SELECT count(*) FROM events WHERE event = ?", [_EVENT]).fetchone()
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(1)
    return last


if __name__ == "__main__":
    main()
