"""The policy of all tasks: they use the saved blocks, check places, and retry transient faults."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import httpx
from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from pydantic import BaseModel

from fair_models.errors import Unavailable
from fair_models.store import asked_places
from flows.runtime import places

P = ParamSpec("P")
R = TypeVar("R")

TRANSIENT = (Unavailable, httpx.TransportError, TimeoutError, ConnectionError)
"""Faults after which a retry may succeed."""

_PAUSES_S = [2.0, 10.0, 30.0]


def task(function: Callable[P, R]) -> Task[P, R]:
    """Make a task that uses the saved blocks, and only places that are allowed.

    It is retried after a transient fault, and its inputs are never a cache key.
    """

    @wraps(function)
    def in_its_places(*args: P.args, **kwargs: P.kwargs) -> R:
        places.enter_once()
        for asked in (*args, *kwargs.values()):
            if isinstance(asked, BaseModel):
                asked_places.check(asked)
        return function(*args, **kwargs)

    return Task(
        in_its_places,
        retries=len(_PAUSES_S),
        retry_delay_seconds=_PAUSES_S,
        retry_condition_fn=is_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def is_transient(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a task failed with a transient fault."""
    return isinstance(state.result(raise_on_failure=False), TRANSIENT)
