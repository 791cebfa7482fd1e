"""Hooks of runs that are cancelled or whose process dies. They run in the worker's process."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelling, Crashed

from fair_models.client.runs import in_words


def cancel_children(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Cancel the runs that a cancelled run is waiting for. Children of a run that died continue."""
    if not state.is_cancelling():
        return
    children = FlowRunFilter.model_validate({"parent_flow_run_id": {"any_": [flow_run.id]}})
    with get_client(sync_client=True) as client:
        for child in client.read_flow_runs(flow_run_filter=children):
            if child.state is not None and not child.state.is_final():
                reason = f"The run {flow_run.name} that waited for it was cancelled."
                client.set_flow_run_state(child.id, Cancelling(message=reason))


def say_why(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Show on Prefect's own page, in plain words, why a run's process ended."""
    with get_client(sync_client=True) as client:
        state_now = client.read_flow_run(flow_run.id).state
        if state_now is None or not state_now.is_crashed() or not state_now.message:
            return
        message = in_words(state_now.message)
        if message != state_now.message:
            client.set_flow_run_state(flow_run.id, Crashed(message=message), force=True)


def close_training(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Mark the training of this run in ZenML as cancelled or failed, if ZenML believes that it is running.

    A process that was asked to end does that itself; one that was killed cannot. It is done in another
    process, which nobody waits for: ZenML must not be loaded into the worker, and until the hooks are done
    Prefect does not call the run cancelled.
    """
    command = [sys.executable, "-m", "flows.runtime.dead_trainings", str(flow_run.id)]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
