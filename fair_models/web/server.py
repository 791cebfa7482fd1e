"""The service as a server: one process, or several that share a port."""

from __future__ import annotations

import os
import socket
import tempfile

import uvicorn
from fastapi import FastAPI

from fair_models.errors import Conflict, Invalid
from fair_models.settings import Settings, current
from fair_models.web import logs
from fair_models.web.auth.hosts import require_loopback
from fair_models.web.metrics import MULTIPROCESS_FOLDER

HEAD_BYTES = 256 * 2**10
"""Address and headers that the server reads before it gives up. `Limits` refuses less, and says why."""
_KEEP_ALIVE_S = 75
"""Longer than proxies keep connections (60 s mostly): else they write to one that is being closed."""
_GRACE_S = 30
"""How long answers may take that are going on when the service is stopped."""


def serve(settings: Settings, host: str, port: int, workers: int = 1) -> None:
    """Serve until somebody stops it.

    Args:
        settings: Of this process; each worker reads the same from the environment.
        host: Address of the network interface to listen on.
        port: 1 to 65535.
        workers: Processes.

    Raises:
        Invalid: Others could reach a service without authentication, or there is no such host.
        Conflict: Another program listens on the port.
    """
    require_loopback(settings, host)
    require_free(host, port)
    if workers > 1:  # before a worker imports what counts
        os.environ.setdefault(MULTIPROCESS_FOLDER, tempfile.mkdtemp(prefix="fair-models-metrics-"))
    logs.configure()
    uvicorn.run(
        "fair_models.web.server:application",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )


def application() -> FastAPI:
    """The application in a worker, with its logs as JSON lines."""
    from fair_models.web.app import create_app
    from fair_models.web.registry import Registry

    logs.configure()
    return create_app(Registry.open(current()))


def require_free(host: str, port: int) -> None:
    """Refuse to start where another program listens.

    Raises:
        Conflict: The port is taken.
        Invalid: This machine has no such host.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise Invalid(f"There is no host {host} to listen on: name an address of this machine") from error
    except PermissionError as error:
        raise Invalid(f"Port {port} may not be used by this user: choose one from 1024 on") from error
    except OSError as error:
        raise Conflict(
            f"The registry service cannot listen on {host}, port {port} ({error.strerror}): another program "
            "may listen there. Choose another port: --port, or FAIR_WEB_PORT"
        ) from error
