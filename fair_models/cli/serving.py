"""Commands for the local server, and for runs that go on."""

from __future__ import annotations

from typing import Annotated

import typer

from fair_models.cli import output, work
from fair_models.cli.options import Json, Verbose
from fair_models.client import Client
from fair_models.settings import current

_SERVER = "Local server (needs a checkout)"
_RUNS = "Runs on the server"

Run = Annotated[str, typer.Argument(help="Id of the run.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up", rich_help_panel=_SERVER)(up)
    app.command("down", rich_help_panel=_SERVER)(down)
    app.command("flow-runs", rich_help_panel=_RUNS)(flow_runs)
    app.command("follow", rich_help_panel=_RUNS)(follow)
    app.command("cancel", rich_help_panel=_RUNS)(cancel)


def up(json: Json = False) -> None:
    """Start a local Prefect server, its workers and all deployments. What runs already stays."""
    from fair_models.cli import local_server

    server = local_server.up(current(), output.say)
    if output.wants_json():
        output.show_json({"ui": server.ui, "started": list(server.started)})
    else:
        output.show_fields(
            "Ready", {"Prefect": server.ui, "started": server.started or "nothing; it ran already"}
        )


def down(json: Json = False) -> None:
    """Stop the local server and the workers, and the runs that they have going."""
    from fair_models.cli import local_server

    stopped = local_server.down(current())
    if output.wants_json():
        output.show_json({"stopped": stopped})
    else:
        output.show_fields("Stopped", {"stopped": stopped or "nothing; it was not running"})


def flow_runs(
    deployment: Annotated[str | None, typer.Argument(help="Only runs of this deployment.")] = None,
    model: Annotated[str | None, typer.Option(help="Only runs for this model.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
    json: Json = False,
) -> None:
    """List the latest runs on the server."""
    with Client() as client:
        found = client.runs(deployment, tags=[f"model:{model}"] if model else [], limit=limit)
    if output.wants_json():
        output.show_json([work.describe(run) for run in found])
        return
    rows = [
        {
            "run": run.name,
            "state": run.state.name,
            "asked for": f"{run.created.astimezone():%m-%d %H:%M}",
            "id": run.id,
        }
        for run in found
    ]
    output.show_rows("Runs", rows, "No run yet")


def follow(run: Run, json: Json = False, verbose: Verbose = False) -> None:
    """Follow a run until it is over, and print its result."""
    with Client() as client:
        ended, row = work.finish(client, client.run(run), verbose)
    if output.wants_json():
        output.show_json({"run": work.describe(ended), "result": row})
    else:
        output.show_fields(ended.name, row)


def cancel(run: Run, json: Json = False) -> None:
    """Cancel a run and the runs that it started."""
    with Client() as client:
        asked = client.cancel(run)
    if output.wants_json():
        output.show_json({"run": work.describe(asked)})
    else:
        output.show_fields(asked.name, {"state": asked.state.name})
