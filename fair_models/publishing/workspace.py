"""A folder for what is only needed while something is published."""

from __future__ import annotations

import errno
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from fair_models import settings
from fair_models.store.atomic import translate_os_errors

_LOCK = ".lock"
"""How the locks beside the folders end: the system frees a lock when its process ends, however it ends."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


@contextmanager
def work_folder(purpose: str) -> Iterator[Path]:
    """A new folder under the cache of this home; it is gone afterwards.

    Takes away the folders of processes that died in theirs.

    Args:
        purpose: Start of its name, so that people know what a crash has left behind, e.g. "promote".

    Raises:
        Unavailable: The disk is full, read-only or not ours to write.
    """
    parent = _parent()
    with ExitStack() as stack:
        with translate_os_errors(f"work in {parent}"):
            parent.mkdir(parents=True, exist_ok=True)
            with FileLock(parent / _LOCK):  # nobody looks at a folder between its making and its lock
                _take_away_abandoned(parent)
                folder = parent / f"{purpose}-{secrets.token_hex(6)}"
                lock = _lock_of(folder)
                lock.acquire()
                stack.callback(_end, folder, lock)
                folder.mkdir()
        try:
            yield folder
        except OSError as error:
            if error.errno not in _FULL:
                raise
            with translate_os_errors(f"work in {parent}"):
                raise


def folders_left() -> list[Path]:
    """Folders of work that is going on, or was interrupted."""
    parent = _parent()
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _take_away_abandoned(parent: Path) -> None:
    """Remove folders whose lock nobody holds. Those without a lock file are left to the audit."""
    for file in parent.glob(f"*-*{_LOCK}"):
        folder = file.with_suffix("")
        lock = _lock_of(folder)
        with suppress(Timeout, OSError):
            lock.acquire(timeout=0)
            _end(folder, lock)


def _end(folder: Path, lock: FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _lock_of(folder: Path) -> FileLock:
    return FileLock(folder.with_name(folder.name + _LOCK), thread_local=False)


def _parent() -> Path:
    return settings.current().cache_folder / "work"
