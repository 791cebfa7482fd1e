"""Opens the database that the settings name, with its tables up to date."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from fair_models.errors import Invalid, Unavailable
from fair_models.settings import Settings
from fair_models.web.database.database import Database
from fair_models.web.database.schema import bring_up_to_date


def open_database(settings: Settings) -> Database:
    """The database of these settings, with its tables as this version needs them.

    Raises:
        Invalid: FAIR_WEB_DATABASE_URL names no database that can be used.
        Unavailable: It does not answer, or a newer version of fair-models made its tables.
    """
    url = check_address(settings)
    if url.get_backend_name() == "sqlite":
        _make_private(Path(str(url.database)))
    database = Database(url)
    try:
        bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
    return database


def check_address(settings: Settings) -> URL:
    """Where the database is, without looking there.

    Raises:
        Invalid: FAIR_WEB_DATABASE_URL names no database that can be used.
    """
    written = settings.web_database_url.get_secret_value()
    if not written:
        return URL.create("sqlite", database=str(settings.web_database_file))
    try:
        url = make_url(written)
    except ArgumentError:
        raise _wrong("it is no address of a database") from None
    if url.get_backend_name() == "sqlite":
        if url.query or url.database in (None, "", ":memory:"):
            raise _wrong("a database of SQLite is a file: sqlite:////folder/web.db")
        return url.set(database=str(Path(str(url.database)).expanduser().resolve()))
    if url.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise _wrong(f"{url.drivername} is no kind of database that can be used")
    return url.set(drivername="postgresql+psycopg")


def _wrong(reason: str) -> Invalid:
    return Invalid(
        f"FAIR_WEB_DATABASE_URL is wrong: {reason}. Write postgresql://user:password@host:5432/name or "
        "sqlite:////folder/web.db, or unset it for a file under FAIR_HOME"
    )


def _make_private(file: Path) -> None:
    """Make the file where it is not there, readable by its owner alone, with its folder."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise Unavailable(
            f"The web service's database {file} cannot be made: {error.strerror}. "
            "Make room or give the right to write there, or set FAIR_WEB_DATABASE_URL"
        ) from error
