"""The policy of all tasks: faults that pass are tried again, everything else is told at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import httpx
from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from fair_models.errors import Unavailable

P = ParamSpec("P")
R = TypeVar("R")

TRANSIENT = (Unavailable, httpx.TransportError, TimeoutError, ConnectionError)
"""Faults that may be gone a moment later."""

_PAUSES_S = [2.0, 10.0, 30.0]


def task(function: Callable[P, R]) -> Task[P, R]:
    """Make a task that is tried again after a transient fault, and whose inputs are never a cache key."""
    return Task(
        function,
        retries=len(_PAUSES_S),
        retry_delay_seconds=_PAUSES_S,
        retry_condition_fn=is_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def is_transient(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a task failed by a fault that may be gone a moment later."""
    return isinstance(state.result(raise_on_failure=False), TRANSIENT)
