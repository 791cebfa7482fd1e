"""Commands for runs on the server: their status, log lines and results, and how to cancel them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from fair_models.cli import followed_run as work
from fair_models.cli import output
from fair_models.cli.options import Json, Verbose
from fair_models.client import Client, FlowRun, LogLine, Results
from fair_models.errors import Invalid
from fair_models.settings import current

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Run = Annotated[str, typer.Argument(help="Id of the run.")]


def flow_runs(
    deployment: Annotated[str | None, typer.Argument(help="Only runs of this deployment.")] = None,
    model: Annotated[str | None, typer.Option(help="Only runs for this model.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of runs.")] = 20,
    json: Json = False,
) -> None:
    """List the latest runs on the server."""
    with Client() as client:
        found = client.runs(deployment, tags=[f"model:{model}"] if model else [], limit=limit)
    if output.wants_json():
        output.show_json([work.describe(run) for run in found])
        return
    output.show_rows("Runs", [_row(run) for run in found], "No run yet")


def status(run: Run, json: Json = False) -> None:
    """Show the status of a run and of the runs that it started."""
    with Client() as client:
        found, word = client.run(run), client.status(run)
        started = client.descendants(run)
    if output.wants_json():
        children = [work.describe(child) for child in started]
        output.show_json({"run": {**work.describe(found), "status": word}, "children": children})
        return
    reason = work.reason(found) if found.state.message else None
    output.show_fields(found.name, {"status": word, "state": found.state.name, "why": reason})
    if started:
        output.show_rows("\nRuns that it started", [_row(child) for child in started], "")


def follow(run: Run, json: Json = False, verbose: Verbose = False) -> None:
    """Follow a run until it is over, and print its result."""
    with Client() as client:
        ended, row = work.finish(client, client.run(run), verbose)
    if output.wants_json():
        output.show_json({"run": work.describe(ended), "result": row})
    else:
        output.show_fields(ended.name, row)


def logs(
    run: Run,
    tail: Annotated[int | None, typer.Option(min=0, help="Only this number of last lines.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only lines since then: 10m, 2h or 1d ago, or a time like 2026-11-21T06:00Z."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Print the log lines of a run and of the runs that it started."""
    with Client() as client:
        found = client.logs(run, tail=tail, since=None if since is None else _time(since))
    if output.wants_json():
        output.show_json([_described(line) for line in found])
        return
    for line in found:
        level = "" if line.level < logging.WARNING else f"{logging.getLevelName(line.level).lower()}: "
        typer.echo(f"{line.time.astimezone():%Y-%m-%d %H:%M:%S} {line.run_name}: {level}{line.message}")


def results(
    run: Run,
    links: Annotated[
        int | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="Make links to the files that are valid for this number of seconds. Needs the store's "
            "credentials.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Print the result of a run, and where its files lie."""
    with Client() as client:
        found = client.results(run)
    files = dict(found.files) if links is None else _linked(found, links)
    if output.wants_json():
        outcome = found.outcome.model_dump(mode="json")
        output.show_json({"run": work.describe(found.run), "result": outcome, "files": files})
        return
    output.show_fields(found.run.name, {**found.outcome.model_dump(exclude=set(files)), **files})


def cancel(run: Run, json: Json = False) -> None:
    """Cancel a run and the runs that it started."""
    with Client() as client:
        asked = client.cancel(run)
    if output.wants_json():
        output.show_json({"run": work.describe(asked)})
    else:
        output.show_fields(asked.name, {"status": asked.state.status})


def _row(run: FlowRun) -> dict[str, Any]:
    return {
        "run": run.name,
        "status": run.state.status,
        "state": run.state.name,
        "created": f"{run.created.astimezone():%m-%d %H:%M}",
        "id": run.id,
    }


def _described(line: LogLine) -> dict[str, Any]:
    return {
        "run_id": line.run_id,
        "run": line.run_name,
        "logger": line.logger,
        "time": line.time.isoformat(),
        "level": logging.getLevelName(line.level),
        "message": line.message,
    }


def _linked(found: Results, seconds: int) -> dict[str, str]:
    from fair_models.store.opening import open_store

    store = open_store(current())
    return {name: store.link(href, seconds) for name, href in found.files.items()}


def _time(text: str) -> datetime:
    """A time, or how long ago: "10m", "2h". Without a time zone, that of this machine. Raises Invalid."""
    number, unit = text[:-1], text[-1:]
    try:
        if unit in _UNITS and number:
            return datetime.now(UTC) - timedelta(**{_UNITS[unit]: float(number)})
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise Invalid(
            f"--since {text!r} is no time. Write how long ago, such as 10m, 2h or 1d, "
            "or a time such as 2026-11-21T06:00Z"
        ) from error
