"""Shows a run while it goes on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fair_models.cli import output
from fair_models.client import Client, Event, FlowRun, LogLine, Progress, StateChange

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_OURS = "fair_models"
_TRACEBACK = "Traceback (most recent call last):"


class Screen:
    """Bars for what is measured, lines for what happens. Everything goes to standard error."""

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
        """A message without a traceback that was shown before: a task, its flow and its parents tell it."""
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
        KeyboardInterrupt: Ctrl-C. The run goes on; the message says how to cancel it.
    """
    with leaving(run), _screen(verbose) as screen:
        for event in client.follow(run.id):
            if screen is not None:
                screen.show(event)
    return client.run(run.id)


@contextmanager
def leaving(run: FlowRun) -> Iterator[None]:
    """Within, Ctrl-C ends the command and says what becomes of the run.

    Raises:
        KeyboardInterrupt: Ctrl-C; names the run, and how to follow or cancel it.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped following; {run.name} goes on. Follow it again: fair-models follow {run.id} · "
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
