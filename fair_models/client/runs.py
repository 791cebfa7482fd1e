"""A deployment run as the server returns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fair_models.client.status import UNPLANNED, Status, status_of
from fair_models.types import Json

FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


@dataclass(frozen=True)
class RunState:
    """The state of a run.

    type: SCHEDULED, PENDING, RUNNING, PAUSED, CANCELLING, COMPLETED, FAILED, CRASHED or CANCELLED.
    name: The same for people, sometimes finer: "Late", "Submitting", "Retrying".
    message: The reason, if the server knows it; the error of a failed run.
    """

    type: str
    name: str
    message: str

    @property
    def status(self) -> Status:
        """The same in one of eleven words. `Client.status` knows about later attempts too."""
        return status_of(self.type, self.name)

    @property
    def is_final(self) -> bool:
        """Whether it is the last state."""
        return self.type in FINAL

    @property
    def is_completed(self) -> bool:
        """Whether the run succeeded."""
        return self.type == "COMPLETED"


@dataclass(frozen=True)
class FlowRun:
    """One run.

    id: Its id, a UUID.
    name: For people, e.g. "fine-tune banepa-roofs".
    flow: Name of its flow, e.g. "finetune".
    state: Its state.
    parameters: Its parameters.
    tags: Its tags.
    created: When it was created, UTC.
    started: When it began to run; None before.
    ended: When it ended; None before.
    parent_id: The run that started it, if any.
    deployment_id: The deployment that it is a run of, if any.
    key: Its idempotency key, if any.
    found: Whether `Client.start` found it: the same request was made before with its key.
    """

    id: str
    name: str
    flow: str
    state: RunState
    parameters: Mapping[str, Any]
    tags: tuple[str, ...]
    created: datetime
    started: datetime | None
    ended: datetime | None
    parent_id: str | None
    deployment_id: str | None
    key: str | None
    found: bool = False


def read_run(answer: Json, flow: str) -> FlowRun:
    """A run from the server's JSON."""
    return FlowRun(
        id=answer["id"],
        name=answer["name"],
        flow=flow,
        state=read_state(answer.get("state")),
        parameters=answer.get("parameters") or {},
        tags=tuple(answer.get("tags") or ()),
        created=datetime.fromisoformat(answer["created"]),
        started=_time(answer.get("start_time")),
        ended=_time(answer.get("end_time")),
        parent_id=answer.get("parent_flow_run_id"),
        deployment_id=answer.get("deployment_id"),
        key=answer.get("idempotency_key"),
    )


def read_state(answer: Json | None) -> RunState:
    """A state from the server's JSON. A run that was just created has none."""
    if answer is None:
        return RunState("SCHEDULED", UNPLANNED, "")
    name, message = answer.get("name") or answer["type"].title(), answer.get("message") or ""
    return RunState(answer["type"], name, in_words(message))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


_IN_WORDS = {
    "Execution was aborted by Python system exit call.": (
        "Its process was asked to end (signal TERM): its worker was stopped, or its machine or pod was shut "
        "down. Start it again."
    ),
    "Execution was aborted by an interrupt signal.": (
        "Its process was interrupted (Ctrl-C where its worker runs). Start it again."
    ),
}
"""Messages of Prefect about processes that were ended, and what they mean."""


def in_words(message: str) -> str:
    """A state's message in plain words."""
    for original, plain in _IN_WORDS.items():
        message = message.replace(original, plain)
    return message
