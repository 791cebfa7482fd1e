"""Closes trainings whose process died: what ZenML believes to be running becomes failed or cancelled.

`python -m flows.runtime.dead_trainings RUN` does it for one run that ended early. Every training does it
before it begins for those of its model, which may have died together with their worker and machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Set
from datetime import UTC, datetime
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from fair_models import settings
from fair_models.errors import NotFound, TrainingCancelled, TrainingFailed
from fair_models.training.ledger import ModelVersion, open_ledger
from flows.runtime import places

_FLOW = "train"
_LATEST = 200
_LOOK_EVERY_S = 10.0


def close_after(flow_run_id: str) -> None:
    """Close a training that was cancelled or whose process died."""
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(flow_run_id))
    if run.start_time is not None:
        places.enter()
        close_dead(_model_of(run), gone={run.id})


def close_dead(model: str, gone: Set[UUID] = frozenset()) -> list[str]:
    """Close the trainings of a model whose flow run is over.

    A version belongs to one of the flow runs that were running when it was made. If one of these is still
    running (it trains, or waits for its turn), the version is not touched, nor is a version without flow run.

    Args:
        model: Name of the model.
        gone: Flow runs whose process is known to have died, whatever their state is.

    Returns:
        The versions that were closed, e.g. "roofs-v3".
    """
    ledger = open_ledger(settings.current())
    try:
        versions = ledger.versions(model)
    except NotFound:  # there is none yet
        return []
    closed = []
    with get_client(sync_client=True) as client:
        for version in versions:
            if version.status != "running" or not version.run_id:
                continue
            makers = dead_makers(client, version, gone)
            if makers and any(_is_cancelled(run) for run in makers):
                ledger.mark_cancelled(version.run_id)
            elif makers:
                ledger.mark_failed(version.run_id)
            closed += [version.id] if makers else []
    return closed


def stop_when_over() -> Callable[[], None]:
    """A check that ends a training whose flow run is over, at most every ten seconds.

    A process can outlive its worker. Then nobody ends it when its run is cancelled, and the server calls the
    run over without it.
    """
    run_id = runtime.flow_run.id
    looked = time.monotonic()

    def look() -> None:
        nonlocal looked
        if run_id is None or time.monotonic() - looked < _LOOK_EVERY_S:
            return
        looked = time.monotonic()
        try:
            with get_client(sync_client=True) as client:
                state = client.read_flow_run(UUID(run_id)).state
        except httpx.HTTPError:  # a server that is away for a while does not end a training
            return
        if state is not None and state.is_final():
            told = f"The run is {state.type.value.lower()} already: {state.message}"
            raise TrainingCancelled(told) if state.is_cancelled() else TrainingFailed(told)

    return look


def was_cancelled() -> bool:
    """Whether somebody cancelled this flow run: a process is ended too when its machine is taken away."""
    run_id = runtime.flow_run.id
    if run_id is None:
        return True
    try:
        with get_client(sync_client=True) as client:
            return _is_cancelled(client.read_flow_run(UUID(run_id)))
    except httpx.HTTPError:
        return False


def is_dead(client: SyncPrefectClient, version: ModelVersion, gone: Set[UUID] = frozenset()) -> bool:
    """Whether flow runs were running when a version was made, and all of them are over."""
    return bool(dead_makers(client, version, gone))


def dead_makers(
    client: SyncPrefectClient, version: ModelVersion, gone: Set[UUID] = frozenset()
) -> list[FlowRun]:
    """The flow runs that were running when a version was made, if all of them are over; else none."""
    makers = _running_at(client, version)
    over = all(run.id in gone or (run.state is not None and run.state.is_final()) for run in makers)
    return makers if over else []


def _is_cancelled(run: FlowRun) -> bool:
    return run.state is not None and (run.state.is_cancelled() or run.state.is_cancelling())


def _running_at(client: SyncPrefectClient, version: ModelVersion) -> list[FlowRun]:
    """The flow runs of this version's model that were running when it was made, without this one."""
    started = {"start_time": {"before_": version.created.isoformat()}}
    runs = client.read_flow_runs(
        flow_filter=FlowFilter.model_validate({"name": {"any_": [_FLOW]}}),
        flow_run_filter=FlowRunFilter.model_validate(started),
        sort=FlowRunSort.START_TIME_DESC,
        limit=_LATEST,
    )
    return [
        run
        for run in runs
        if _model_of(run) == version.model
        and (run.end_time or datetime.now(UTC)) >= version.created
        and str(run.id) != runtime.flow_run.id
    ]


def _model_of(run: FlowRun) -> str:
    return str(run.parameters.get("params", {}).get("model_name", ""))


if __name__ == "__main__":
    close_after(sys.argv[1])
