"""The status of a run in one of eleven words, those that the fAIr backend keeps in its database.

Prefect has more: a state has one of nine types, and any name. The names here are those that Prefect itself
uses; a state with another name counts by its type.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """The status of a run."""

    INITIALIZING = "initializing"
    """It was just created, and the server has not scheduled it yet."""

    SUBMITTED = "submitted"
    """It waits for a worker, for its turn, or to be resumed."""

    PROVISIONING = "provisioning"
    """A worker has taken it up, and its process or container starts."""

    RUNNING = "running"
    """It runs; a training may still wait for another one of the same model name."""

    COMPLETED = "completed"
    """It did what was asked; there is a `result`."""

    FAILED = "failed"
    """An error, a time limit, or a process that died; the state's message says which."""

    CACHED = "cached"
    """It is completed: it uses the result of an earlier run."""

    RETRYING = "retrying"
    """It failed, and is tried again now or later."""

    RETRIED = "retried"
    """It failed or was stopped, and a later attempt was started with its idempotency key."""

    STOPPING = "stopping"
    """It was asked to end."""

    STOPPED = "stopped"
    """Somebody cancelled it."""

    @property
    def is_final(self) -> bool:
        """Whether it is the last status."""
        return self in _FINAL


_FINAL = frozenset({Status.COMPLETED, Status.CACHED, Status.FAILED, Status.RETRIED, Status.STOPPED})

BY_TYPE = MappingProxyType(
    {
        "SCHEDULED": Status.SUBMITTED,
        "PENDING": Status.PROVISIONING,
        "RUNNING": Status.RUNNING,
        "PAUSED": Status.RUNNING,  # its process waits, and holds its place
        "CANCELLING": Status.STOPPING,
        "COMPLETED": Status.COMPLETED,
        "FAILED": Status.FAILED,
        "CRASHED": Status.FAILED,
        "CANCELLED": Status.STOPPED,
    }
)
"""The status of each type of state."""

UNPLANNED = "Unplanned"
"""Our name for the state of a run that has none on the server yet."""

BY_NAME = MappingProxyType(
    {
        ("SCHEDULED", "Scheduled"): Status.SUBMITTED,
        ("SCHEDULED", UNPLANNED): Status.INITIALIZING,
        ("SCHEDULED", "Late"): Status.SUBMITTED,  # no worker has come for it
        ("SCHEDULED", "AwaitingConcurrencySlot"): Status.SUBMITTED,
        ("SCHEDULED", "Resuming"): Status.SUBMITTED,
        ("SCHEDULED", "AwaitingRetry"): Status.RETRYING,
        ("PENDING", "Pending"): Status.PROVISIONING,
        ("PENDING", "Submitting"): Status.PROVISIONING,
        ("PENDING", "InfrastructurePending"): Status.PROVISIONING,
        ("PENDING", "NotReady"): Status.PROVISIONING,
        ("RUNNING", "Running"): Status.RUNNING,
        ("RUNNING", "Retrying"): Status.RETRYING,
        ("RUNNING", "Rerunning"): Status.RUNNING,  # e.g. after it was resumed
        ("PAUSED", "Paused"): Status.RUNNING,
        ("PAUSED", "Suspended"): Status.SUBMITTED,  # its process is gone until somebody resumes it
        ("CANCELLING", "Cancelling"): Status.STOPPING,
        ("COMPLETED", "Completed"): Status.COMPLETED,
        ("COMPLETED", "Cached"): Status.CACHED,
        ("COMPLETED", "RolledBack"): Status.FAILED,  # what it had done was undone
        ("FAILED", "Failed"): Status.FAILED,
        ("FAILED", "TimedOut"): Status.FAILED,
        ("CRASHED", "Crashed"): Status.FAILED,
        ("CANCELLED", "Cancelled"): Status.STOPPED,
    }
)
"""The status of each state that Prefect itself uses, by type and name, and of a run without a state."""


def status_of(kind: str, name: str) -> Status:
    """The word for a state of a server.

    Args:
        kind: Its type, e.g. "SCHEDULED".
        name: Its name, e.g. "AwaitingRetry".

    Returns:
        The word. An unknown type is `running`, so that whoever polls continues.
    """
    return BY_NAME.get((kind, name)) or BY_TYPE.get(kind, Status.RUNNING)
