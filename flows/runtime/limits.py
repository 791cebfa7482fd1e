"""One training per model name at a time, on however many workers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists

logger = logging.getLogger("fair_models.flows")

_LEASE_S = 60
"""Time after which a run that died frees its place, in seconds."""


@contextmanager
def one_training_of(model: str) -> Iterator[None]:
    """Hold the only place of the global limit `train-<model>`; wait until it is free.

    A server that is away for a while must not end a training of hours: if the lease cannot be renewed, the
    training continues.
    """
    limit = f"train-{model}"
    with get_client(sync_client=True) as client:
        # Prefect reads, then creates: another training, or this request itself sent again, may come between.
        with suppress(ObjectAlreadyExists):
            client.upsert_global_concurrency_limit_by_name(limit, 1)
        taken = client.read_global_concurrency_limit_by_name(limit).active_slots
        holder = _holder(client, model) if taken else ""
    if taken:
        logger.info("%s", waiting(model, holder))
    with concurrency(limit, strict=True, lease_duration=_LEASE_S, raise_on_lease_renewal_failure=False):
        yield


def waiting(model: str, holder: str) -> str:
    """Message of a training that waits for another of the same name.

    Args:
        model: The name.
        holder: The run that is training it; empty if it is not known.
    """
    who = f"{holder} is training {model}" if holder else f"Another training of {model} is running"
    return (
        f"{who}: versions of one name are trained one after the other, and this one begins when that is "
        "over. To train both at once, give them different model names"
    )


def _holder(client: SyncPrefectClient, model: str) -> str:
    """The run that has been training a model for longest; those that came later wait too."""
    runs = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["train"])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))
        ),
        sort=FlowRunSort.START_TIME_ASC,
    )
    asked = [run for run in runs if run.parameters.get("params", {}).get("model_name") == model]
    others = [run for run in asked if run.id != _own_id()]
    return f"The run {others[0].name} ({others[0].id})" if others else ""


def _own_id() -> UUID | None:
    """Id of the run that this is called in. None outside of one."""
    return UUID(str(runtime.flow_run.id)) if runtime.flow_run.id else None
