"""A local Prefect server with workers and deployments, and the registry service, as processes of their own.

They need a checkout: the flows are no part of the installed package.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
from filelock import FileLock

from fair_models.cli.processes import Services, end, is_alive
from fair_models.errors import Conflict, FairModelsError, Invalid, Unavailable
from fair_models.settings import Settings, checkout_root

POOLS = ("control", "predict", "train")
_PREFECT = (sys.executable, "-m", "prefect")
START_S = 180
"""How long the first start may take; it makes the server's database."""
CANCELLED_AFTER_S = 20
"""How long a run may take to end after it was cancelled: longer than a training takes at most."""

_PATIENCE = {
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "30",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_MAX_FLUSH_RETRIES": "100",
}
"""Patience of the server with its database. The environment may say otherwise.

It waits 60 and 30 s (by itself 10 and 5), and drops events that it could not write after 100 failures in a
row (by itself 5).
"""

_UP = "up"
"""Under this name `up` itself is noted as long as it starts things."""

_ROUNDS = 5
"""How often `down` looks for what was started while it ended the rest."""

Say = Callable[[str], None]
"""Called with what is being done, for people."""


@dataclass(frozen=True)
class LocalServer:
    """What `up` made.

    ui: Address of Prefect's pages.
    registry: Address of the registry service; None where it is not installed.
    started: Names of the processes that were started; the others ran already.
    """

    ui: str
    registry: str | None
    started: tuple[str, ...]


def up(settings: Settings, say: Say) -> LocalServer:
    """Start what does not run yet: the server, its work pools and deployments, workers, the registry service.

    Raises:
        Invalid: Not in a checkout, Prefect is not installed, or PREFECT_API_URL names another server.
        Conflict: Another program listens on a port.
        FairModelsError: A process ended by itself.
    """
    checkout = _checkout()
    _require_local(settings)
    settings.run_folder.mkdir(parents=True, exist_ok=True)
    services = services_of(settings)
    with FileLock(settings.run_folder / "up.lock"):
        services.note(_UP, psutil.Process())
        services.rotate()
        try:
            registry = _registry_command(services, settings) if _has_registry() else None
            started = _start_server(services, checkout, settings, say)
            started += _start_registry(services, registry, checkout, settings, say)
            _deploy(services, checkout, settings, say)
            started += _start_workers(services, checkout, settings, say)
            if registry is not None:
                _wait("registry", services, partial(_is_alive, registry_address(settings)))
            _arrange_stack(settings, say)
        finally:
            services.forget(_UP)
    return LocalServer(
        ui=ui_address(settings),
        registry=registry_address(settings) if registry is not None else None,
        started=tuple(started),
    )


def down(settings: Settings) -> list[str]:
    """End the server, the workers and the runs that they have going, also after a crash.

    Called again after it was interrupted, it ends what is left.

    Returns:
        What was ended: names, and "run" for each run or other child that was going.

    Raises:
        FairModelsError: A process is still there after it was killed.
    """
    services = services_of(settings)
    starting = services.find(_UP)
    if starting is not None and starting.pid != os.getpid():
        end([starting])  # it would go on, and start what is ended here
    known = {
        name: process for name in ("server", "registry", *_workers()) if (process := services.find(name))
    }
    names = {process.pid: name for name, process in known.items()}
    ended: dict[int, str] = {}
    for _ in range(_ROUNDS):
        going = {*services.all(), *filter(is_alive, known.values())}
        if not going:
            break
        ended |= {process.pid: names.get(process.pid, "run") for process in going}
        server = {process for process in going if names.get(process.pid) == "server"}
        end([*(going - server)])
        end([*server])
    else:
        raise FairModelsError(f"These processes cannot be ended: {', '.join(map(str, sorted(ended)))}")
    services.forget()
    return sorted(ended.values(), key=[*known, "run"].index)


def services_of(settings: Settings) -> Services:
    """The processes that belong to these settings."""
    return Services(home=settings.home, folder=settings.run_folder)


def ui_address(settings: Settings) -> str:
    """Address of Prefect's pages."""
    return settings.prefect_api_url.removesuffix("/api")


def registry_address(settings: Settings) -> str:
    """Address of the registry service on this machine."""
    return f"http://127.0.0.1:{settings.web_port}"


def environment(settings: Settings) -> dict[str, str]:
    """Environment of the server and the workers.

    The programs of this Python come first in the path; work is looked for every second, and log lines
    are sent twice a second, so that whoever follows a run sees it live. A worker whose stream of events broke
    asks for cancelled runs every few seconds (Prefect's default is two minutes). A run that nobody ends after
    it was cancelled is called cancelled by the server.
    """
    return {
        **_PATIENCE,
        **os.environ,
        **settings.environment(),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_CANCELLATION_POLL_SECONDS": "5",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.5",
        "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS": str(CANCELLED_AFTER_S),
        "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "5",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    }


def _checkout() -> Path:
    checkout = checkout_root()
    if checkout is None:
        raise Invalid(
            "A local server needs a checkout of fair-models, and there is none here or above. "
            "Change into one, or set PREFECT_API_URL to a server that has the flows deployed"
        )
    if importlib.util.find_spec("prefect") is None:
        raise Invalid(
            "Prefect is not installed. Install the package with its extras: pip install -e '.[train,flows]'"
        )
    return checkout


def _require_local(settings: Settings) -> None:
    address = urlsplit(settings.prefect_api_url)
    if address.hostname not in {"127.0.0.1", "localhost"} or address.port != settings.prefect_port:
        raise Invalid(
            f"PREFECT_API_URL names {settings.prefect_api_url}, which is not the local server on port "
            f"{settings.prefect_port}. Unset it to use a local server"
        )


def _start_server(services: Services, checkout: Path, settings: Settings, say: Say) -> list[str]:
    port = str(settings.prefect_port)
    running = services.find("server")
    if running and port in running.cmdline():
        return []
    if running:
        raise Conflict(
            f"The local server of {settings.home} runs on another port than {port}. "
            "Stop it first: fair-models down. Or unset FAIR_PREFECT_PORT"
        )
    if _listens(settings.prefect_port):
        raise Conflict(
            f"Port {port} is taken by another program, so that the server cannot start. "
            f"Choose another: FAIR_PREFECT_PORT={settings.prefect_port + 1} fair-models up "
            "(and keep the variable set for the commands after it)"
        )
    say("starting the Prefect server")
    command = [*_PREFECT, "server", "start", "--host", "127.0.0.1", "--port", port]
    services.start("server", command, checkout, environment(settings))
    return ["server"]


def _has_registry() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("stac_fastapi", "uvicorn"))


def _registry_command(services: Services, settings: Settings) -> list[str]:
    """How the registry service is started; empty where it runs already. Looked at before anything is started.

    Raises:
        Invalid: Others could reach it without authentication.
        Conflict: It runs on another port, or another program listens there.
    """
    from fair_models.web.auth.hosts import require_loopback

    require_loopback(settings)
    port = str(settings.web_port)
    running = services.find("registry")
    if running and port in running.cmdline():
        return []
    if running:
        raise Conflict(
            f"The registry service of {settings.home} runs on another port than {port}. "
            "Stop it first: fair-models down. Or unset FAIR_WEB_PORT"
        )
    if _listens(settings.web_port):
        raise Conflict(
            f"Port {port} is taken by another program, so that the registry service cannot start. "
            f"Choose another: FAIR_WEB_PORT={settings.web_port + 1} fair-models up "
            "(and keep the variable set for the commands after it)"
        )
    main = "from fair_models.cli import main; main()"
    return [sys.executable, "-c", main, "serve", "--host", "127.0.0.1", "--port", port]


def _start_registry(
    services: Services, command: list[str] | None, checkout: Path, settings: Settings, say: Say
) -> list[str]:
    if not command:
        return []
    say("starting the registry service")
    services.start("registry", command, checkout, environment(settings))
    return ["registry"]


def _deploy(services: Services, checkout: Path, settings: Settings, say: Say) -> None:
    """Deploy in a process of its own. Its imports overlap with the server's start."""
    command = [sys.executable, "-m", "deployments.deploy", "local"]
    deploying = services.start("deploy", command, checkout, environment(settings))
    _wait("server", services, lambda: is_healthy(settings))
    say("deploying the flows")
    code = deploying.wait(timeout=START_S)
    if code != 0:
        raise services.died("deploy")


def _start_workers(services: Services, checkout: Path, settings: Settings, say: Say) -> list[str]:
    missing = {name: pool for name, pool in _workers().items() if not services.find(name)}
    if missing:
        say("starting the workers")
    # The server shows a worker that died as online for a while, so each gets a name of its own.
    own = {name: f"{name}-{secrets.token_hex(2)}" for name in missing}
    for name, pool in missing.items():
        command = [*_PREFECT, "worker", "start", "--pool", pool, "--name", own[name]]
        services.start(name, command, checkout, environment(settings))
    for name, pool in missing.items():
        _wait(name, services, partial(_is_online, settings, pool, own[name]))
    return list(missing)


def _arrange_stack(settings: Settings, say: Say) -> None:
    """Make the ZenML stack that the settings ask for; what ZenML brings along needs no making."""
    from fair_models.training.process import stack
    from fair_models.training.process.environment import zenml_client

    if stack.wanted(settings):
        say("arranging the ZenML stack")
        stack.arrange(zenml_client(settings), settings)


def _workers() -> dict[str, str]:
    return {f"worker-{pool}": pool for pool in POOLS}


def _wait(name: str, services: Services, ready: Callable[[], bool]) -> None:
    """Wait until something is ready, as long as the process behind it lives."""
    deadline = time.monotonic() + START_S
    while not ready():
        if services.find(name) is None:
            raise services.died(name)
        if time.monotonic() > deadline:
            raise Unavailable(f"{name} is not ready after {START_S} s. Its output: {services.log(name)}")
        time.sleep(0.1)


def is_healthy(settings: Settings) -> bool:
    """Whether a Prefect server answers."""
    try:
        return httpx.get(f"{settings.prefect_api_url}/health", timeout=5).is_success
    except httpx.TransportError:
        return False


def _is_alive(address: str) -> bool:
    """Whether the registry service answers."""
    try:
        return httpx.get(f"{address}/health/live", timeout=5).is_success
    except httpx.TransportError:
        return False


def _is_online(settings: Settings, pool: str, worker: str) -> bool:
    address = f"{settings.prefect_api_url}/work_pools/{pool}/workers/filter"
    try:
        answer = httpx.post(address, json={}, timeout=10)
    except httpx.TransportError:  # so busy that it does not answer in time
        return False
    if answer.is_server_error:
        return False
    workers = answer.raise_for_status().json()
    return any(each["name"] == worker and each["status"] == "ONLINE" for each in workers)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
