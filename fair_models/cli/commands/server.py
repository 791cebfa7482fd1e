"""Commands for the local server."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer

from fair_models.cli import output
from fair_models.cli.options import Json
from fair_models.errors import Invalid
from fair_models.settings import current


def up(json: Json = False) -> None:
    """Start a local Prefect server, its workers and all deployments, and the registry service.

    Processes that run already stay.
    """
    from fair_models.cli import local_server

    server = local_server.up(current(), output.say)
    if output.wants_json():
        output.show_json({"ui": server.ui, "registry": server.registry, "started": list(server.started)})
    else:
        output.show_fields(
            "Ready",
            {
                "Prefect": server.ui,
                "registry": server.registry or "not installed: pip install 'fair-models[web]'",
                "started": server.started or "nothing; it ran already",
            },
        )


def down(json: Json = False) -> None:
    """Stop the local server, its workers, the registry service, and the runs that are worked on."""
    from fair_models.cli import local_server

    stopped = local_server.down(current())
    if output.wants_json():
        output.show_json({"stopped": stopped})
    else:
        output.show_fields("Stopped", {"stopped": stopped or "nothing; it was not running"})


def serve(
    host: Annotated[
        str,
        typer.Option("--host", help="Address to listen on. Any but this machine's own needs FAIR_WEB_AUTH."),
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Default: FAIR_WEB_PORT, 8000.")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Processes that answer, 1 to 64.")
    ] = 1,
) -> None:
    """Run the registry service until it is stopped: STAC API, JSON API and downloads over HTTP.

    Its logs are JSON lines on standard output.
    """
    if importlib.util.find_spec("stac_fastapi") is None or importlib.util.find_spec("uvicorn") is None:
        raise Invalid("The registry service is not installed: pip install 'fair-models[web]'")
    from fair_models.web.server import serve as run

    settings = current()
    run(settings, host, settings.web_port if port is None else port, workers)
