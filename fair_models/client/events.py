"""Events of a run, for whoever follows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fair_models.client.runs import RunState


@dataclass(frozen=True)
class StateChange:
    """A run entered a state. `is_child`: it is one that the followed run started."""

    run_id: str
    run_name: str
    flow: str
    state: RunState
    is_child: bool


@dataclass(frozen=True)
class LogLine:
    """A log line of a run.

    logger: Name of the logger; those of the library begin with "fair_models".
    level: As in Python's logging: 20 info, 30 warning, 40 error.
    """

    run_id: str
    run_name: str
    logger: str
    time: datetime
    level: int
    message: str


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    key: What is measured, e.g. "training-progress".
    description: The same for people, with numbers where there are some: "epoch 3 of 20, loss 0.41".
    percent: 0 to 100.
    """

    run_id: str
    key: str
    description: str
    percent: float


Event = StateChange | LogLine | Progress
