"""Points ZenML and MLflow at FAIR_HOME and keeps them quiet. The one place where ZenML is first imported."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock

from fair_models.errors import Conflict, Unavailable
from fair_models.settings import Settings, checkout_root, current
from fair_models.training.process import full_disk

LOGGER_NAME = "fair_models.training"
"""What people read while a training runs: counts, epochs, metrics."""

_LEVELS = {
    "alembic": logging.WARNING,
    "mlflow": logging.WARNING,
    "httpx": logging.WARNING,
    "zenml": logging.WARNING,
    "zenml.zen_stores": logging.ERROR,  # it warns of setting itself up
    # They print the traceback of a failed step, which reaches the caller as an exception anyway.
    "zenml.orchestrators": logging.CRITICAL,
    LOGGER_NAME: logging.INFO,
}


def set_zenml_variables(settings: Settings) -> None:
    """Set the environment variables that ZenML reads when it is imported."""
    os.environ["ZENML_CONFIG_PATH"] = str(settings.home / "zenml")
    os.environ["ZENML_ANALYTICS_OPT_IN"] = "false"
    os.environ.setdefault("ZENML_LOGGING_VERBOSITY", "WARNING")
    os.environ.setdefault("ZENML_ENABLE_RICH_TRACEBACK", "false")


def set_mlflow_variables() -> None:
    """Set the environment variables that MLflow reads when it is imported."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    # A server that is down costs one call of some seconds, not minutes of retries.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")


def follow_settings() -> None:
    """Make ZenML's own command line use the same state (entry point of the group `zenml.init_hooks`).

    Does nothing where ZENML_CONFIG_PATH is set, and outside of a checkout unless FAIR_HOME is set: other
    uses of ZenML in the same environment keep their own state.
    """
    if "ZENML_CONFIG_PATH" in os.environ:
        return
    if "FAIR_HOME" in os.environ or checkout_root() is not None:
        os.environ["ZENML_CONFIG_PATH"] = str(current().home / "zenml")
        os.environ["ZENML_ANALYTICS_OPT_IN"] = "false"


def zenml_client(settings: Settings) -> Any:
    """ZenML's client over the state under `settings.home`.

    The first use of a home sets its database up, which takes some seconds.

    Raises:
        Conflict: ZenML was already opened over another home in this process.
        Unavailable: The disk is full; names the folder.
    """
    _refuse_second_home(settings)
    set_zenml_variables(settings)
    with _logging_kept():
        from zenml.client import Client
        from zenml.utils.source_utils import set_custom_source_root

        # ZenML names code by its path below a source root. Nothing lies below this one, so that steps are
        # named by their modules, wherever the package or a registered archive is imported from.
        root = settings.home / "zenml" / "source-root"
        root.mkdir(parents=True, exist_ok=True)
        set_custom_source_root(str(root))
        # Two processes that set up one database at once would spoil it.
        with FileLock(settings.home / "zenml" / "opening.lock"):
            _set_aside_half_made(settings)
            try:
                client = Client()
                client.zen_store  # noqa: B018 - opens the database
            except Exception as error:
                full = full_disk.told(error, settings)
                if full is None:
                    raise
                raise Unavailable(
                    f"ZenML cannot be opened: {full}. Make room there, then try again"
                ) from error
            return client


def _set_aside_half_made(settings: Settings) -> None:
    """Move a database away whose set-up was killed: ZenML refuses it for ever, and nothing is in it yet.

    ZenML makes the tables first and notes their version last. SQLite keeps the tables of a set-up that ended
    in between. Call it under the lock.
    """
    database = settings.home / "zenml" / "local_stores" / "default_zen_store" / "zenml.db"
    if not database.is_file():
        return
    with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as opened:
        try:
            tables = {name for (name,) in opened.execute("SELECT name FROM sqlite_master")}
            noted = "alembic_version" in tables and opened.execute("SELECT 1 FROM alembic_version").fetchone()
        except sqlite3.Error:
            return  # no database, or one in use: ZenML says what is wrong
    if tables and not noted:
        aside = database.with_name("zenml.db.half-made")
        database.replace(aside)
        logging.getLogger(LOGGER_NAME).warning(
            "The set-up of ZenML's database was broken off; it is made anew, the half is %s", aside
        )


def _refuse_second_home(settings: Settings) -> None:
    if "zenml.config.global_config" not in sys.modules:
        return
    from zenml.config.global_config import GlobalConfiguration

    opened = Path(GlobalConfiguration().config_directory).resolve()
    wanted = (settings.home / "zenml").resolve()
    if opened != wanted:
        raise Conflict(
            f"ZenML serves {opened} in this process and cannot serve {wanted} too. Use another process."
        )


@contextmanager
def _logging_kept() -> Iterator[None]:
    """ZenML puts a console handler on the root logger and sets its level: every line would come twice."""
    root = logging.getLogger()
    level = root.level
    for name, least in _LEVELS.items():
        logging.getLogger(name).setLevel(least)
    try:
        yield
    finally:
        root.setLevel(level)
        for handler in list(root.handlers):
            if type(handler).__name__ == "ZenMLConsoleHandler":
                root.removeHandler(handler)
