"""The database, opened when it is first needed: a service starts while its database is away."""

from __future__ import annotations

from threading import Lock

from fair_models.settings import Settings
from fair_models.web.database.database import Database
from fair_models.web.database.opening import check_address, open_database


class LateDatabase:
    """The database of an application. One object serves any number of threads.

    Args:
        settings: They say where it is.

    Raises:
        Invalid: FAIR_WEB_DATABASE_URL names no database that can be used.
    """

    def __init__(self, settings: Settings) -> None:
        check_address(settings)
        self._settings = settings
        self._opening = Lock()
        self._opened: Database | None = None

    def open(self) -> Database:
        """The database with its tables. Raises Unavailable, and tries again the next time."""
        if self._opened is None:
            with self._opening:
                if self._opened is None:
                    self._opened = open_database(self._settings)
        return self._opened

    def close(self) -> None:
        """End all connections. It can be opened again."""
        with self._opening:
            if self._opened is not None:
                self._opened.close()
                self._opened = None
