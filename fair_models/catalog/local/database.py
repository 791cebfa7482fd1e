"""Where the index of the local catalogue lies: a SQLite file that gives each reader one snapshot.

It is a cache: what is missing, damaged or of another format is made again. Whoever writes it holds the
catalogue's lock. Each generation has a file name of its own, so that a process that still reads a discarded
one can do no harm to the next.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fair_models.catalog.local.index import TABLES, Index
from fair_models.errors import Unavailable
from fair_models.store.atomic import write_bytes

FOLDER = ".index"
_POINTER = "current"
_MAX_IDLE = 16
"""Connections that are kept open while nobody asks."""
_MAPPED_BYTES = 2**30
"""So much of the file is read without a copy: whoever asks once has no cache of their own."""
_FORMAT = 4
"""Raised whenever tables or facts change: an index of another format is made again."""


class Unusable(Exception):  # no error for users: it never leaves the local catalogue
    """There is no index that can be read or written as things are."""


@contextmanager
def in_memory(root: Path) -> Iterator[Index]:
    """An index of the files as they are, for one use: of a catalogue that is absent or cannot be written."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(TABLES)
        index = Index(root, connection)
        index.fill()
        yield index


@contextmanager
def reading(root: Path) -> Iterator[Index]:
    """The index as one snapshot.

    Raises:
        Unusable: There is none that can be read.
    """
    with _told_as_unusable(), closing(_connect(root)) as connection:
        connection.execute("BEGIN")
        yield Index(root, connection)


class OpenIndex:
    """The index with connections that stay open between questions, for a process that is asked all the time.

    Args:
        root: The catalogue's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._idle: list[tuple[Path, sqlite3.Connection]] = []
        self._guard = threading.Lock()
        self._owner = os.getpid()

    @contextmanager
    def reading(self) -> Iterator[Index]:
        """The index as one snapshot.

        Raises:
            Unusable: There is none that can be read.
        """
        with _told_as_unusable():
            path = _file(self._root)
            connection = self._take(path) or _open(path)
            is_sound = False
            try:
                _check_format(connection)
                connection.execute("BEGIN")
                try:
                    yield Index(self._root, connection)
                finally:
                    connection.execute("ROLLBACK")
                is_sound = True
            except sqlite3.Error:
                raise
            except Exception:  # the question was wrong, and the connection is not
                is_sound = True
                raise
            finally:
                self._give_back(path, connection) if is_sound else connection.close()

    def _take(self, path: Path) -> sqlite3.Connection | None:
        """A connection that nobody uses. Those to discarded generations are closed."""
        with self._guard:
            if self._owner != os.getpid():  # a fork: these are our parent's
                self._idle, self._owner = [], os.getpid()
            while self._idle:
                of, connection = self._idle.pop()
                if of == path:
                    return connection
                connection.close()
        return None

    def _give_back(self, path: Path, connection: sqlite3.Connection) -> None:
        with self._guard:
            if len(self._idle) < _MAX_IDLE and self._owner == os.getpid():
                self._idle.append((path, connection))
                return
        connection.close()


@contextmanager
def writing(root: Path) -> Iterator[Index]:
    """The index to be changed; committed when the block ends well, else left as it was.

    Raises:
        Unusable: There is none that can be written.
    """
    with _told_as_unusable(), closing(_connect(root)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield Index(root, connection)
        connection.execute("COMMIT")  # closing alone rolls back


def rebuild(root: Path) -> None:
    """Make the index again from the files: in place for the sake of its readers, else as a new generation.

    Raises:
        Unusable: There is no room or no permission for one.
        Corrupted: A file of the catalogue cannot be read.
    """
    try:
        with writing(root) as index:
            index.fill()
    except Unusable:
        try:
            with _told_as_unusable():
                _new_generation(root)
        except (OSError, Unavailable) as error:
            raise Unusable(str(error)) from error


def discard(root: Path) -> None:
    """Take the index away; the next reader makes it again."""
    shutil.rmtree(root / FOLDER, ignore_errors=True)


def _new_generation(root: Path) -> None:
    discard(root)
    (root / FOLDER).mkdir(exist_ok=True)
    path = root / FOLDER / f"{secrets.token_hex(8)}.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        for statement in TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_FORMAT}")
        Index(root, connection).fill()
        connection.execute("COMMIT")
    write_bytes(root / FOLDER / _POINTER, path.name.encode())


def _connect(root: Path) -> sqlite3.Connection:
    return _open(_file(root))


def _file(root: Path) -> Path:
    """The file of the generation that counts now."""
    try:
        return root / FOLDER / (root / FOLDER / _POINTER).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable("there is none yet") from error


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=60,
        check_same_thread=False,  # one thread at a time has it
    )
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
        _check_format(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_format(connection: sqlite3.Connection) -> None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found != _FORMAT:
        raise Unusable(f"its format is {found}, not {_FORMAT}")


@contextmanager
def _told_as_unusable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unusable(str(error)) from error
