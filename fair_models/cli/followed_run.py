"""Starts a run through the client, follows it live, and prints its result."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from fair_models.cli import output, precheck
from fair_models.cli.options import How
from fair_models.client import Client, Event, FlowRun, LogLine, Progress, StateChange
from fair_models.errors import FairModelsError
from fair_models.reports.outcome import for_people
from fair_models.types import Json

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_OURS = "fair_models"
_TRACEBACK = "Traceback (most recent call last):"


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
    """Start a run, or find the run of the key. With `wait`, follow it and print its result.

    Args:
        deployment: Name of the deployment.
        params: Its parameters.
        how: Whether to follow it, what to show, and its idempotency key.
        tags: Words to find the run by.
        title: Heading of the result, for people.
        also: Keys of further tables of the run to show.
        numbers: Keys of tables that only programs get.

    Returns:
        The row of the result; None without `wait`.

    Raises:
        RunFailed: The run did not complete; says why.
        RunEnded: The run of the key did not complete.
        Conflict: The key belongs to another request.
        Invalid, NotFound: The request is wrong. No run was created.
        Unavailable: No server answers.
    """
    with Client() as client:
        precheck.look(params, client)
        run = client.start(deployment, params, idempotency_key=how.key, again=how.again, tags=tags)
        if run.found:
            output.say(
                f"Key {how.key!r} belongs to {run.name}, created at {run.created:%Y-%m-%d %H:%M:%S} UTC, "
                f"now {run.state.name.lower()}. No new run was started (run {run.id})"
            )
        if not how.wait:
            _show_started(run)
            return None
        with leaving(run):
            ended, row = finish(client, run, how.verbose)
            run = replace(ended, found=run.found)
            wanted = [*also, *(numbers if output.wants_json() else ())]
            tables = {key: client.table(run.id, key) for key in wanted}
    if output.wants_json():
        output.show_json({"run": describe(run), "result": row, **tables})
        return row
    output.show_fields(title or run.name, for_people(row))
    for key, rows in tables.items():
        output.show_rows(f"\n{key.capitalize()}", rows, f"No {key}")
    return row


def finish(client: Client, run: FlowRun, verbose: bool) -> tuple[FlowRun, Json]:
    """Follow a run and get the row of its result. Raises RunFailed."""
    ended = follow(client, run, verbose)
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


class Screen:
    """Progress bars, and a line for each event. Everything goes to standard error."""

    def __init__(self, bars: Bars, verbose: bool) -> None:
        self._bars = bars
        self._verbose = verbose
        self._now = bars.add_task("", total=None)
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._shown: dict[str, str] = {}
        self._errors: set[str] = set()

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, LogLine):
            self._line(event)
        else:
            self._state(event)

    def _progress(self, event: Progress) -> None:
        place = (event.run_id, event.key)
        if place not in self._tasks:
            self._tasks[place] = self._bars.add_task(event.description, total=100)
        self._bars.update(self._tasks[place], completed=event.percent, description=event.description)

    def _line(self, event: LogLine) -> None:
        if self._verbose or event.logger.startswith(_OURS):
            level = "" if event.level < logging.WARNING else f"{logging.getLevelName(event.level).lower()}: "
            self._print(f"    {event.time.astimezone():%H:%M:%S} {level}{self._once(event.message)}")

    def _once(self, message: str) -> str:
        """A message without a traceback that was shown before: a task, its flow and its parents log it."""
        head, traceback, tail = message.partition(_TRACEBACK)
        error = tail.rstrip().rpartition("\n")[2].strip()
        if not traceback or error not in self._errors:
            self._errors.add(error)
            return message
        return head.rstrip() or error

    def _state(self, event: StateChange) -> None:
        if self._shown.get(event.run_id) == event.state.name:
            return
        self._shown[event.run_id] = event.state.name
        text = f"{event.flow} {event.state.name.lower()}"
        self._bars.update(self._now, description=text)
        self._print(f"    {text}" if event.is_child else f"  {text}")

    def _print(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)


def follow(client: Client, run: FlowRun, verbose: bool) -> FlowRun:
    """Show a run until it is over. With --json nothing is shown.

    Returns:
        The run as it ended.

    Raises:
        KeyboardInterrupt: Ctrl-C. The run continues; the message says how to cancel it.
    """
    with leaving(run), _screen(verbose) as screen:
        for event in client.follow(run.id):
            if screen is not None:
                screen.show(event)
    return client.run(run.id)


@contextmanager
def leaving(run: FlowRun) -> Iterator[None]:
    """Within, Ctrl-C ends the command and says that the run continues.

    Raises:
        KeyboardInterrupt: Ctrl-C; names the run, and how to follow or cancel it.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped following; {run.name} continues. Follow it again: fair-models follow {run.id} · "
            f"Cancel it: fair-models cancel {run.id}"
        ) from None


@contextmanager
def _screen(verbose: bool) -> Iterator[Screen | None]:
    if output.wants_json():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = [
        BarColumn(bar_width=30),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    ]
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Screen(bars, verbose)
