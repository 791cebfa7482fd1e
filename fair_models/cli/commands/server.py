"""Commands for the local server."""

from __future__ import annotations

from fair_models.cli import output
from fair_models.cli.options import Json
from fair_models.settings import current


def up(json: Json = False) -> None:
    """Start a local Prefect server, its workers and all deployments.

    Processes that run already stay.
    """
    from fair_models.cli import local_server

    server = local_server.up(current(), output.say)
    if output.wants_json():
        output.show_json({"ui": server.ui, "started": list(server.started)})
    else:
        output.show_fields(
            "Ready", {"Prefect": server.ui, "started": server.started or "nothing; it ran already"}
        )


def down(json: Json = False) -> None:
    """Stop the local server, its workers, and the runs that they work on."""
    from fair_models.cli import local_server

    stopped = local_server.down(current())
    if output.wants_json():
        output.show_json({"stopped": stopped})
    else:
        output.show_fields("Stopped", {"stopped": stopped or "nothing; it was not running"})
