"""The tables as this version needs them: made or migrated when a process starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from fair_models.errors import Unavailable
from fair_models.web.database.database import Database

HEAD = "0001"
"""The newest migration. A process that finds it need not load alembic."""

_LOCK = 0x_FA17_3B0D
"""Key of PostgreSQL's advisory lock for migrations."""

_WAIT_S = 120


def bring_up_to_date(database: Database) -> None:
    """Run the migrations that are missing. Processes that start at the same time wait for the first.

    Raises:
        Unavailable: The database does not answer, another process migrates for too long, or a newer version
            of fair-models made the tables.
    """
    try:
        with database.engine.connect() as connection:
            if revision(connection) == HEAD:
                return
        with _alone(database), database.engine.connect() as connection:
            _migrate(connection, database.address)
    except DBAPIError as error:
        raise Unavailable(
            f"The web service's database {database.address} cannot be used: "
            f"{' '.join(str(error.orig).split())[:300]}. Check FAIR_WEB_DATABASE_URL and that it runs"
        ) from error


def revision(connection: Connection) -> str | None:
    """The newest migration that was run. None in an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _migrate(connection: Connection, address: str) -> None:
    """All missing migrations in one transaction: a process that is killed leaves what was there before."""
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", "fair_models.web.database:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable(
            f"The web service's database {address} has tables of another version of fair-models "
            f"({revision(connection)}): {error}. Use that version or a newer one, or restore a backup"
        ) from error
    connection.commit()


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Hold the right to migrate, against other processes and other machines."""
    if database.is_sqlite:
        try:
            with FileLock(f"{database.url.database}.lock", timeout=_WAIT_S, mode=0o600):
                yield
        except Timeout as error:
            raise Unavailable(
                f"Another process migrates {database.address} for more than {_WAIT_S} s. "
                "Wait until it is done, then start again"
            ) from error
        return
    with database.engine.connect() as connection:
        connection.execute(text(f"SET lock_timeout = '{_WAIT_S}s'"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
