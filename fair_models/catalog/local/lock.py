"""One writer at a time, across processes and threads, and a word on who it is."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from fair_models.errors import Unavailable

LOCK = ".lock"
"""The file whose lock is held; the system frees it when its process ends, however it ends."""

HOLDER = ".lock.json"
"""Who took the lock last, and what for: shown to those who wait too long."""


@contextmanager
def held(root: Path, doing: str, timeout_s: float, what: str = "The catalogue") -> Iterator[None]:
    """Hold the lock of a folder.

    Args:
        root: Folder of the catalogue, or of one name; made where it is missing.
        doing: What the lock is for, shown to others, e.g. "a change of 2 items".
        timeout_s: Seconds to wait for it.
        what: What is locked, for the message.

    Raises:
        Unavailable: Somebody else held it for longer than that.
        OSError: The folder cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock = _lock(root)
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout as error:
        raise Unavailable(
            f"{what} {root} is busy: {_holder(root)}. Waited {timeout_s:g} s; try again when that has ended"
        ) from error
    try:
        _leave_word(root, doing)
        yield
    finally:
        lock.release()


@contextmanager
def held_if_free(root: Path) -> Iterator[bool]:
    """Hold the lock if nobody else does; yields whether it is held.

    Raises:
        OSError: The folder cannot be written.
    """
    lock = _lock(root)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _lock(root: Path) -> FileLock:
    return FileLock(root / LOCK, poll_interval=0.01, thread_local=False)


def _leave_word(root: Path, doing: str) -> None:
    word = {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "doing": doing,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (root / HOLDER).write_text(json.dumps(word), encoding="utf-8")


def _holder(root: Path) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        word = json.loads((root / HOLDER).read_text(encoding="utf-8"))
        return (
            f"process {word['process']} on {word['host']} has been at {word['doing']} since {word['since']}"
        )
    return "another process holds its lock"
