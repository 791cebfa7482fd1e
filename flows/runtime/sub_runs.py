"""Shards that sub-runs in the work pool make: many workers or pods, one piece of work."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Protocol
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun

from fair_models.errors import FairModelsError

logger = logging.getLogger("fair_models.flows")

_ROUNDS = 3
"""How often missing shards are sent out: a pod that is taken away does not end the work."""

_LOOK_S = 1.0


class SharedWork(Protocol):
    """Work in shards that sub-runs share."""

    @property
    def shards(self) -> range:
        """Numbers of all shards."""

    @property
    def runs(self) -> int:
        """How many sub-runs share the work."""

    @property
    def noun(self) -> str:
        """What the work is, for messages: "prediction"."""

    @property
    def failure(self) -> type[FairModelsError]:
        """What is raised where shards cannot be made."""

    def missing(self) -> list[int]:
        """Shards that nobody has made yet."""

    def send(self, first: int, last: int) -> FlowRun:
        """Start a run that makes the missing ones of some shards."""

    def show(self, made: list[int]) -> None:
        """Show the progress: these shards were made since the start."""


class SubRunShards:
    """Shards that sub-runs make.

    Args:
        work: The work.
    """

    def __init__(self, work: SharedWork) -> None:
        self._work = work
        self._runs: list[UUID] = []
        self._rounds = 0
        self._there: set[int] = set()
        self._before: set[int] = set()

    def start(self, missing: list[int]) -> None:
        """Send shards out, in several runs."""
        self._rounds += 1
        self._before = self._before or set(self._work.shards) - set(missing)
        for group in groups(missing, self._work.runs):
            self._runs.append(self._work.send(group[0], group[-1]).id)

    def wait(self, shard: int) -> None:
        """Return when a shard is there. Shards that a run did not make are sent out again.

        Raises:
            FairModelsError: It is still missing after the last round.
        """
        while shard not in self._there:
            over = self._over()
            missing = set(self._work.missing())  # after the runs: they may just have ended
            self._there = set(self._work.shards) - missing
            self._work.show(sorted(self._there - self._before))
            if shard in self._there:
                return
            if over is None:
                time.sleep(_LOOK_S)
            elif self._rounds == _ROUNDS:
                raise self._work.failure(_why(over, missing, self._work.noun))
            else:
                logger.warning("%d shards are missing and sent out again. %s", len(missing), _reason(over))
                self._runs.clear()
                self.start(sorted(missing))

    def _over(self) -> list[FlowRun] | None:
        """All runs, if all of them are over."""
        wanted = FlowRunFilter.model_validate({"id": {"any_": self._runs}})
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(flow_run_filter=wanted)
        return runs if all(run.state is not None and run.state.is_final() for run in runs) else None


def groups(shards: list[int], runs: int) -> Iterator[list[int]]:
    """Shards in one group for each run, neighbours together. No group is empty."""
    runs = min(runs, len(shards))
    bounds = [len(shards) * number // runs for number in range(runs + 1)]
    for number in range(runs):
        yield shards[bounds[number] : bounds[number + 1]]


def _why(runs: list[FlowRun], missing: set[int], noun: str) -> str:
    shown = ", ".join(map(str, sorted(missing)[:5]))
    return (
        f"{len(missing)} shards are missing (number {shown}{', …' * (len(missing) > 5)}) and were sent out "
        f"{_ROUNDS} times. {_reason(runs)} Finished shards are kept: start the {noun} again to resume"
    )


def _reason(runs: list[FlowRun]) -> str:
    for run in runs:
        if run.state is not None and not run.state.is_completed():
            return f"Run {run.name} ({run.id}) ended: {run.state.message or run.state.name}."
    return "Their runs completed."
