"""Where a cut keeps its chips: a folder that a cut which was interrupted goes on with.

A chip counts once the journal of its block has a line for it, and only while its bytes have the digest of
that line. So nothing needs to be synced: what a crash left half written is cut again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from filelock import FileLock, Timeout

from fair_models import settings
from fair_models.store.atomic import temporary_beside, translate_os_errors

logger = logging.getLogger(__name__)

KEPT = timedelta(days=7)
"""How long chips of a cut stay that nobody goes on with."""

_LOOK_S = 1.0
_LOCK = ".lock"
_ENDING = ".tif"
_EMPTY = "-"
_LINE = re.compile(r"(?P<name>[^ /]+) (?P<digest>[0-9a-f]{64}|-)\n")


class BlockJournal:
    """The chips of one block that are done. Threads may share it.

    Args:
        chips: Folder of the chips.
        path: The journal.
        file: The same, open to be added to.
    """

    def __init__(self, chips: Path, path: Path, file: BinaryIO) -> None:
        self._chips, self._path, self._file = chips, path, file
        self._lines = _lines(path)
        self._lock = Lock()

    def done(self, name: str) -> bool | None:
        """Whether a place has a chip; None where that is not known yet, or the chip's bytes are others."""
        digest = self._lines.get(name)
        if digest is None or digest == _EMPTY:
            return None if digest is None else False
        try:
            return True if _digest(self.data(name)) == digest else None
        except FileNotFoundError:
            return None

    def has(self, name: str) -> bool:
        """Whether the journal has a line for a place."""
        return name in self._lines

    def data(self, name: str) -> bytes:
        """The bytes of a chip."""
        return _chip(self._chips, name).read_bytes()

    def keep(self, name: str, data: bytes | None, *, is_final: bool = True) -> None:
        """Write a chip, so that it appears whole.

        Args:
            name: Its name.
            data: Its bytes; None where there is no imagery in its place.
            is_final: Whether it counts when the cut goes on after an interruption. Else it is cut again then.

        Raises:
            Unavailable: The disk is full, or not ours to write.
        """
        path = _chip(self._chips, name)
        with translate_os_errors(f"write {path}"):
            if data is None:
                path.unlink(missing_ok=True)
            else:
                _replace(path, data)
            if is_final:
                digest = _EMPTY if data is None else _digest(data)
                with self._lock:
                    self._file.write(f"{name} {digest}\n".encode())
                    self._file.flush()
                    self._lines[name] = digest


class CutFolder:
    """The chips of one cut, and journals of what is done.

    Args:
        chips: Folder of the chips and of nothing else; made with the first one.
        journals: Folder of the journals.
    """

    def __init__(self, chips: Path, journals: Path) -> None:
        self.chips, self._journals = chips, journals

    @contextmanager
    def block(self, number: int) -> Iterator[BlockJournal]:
        """A block, held while it is worked on: of several processes one at a time.

        Raises:
            Unavailable: The disk is full, or not ours to write.
        """
        path = self._journals / f"block-{number:05d}"
        with ExitStack() as stack:
            with translate_os_errors(f"write {path}"):
                self.chips.mkdir(parents=True, exist_ok=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(f"{path}{_LOCK}", thread_local=False))
                journal = BlockJournal(self.chips, path, stack.enter_context(_appended(path)))
            yield journal

    def chip(self, name: str) -> Path:
        """Where a chip lies."""
        return _chip(self.chips, name)

    def forget(self, number: int, names: Iterable[str]) -> None:
        """Take a block away.

        Args:
            number: Its number.
            names: Names of its places.
        """
        for path in [self._journals / f"block-{number:05d}", *map(self.chip, names)]:
            path.unlink(missing_ok=True)

    def clear_if_empty(self) -> None:
        """Take the folder away where no chip is in it."""
        if not any(self.chips.glob(f"*{_ENDING}")):
            shutil.rmtree(self.chips.parent, ignore_errors=True)

    def clear_journals(self) -> None:
        """Forget what is done. The chips stay."""
        shutil.rmtree(self._journals, ignore_errors=True)

    def clear(self) -> None:
        """Take all away."""
        shutil.rmtree(self.chips, ignore_errors=True)
        self.clear_journals()


@contextmanager
def cut_folder(digest: str) -> Iterator[CutFolder]:
    """The folder of a cut under the cache of this home, held until the end. Expired ones are taken away.

    It stays when the block raises, so that the cut can go on; else whoever uses it clears it.

    Args:
        digest: What the cut is called by.

    Raises:
        Unavailable: The disk is full, or not ours to write.
    """
    folder = _parent() / digest
    with translate_os_errors(f"work in {folder.parent}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        take_away_expired()
        lock = _taken(folder)
        if lock is None:
            logger.warning("Another process cuts the same chips; this one waits for it")
        while lock is None:
            time.sleep(_LOOK_S)
            lock = _taken(folder)
    try:
        yield _folder(folder)
    finally:
        _let_go(folder, lock)


def part_folder(digest: str) -> CutFolder:
    """Where processes of this home work on some blocks of a cut, while another one holds the whole.

    Args:
        digest: What the cut is called by.
    """
    return _folder(_parent() / f"{digest}-parts")


def _folder(folder: Path) -> CutFolder:
    return CutFolder(folder / "chips", folder / "blocks")


def expired(now: datetime | None = None) -> list[Path]:
    """Folders of cuts that nobody works on, and that nobody went on with for a week.

    Args:
        now: What age is counted from. Default: now.
    """
    parent, before = _parent(), (now or datetime.now(UTC)) - KEPT
    folders = [path for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
    return sorted(folder for folder in folders if _changed(folder) < before.timestamp())


def take_away_expired(now: datetime | None = None) -> list[Path]:
    """Remove the folders of cuts that expired. Returns those that are gone."""
    gone = []
    for folder in expired(now):
        lock = _taken(folder)
        if lock is None:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        _let_go(folder, lock)
        if not folder.exists():
            logger.info("Took away %s, the chips of a cut that nobody went on with", folder)
            gone.append(folder)
    return gone


def _changed(folder: Path) -> float:
    """When a cut was last worked on: its journals are written all the while."""
    paths = [folder, *folder.glob("*"), *folder.glob("blocks/*")]
    try:
        return max(path.stat().st_mtime for path in paths)
    except FileNotFoundError:  # somebody works on it
        return time.time()


def _taken(folder: Path) -> FileLock | None:
    """The lock of a cut's folder; None where another process holds it."""
    lock = FileLock(folder.with_name(folder.name + _LOCK), thread_local=False)
    with _guard(folder):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
    return lock


def _let_go(folder: Path, lock: FileLock) -> None:
    """Release a folder; of one that is gone the lock goes too."""
    with _guard(folder):
        with suppress(OSError):
            folder.rmdir()  # if it is empty
        if not folder.exists():
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _guard(folder: Path) -> FileLock:
    """Held while locks are taken and removed: nobody is left with the lock of a file that is gone."""
    return FileLock(folder.with_name(_LOCK), thread_local=False)


def _parent() -> Path:
    return settings.current().cache_folder / "cuts"


def _chip(folder: Path, name: str) -> Path:
    return folder / f"{name}{_ENDING}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _replace(path: Path, data: bytes) -> None:
    temporary = temporary_beside(path)
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _lines(path: Path) -> dict[str, str]:
    """The digests of a journal, by name; the last line of a name counts. Damaged lines say nothing."""
    lines = path.read_text(encoding="ascii", errors="replace").splitlines(keepends=True)
    found = (_LINE.fullmatch(line) for line in lines)
    return {each["name"]: each["digest"] for each in found if each is not None}


@contextmanager
def _appended(path: Path) -> Iterator[BinaryIO]:
    """A journal open to be added to. What a crash left of a last line gets an end of its own."""
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
                file.flush()
        yield file
