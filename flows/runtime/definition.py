"""The decorator of all flows: what a published flow promises, in one place.

A flow takes exactly one parameter, `params`, a model that refuses unknown fields. Its published schema says
`additionalProperties: false` at the top level too, so that the API answers an unknown parameter with 409
instead of creating a run that crashes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Flow, runtime
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.callables import ParameterSchema

from fair_models import form_fields, ownership
from fair_models.client.requests import NAMED
from fair_models.errors import TrainingCancelled
from flows.runtime.hooks import say_why

P = ParamSpec("P")
R = TypeVar("R")

Hook = Callable[[Flow[..., Any], FlowRun, State[Any]], None]


class StrictParameterSchema(ParameterSchema):
    """Prefect's schema of a flow's parameters, closed at the top level."""

    additionalProperties: bool = False  # noqa: N815 (JSON Schema's word)


def flow(
    *, run_name: str, ended_early: Hook | None = None, at_once: int = 1
) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """Make a flow whose runs have names that say what runs.

    Args:
        run_name: Template of a run's name, for example "fine-tune {params.model_name}". A run with the tag
            `named` keeps the name that its caller gave.
        ended_early: Called with flow, flow_run and state when a run is cancelled or its process dies, in
            another process.
        at_once: How many submitted tasks work at a time.
    """
    runner: Any = ThreadPoolTaskRunner(max_workers=at_once)

    def decorate(function: Callable[P, R]) -> Flow[P, R]:
        if list(inspect.signature(function).parameters) != ["params"]:
            raise TypeError(f"flow {function.__name__} must take one parameter named params")
        hooks: Any = [ended_early] if ended_early else None
        made: Flow[P, R] = Flow(
            _within_a_run(function),
            flow_run_name=lambda: _name_of_run(run_name),
            task_runner=runner,
            on_cancellation=hooks,
            on_crashed=[*(hooks or []), say_why],
        )
        shown = _with_empty_fields(made.parameters.model_dump())
        made.parameters = StrictParameterSchema(**shown, additionalProperties=False)
        return made

    return decorate


def _within_a_run(function: Callable[P, R]) -> Callable[P, R]:
    """A flow that works for whom its run's tags name, and is cancelled with its training, not failed."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with ownership.acting_for(ownership.of_tags(runtime.flow_run.tags)):
                return function(*args, **kwargs)
        except TrainingCancelled as error:
            return cast(R, Cancelled(message=str(error)))

    # Prefect reads types where the function was made, which for `run` is this module.
    run.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
    return run


def _with_empty_fields(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with all its models as they are published."""
    definitions = {}
    for name, definition in schema["definitions"].items():
        fields = form_fields.with_empty_fields(definition.get("properties", {}))
        definitions[name] = {**definition, "properties": fields} if fields else definition
    return {**schema, "definitions": definitions}


def published_schema(made: Flow[..., Any]) -> dict[str, Any]:
    """The JSON Schema that a deployment of this flow publishes."""
    return made.parameters.model_dump_for_openapi()


def _name_of_run(template: str) -> str:
    """The name that the caller gave, which the tag `NAMED` says, else one made from the parameters."""
    if NAMED in runtime.flow_run.tags:
        return str(runtime.flow_run.name)
    return template.format(**runtime.flow_run.parameters)
