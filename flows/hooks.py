"""What happens when a run is cancelled or its process dies. Hooks run in the worker's process."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from typing import Any

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelling


def cancel_children(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Cancel the runs that a cancelled run is waiting for. The children of one that died go on."""
    if not state.is_cancelling():
        return
    children = FlowRunFilter.model_validate({"parent_flow_run_id": {"any_": [flow_run.id]}})
    with get_client(sync_client=True) as client:
        for child in client.read_flow_runs(flow_run_filter=children):
            if child.state is not None and not child.state.is_final():
                reason = f"The run {flow_run.name} that waited for it was cancelled."
                client.set_flow_run_state(child.id, Cancelling(message=reason))


def close_training(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Mark what ZenML still believes to be running of this training as failed.

    A process that was asked to end does that itself; one that was killed cannot. It is done in another
    process, because ZenML must not be loaded into the worker.
    """
    with get_client(sync_client=True) as client:
        now = client.read_flow_run(flow_run.id)  # what the hook is given is older than the run's start
    if now.start_time is None:
        return
    died = now.state.timestamp if now.state is not None else state.timestamp
    times = [moment.isoformat() for moment in (now.start_time, died)]
    command = [sys.executable, "-m", "flows.hooks", now.parameters["params"]["model_name"], *times]
    subprocess.run(command, check=True, timeout=120)


def mark_failed(model: str, began: datetime, died: datetime) -> None:
    """Mark versions as failed that were made between two times and whose run never ended."""
    from fair_models import settings
    from fair_models.errors import NotFound
    from fair_models.training.ledger import open_ledger

    ledger = open_ledger(settings.current())
    try:
        versions = ledger.versions(model)
    except NotFound:  # it died before there was one
        return
    for version in versions:
        if version.status == "running" and version.run_id and began <= version.created <= died:
            ledger.mark_failed(version.run_id)


if __name__ == "__main__":
    mark_failed(sys.argv[1], datetime.fromisoformat(sys.argv[2]), datetime.fromisoformat(sys.argv[3]))
