"""Follows a run and the runs that it starts, by polling the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from fair_models.client import logs
from fair_models.client.events import Event, LogLine, Progress, StateChange
from fair_models.client.reader import Reader
from fair_models.client.runs import FlowRun, RunState
from fair_models.types import Json

_LAST_LINE = "Finished in state"
_LAST_LINES_S = 3.0
"""Log lines arrive after the final state: a run sends them every two seconds unless it is told otherwise."""

_LATE = timedelta(seconds=10)
"""Runs send their lines in batches: one's line can arrive after another's later one."""


REPEATED = "training-progress"
"""Progress of its child that a run repeats for its own page. A follower of both takes the child's."""


class Follower:
    """The state of following one run: what was seen so far."""

    def __init__(self, reader: Reader, run_id: str) -> None:
        self._reader = reader
        self._disk = reader.disk_watch()
        self._run_id = run_id
        self._states: dict[str, RunState] = {}
        self._names: dict[str, str] = {}
        self._lines: set[str] = set()
        self._last_line: datetime | None = None
        self._progress: dict[str, tuple[float, str]] = {}
        self._saw_its_end = False

    def events(self, poll_s: float) -> Iterator[Event]:
        """All events until the run is over, and its last lines."""
        while True:
            run = self._reader.run(self._run_id)
            yield from self._look(run)
            if run.state.is_final:
                break
            self._disk.look(run)
            time.sleep(poll_s)
        yield from self._last_lines(poll_s)

    def _last_lines(self, poll_s: float) -> Iterator[Event]:
        """Late lines, and a late state: a cancelled run can be "crashed" for a moment."""
        deadline = time.monotonic() + _LAST_LINES_S
        while not self._saw_its_end and time.monotonic() < deadline:
            time.sleep(poll_s)
            yield from self._look(self._reader.run(self._run_id))

    def _look(self, run: FlowRun) -> Iterator[Event]:
        family = [run, *self._reader.descendants(run.id)]
        for member in family:
            self._names[member.id] = member.name
        running = [member for member in family if not member.state.is_final]
        over = [member for member in family if member.state.is_final]
        yield from self._changes(running)
        yield from self._new_lines()
        yield from self._new_progress()
        yield from self._changes(over)

    def _changes(self, runs: list[FlowRun]) -> Iterator[StateChange]:
        for run in runs:
            if self._states.get(run.id) != run.state:
                self._states[run.id] = run.state
                yield StateChange(run.id, run.name, run.flow, run.state, is_child=run.id != self._run_id)

    def _new_lines(self) -> Iterator[LogLine]:
        since = (self._last_line - _LATE).isoformat() if self._last_line else None
        for line in self._reader.lines(logs.LineFilter([*self._names], since)):
            if line["id"] not in self._lines:
                self._lines.add(line["id"])
                yield (read := self._line(line))
                self._last_line = max(self._last_line or read.time, read.time)

    def _line(self, answer: Json) -> LogLine:
        of_itself = answer["flow_run_id"] == self._run_id and answer["task_run_id"] is None
        self._saw_its_end |= of_itself and answer["message"].startswith(_LAST_LINE)
        return logs.read_line(answer, self._names[answer["flow_run_id"]])

    def _new_progress(self) -> Iterator[Progress]:
        for artifact in self._reader.artifacts(list(self._names), kind="progress"):
            if artifact["key"] == REPEATED:
                continue
            now = (float(artifact["data"]), artifact.get("description") or "")
            if self._progress.get(artifact["id"]) != now:
                self._progress[artifact["id"]] = now
                yield Progress(artifact["flow_run_id"], artifact["key"] or "", now[1], now[0])
