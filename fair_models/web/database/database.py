"""One transaction at a time in the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.orm import Session

from fair_models.errors import Invalid, Unavailable

_BUSY_MS = 15_000
"""Milliseconds that a writer waits for another process to finish its transaction."""

_WRITES = "fair_writes"


class Database:
    """The service's database. One object serves any number of threads of a process.

    Args:
        url: Where it is: sqlite:///path or postgresql+psycopg://…
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = _sqlite(url) if self.is_sqlite else _postgresql(url)
        self._writing = self.engine.execution_options(**{_WRITES: True})

    @property
    def address(self) -> str:
        """Where it is, without the password: for messages."""
        return str(self.url.database) if self.is_sqlite else self.url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads: one snapshot.

        Raises:
            Unavailable: The database does not answer.
        """
        with self._told(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """The same for one quick question, such as with every request: rows without objects of their own.

        Raises:
            Unavailable: The database does not answer.
        """
        with self._told(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is committed at the end of the block, and rolled back where that raises.

        Writers follow each other on SQLite, so what is read in the block is still so when it ends.

        Raises:
            Unavailable: The database does not answer, is locked for too long, or its disk is full.
        """
        with self._told(), Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    def ping(self) -> None:
        """See that it answers. Raises Unavailable."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """End all connections."""
        self.engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn errors of the database itself into ours. Broken rules of a table are the caller's matter."""
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise Unavailable(
                f"The web service's database {self.address} cannot be used: {_reason(error)}. "
                "Check that it runs and that its disk has room, then try again"
            ) from error


def _sqlite(url: URL) -> Engine:
    """SQLite for many readers and one writer at a time, in several processes."""
    engine = create_engine(url, connect_args={"timeout": _BUSY_MS / 1000}, pool_size=16, max_overflow=48)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say so, not where the driver guesses
        for pragma in (
            f"busy_timeout={_BUSY_MS}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later would fail at once where another wrote meanwhile.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=27, pool_timeout=10)
    except (ImportError, NoSuchModuleError) as error:
        raise Invalid(
            "FAIR_WEB_DATABASE_URL names PostgreSQL, and its driver is not installed: "
            "pip install 'fair-models[pgstac]'"
        ) from error


def _reason(error: DBAPIError) -> str:
    """What the driver says, in one line. It never has the statement's values."""
    return " ".join(str(error.orig).split())[:300]
