"""Connections to the database of a catalogue in pgstac, and what its errors mean to those who asked."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import orjson
import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import set_json_loads
from pydantic import SecretStr

from fair_models.errors import Invalid, Unavailable

Connection = psycopg.Connection[tuple[Any, ...]]

LOCK = "fair-models"
"""What the advisory lock of a change is named after. A name that is held has this, a colon and itself."""

_CONNECT_S = 10
_ADDRESS = re.compile(
    r"postgres(?:ql)?://(?:[^:@/?#\s]+(?::[^:@/?#\s]*)?@)?"
    r"(?:[A-Za-z0-9._,-]|:[0-9]+(?=[,/?]|$)|\[[0-9A-Fa-f:.]+\])*(?:/[^/@:?#\s]*)?(?:\?\S*)?"
)
_SESSION = "SET search_path TO pgstac, public; SET timezone TO 'UTC'"
_NOT_THERE = (
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.InvalidSchemaName,
    errors.ForeignKeyViolation,
)
_GONE = (psycopg.OperationalError, psycopg.InterfaceError)


class Database:
    """The database, with its password kept to itself.

    Args:
        url: "postgresql://user:password@host:port/name". PGHOST, PGPASSWORD and
            the like say what it leaves out.
    """

    def __init__(self, url: SecretStr) -> None:
        self._url = url
        self._idle: list[Connection] = []
        self._owner = os.getpid()
        self._guard = threading.Lock()
        said = self._parsed()
        self.address = "{}:{}/{}".format(
            said.get("host") or os.environ.get("PGHOST") or "localhost",
            said.get("port") or os.environ.get("PGPORT") or 5432,
            said.get("dbname") or os.environ.get("PGDATABASE") or "postgres",
        )
        """Host, port and name: what of the address may be said."""

    def _parsed(self) -> dict[str, Any]:
        url = self._url.get_secret_value()
        # libpq takes a part of a password that is not encoded for a host or a name, and says these in errors.
        if _ADDRESS.fullmatch(url):
            try:
                return dict(conninfo_to_dict(url))
            except psycopg.Error:  # its words may hold the password
                pass
        raise Invalid(
            "The address of the catalogue's database cannot be read (it is not shown, it may hold a "
            "password): write it as postgresql://user:password@host:5432/name, with special characters "
            "%-encoded"
        )

    def connect(self) -> Connection:
        """A connection of one's own, each statement a transaction. Whoever asks for it closes it.

        Raises:
            OperationalError: The server does not answer, or does not let us in.
        """
        connection = psycopg.connect(
            self._url.get_secret_value(),
            autocommit=True,
            connect_timeout=_CONNECT_S,
            application_name="fair-models",
            keepalives_idle=30,
        )
        connection.execute(_SESSION.encode(), prepare=False)
        set_json_loads(orjson.loads, connection)
        return connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One snapshot.

        Raises:
            Unavailable: The database does not answer, or has no catalogue.
        """
        with self.translate_errors("read"), self._borrowed() as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield connection
            finally:
                _roll_back(connection)

    @contextmanager
    def changing(self, timeout_s: float) -> Iterator[Connection]:
        """One change by one writer at a time, committed when the block ends well, else undone.

        Args:
            timeout_s: Seconds to wait for another writer.

        Raises:
            Unavailable: Another writer did not end in time, or the database cannot be written.
        """
        with self.translate_errors("change"), self._borrowed() as connection:
            connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            try:
                wait_at_most(connection, timeout_s, local=True)
                connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
                transaction = str(_value(connection, "SELECT pg_current_xact_id()::text"))
                yield connection
            except BaseException:
                _roll_back(connection)
                raise
            self._commit(connection, transaction)

    def _commit(self, connection: Connection, transaction: str) -> None:
        """Commit, and where the answer is lost on its way, ask whether it counts."""
        try:
            connection.execute("COMMIT")
        except _GONE as error:
            if not self._counts(transaction):
                raise error

    def _counts(self, transaction: str, attempts: int = 20, pause_s: float = 0.5) -> bool:
        for _ in range(attempts):
            with suppress(psycopg.Error), self.connect() as connection:
                status = _value(connection, "SELECT pg_xact_status(%s::xid8)", transaction)
                if status != "in progress":
                    return bool(status == "committed")
            time.sleep(pause_s)
        raise Unavailable(
            f"The database {self.address} stopped answering while it made a change, and it is not known "
            "whether that counts. When it answers again, do the same again: what is there already "
            "is not made twice"
        )

    @contextmanager
    def holding(self, what: str, timeout_s: float) -> Iterator[None]:
        """Hold a name until the block, this process or its connection ends.

        Args:
            what: The name, e.g. "local-models/roofs".
            timeout_s: Seconds to wait for whoever holds it.

        Raises:
            Unavailable: Another held it for longer than that, or the database does not answer.
        """
        with self.translate_errors("change"):
            connection = self.connect()
        with connection:
            with self.translate_errors("change"):
                wait_at_most(connection, timeout_s, local=False)
                try:
                    connection.execute(
                        "SELECT set_config('application_name', %s, false), "
                        "pg_advisory_lock(hashtextextended(%s, 0))",
                        [f"fair-models: {what}"[:63], f"{LOCK}:{what}"],
                    )
                except errors.LockNotAvailable as error:
                    raise Unavailable(
                        f"{what} in the catalogue {self.address} is busy: another process is changing "
                        f"what is published of it. Waited {timeout_s:g} s; try again when that has ended"
                    ) from error
            yield

    def close(self) -> None:
        """Close connections that nobody uses now."""
        with self._guard:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    @contextmanager
    def _borrowed(self) -> Iterator[Connection]:
        """A connection that is used again afterwards: making one takes longer than most questions."""
        connection = self._take()
        try:
            yield connection
        finally:
            if connection.closed or connection.info.transaction_status != 0:
                connection.close()
            else:
                with self._guard:
                    self._idle.append(connection)

    def _take(self) -> Connection:
        with self._guard:
            if self._owner != os.getpid():  # a fork: these connections are our parent's
                self._idle, self._owner = [], os.getpid()
            found = self._idle.pop() if self._idle else None
        if found is not None:
            with suppress(psycopg.Error):  # the server may have been started again since
                found.execute("SELECT 1")
                return found
            found.close()
        return self.connect()

    @contextmanager
    def translate_errors(self, doing: str) -> Iterator[None]:
        """Turn an error of the database into one of our family."""
        try:
            yield
        except errors.LockNotAvailable as error:
            raise Unavailable(
                f"The catalogue {self.address} is busy: another process is changing it. Try again when "
                "that has ended"
            ) from error
        except _NOT_THERE as error:
            raise Unavailable(
                f"The database {self.address} has no catalogue, or one of an older version "
                f"({_words(error)}). Make it with: fair-models catalog init"
            ) from error
        except psycopg.Error as error:
            raise Unavailable(
                f"Cannot {doing} the catalogue {self.address}: {_words(error)}. Check that the server runs "
                "and what this user may do there, then try again"
            ) from error


def wait_at_most(connection: Connection, timeout_s: float, *, local: bool) -> None:
    """Have statements give up waiting for locks.

    Args:
        connection: Whose statements.
        timeout_s: Seconds.
        local: For this transaction alone.
    """
    milliseconds = str(max(1, round(timeout_s * 1000)))
    connection.execute("SELECT set_config('lock_timeout', %s, %s)", [milliseconds, local])


def _value(connection: Connection, query: str, *values: object) -> object:
    row = connection.execute(query.encode(), values).fetchone()
    return row[0] if row else None


def _roll_back(connection: Connection) -> None:
    with suppress(psycopg.Error):  # a lost connection has undone it
        connection.execute("ROLLBACK")


def _words(error: psycopg.Error) -> str:
    """What the server says, on one line."""
    return " ".join((error.diag.message_primary or str(error) or type(error).__name__).split())
