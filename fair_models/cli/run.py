"""Starts a run through the client, follows it, and prints what it handed back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from pydantic import BaseModel

from fair_models.cli import live, output, precheck
from fair_models.cli.options import How
from fair_models.client import Client, FlowRun
from fair_models.errors import FairModelsError
from fair_models.types import Json


class RunFailed(FairModelsError):
    """A run that was followed did not complete."""


def do(
    deployment: str,
    params: BaseModel,
    how: How,
    *,
    tags: Sequence[str] = (),
    title: str = "",
    also: Sequence[str] = (),
    numbers: Sequence[str] = (),
) -> Json | None:
    """Start a run, or find the one that the key stands for. With `wait`, follow it and print its result.

    Args:
        deployment: Name of the deployment.
        params: What is asked for.
        how: Whether to follow it, what to show, and its idempotency key.
        tags: Words to find the run by.
        title: What was done, for people.
        also: Keys of further tables that the run writes and people want to see.
        numbers: Keys of those that only programs get.

    Returns:
        The row of the result; None without `wait`.

    Raises:
        RunFailed: The run did not complete; says why.
        RunEnded: A run that was started before under the key did not complete.
        Conflict: The key stands for another request.
        Invalid, NotFound: What is asked for cannot be done. No run was created.
        Unavailable: No server answers.
    """
    with Client() as client:
        precheck.look(params, client)
        run = client.start(deployment, params, idempotency_key=how.key, again=how.again, tags=tags)
        if run.found:
            output.say(
                f"Key {how.key!r} stands for {run.name}, asked for at {run.created:%Y-%m-%d %H:%M:%S} UTC, "
                f"now {run.state.name.lower()}. Nothing new was started (run {run.id})"
            )
        if not how.wait:
            _show_started(run)
            return None
        with live.leaving(run):
            ended, row = finish(client, run, how.verbose)
            run = replace(ended, found=run.found)
            wanted = [*also, *(numbers if output.wants_json() else ())]
            tables = {key: client.table(run.id, key) for key in wanted}
    if output.wants_json():
        output.show_json({"run": describe(run), "result": row, **tables})
        return row
    output.show_fields(title or run.name, row)
    for key, rows in tables.items():
        output.show_rows(f"\n{key.capitalize()}", rows, f"No {key}")
    return row


def finish(client: Client, run: FlowRun, verbose: bool) -> tuple[FlowRun, Json]:
    """Follow a run and get the row of its result. Raises RunFailed."""
    ended = live.follow(client, run, verbose)
    if not ended.state.is_completed:
        raise RunFailed(f"{ended.name} {ended.state.name.lower()}: {reason(ended)} (run {ended.id})")
    return ended, client.result(ended.id)


def reason(run: FlowRun) -> str:
    """Why a run ended as it did, without the words that Prefect puts before every error."""
    message = run.state.message
    for words in ("Flow run encountered an exception: ", "Task run encountered an exception "):
        message = message.removeprefix(words)
    kind, colon, rest = message.partition(": ")
    return rest if colon and kind.isidentifier() else message or "no reason is known"


def describe(run: FlowRun) -> Json:
    """A run as JSON."""
    described: dict[str, Any] = {**asdict(run), "status": run.state.status}
    described["state"] = {**described["state"], "message": reason(run) if run.state.message else ""}
    return described


def _show_started(run: FlowRun) -> None:
    if output.wants_json():
        output.show_json({"run": describe(run)})
        return
    fields = {
        "run": run.id,
        "status": run.state.status,
        "follow it": f"fair-models follow {run.id}",
        "cancel it": f"fair-models cancel {run.id}",
    }
    output.show_fields(run.name, fields)
