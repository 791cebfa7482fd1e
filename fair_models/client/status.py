"""Where a run stands in one of eleven words, the ones that the fAIr backend keeps in its database.

Prefect says more than that: a type, of which there are nine, and a name, of which there are as many as people
like. The names here are those that Prefect itself gives; a name that is not here counts by its type.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """Where a run stands."""

    INITIALIZING = "initializing"
    """It was asked for just now, and the server has not planned it yet."""

    SUBMITTED = "submitted"
    """It waits: for a worker, for its turn, or for somebody who takes it up again."""

    PROVISIONING = "provisioning"
    """A worker has taken it up, and its process or container begins."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    """An error, a time limit, or a process that died; the state's message says which."""

    CACHED = "cached"
    """It is completed: the result of an earlier run was taken."""

    RETRYING = "retrying"
    """It failed before, and is tried again now or in a while."""

    RETRIED = "retried"
    """It failed or was stopped, and a later attempt was started under its idempotency key."""

    STOPPING = "stopping"
    STOPPED = "stopped"
    """Somebody cancelled it."""

    @property
    def is_final(self) -> bool:
        """Whether nothing will follow."""
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
"""What a type means, whatever the state is called."""

UNPLANNED = "Unplanned"
"""Our name for where a run stands that the server has given no state yet."""

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
"""Every state that Prefect itself gives, by type and name; and what a run is that has none yet."""


def status_of(kind: str, name: str) -> Status:
    """The word for a state of a server.

    Args:
        kind: Its type, e.g. "SCHEDULED".
        name: Its name, e.g. "AwaitingRetry".

    Returns:
        The word. A type that nobody knows yet is `running`: whoever polls asks again.
    """
    return BY_NAME.get((kind, name)) or BY_TYPE.get(kind, Status.RUNNING)
