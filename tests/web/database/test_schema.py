"""The tables: made once, by whichever process comes first, and the same as the code says."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import alembic.op
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import inspect, text

from fair_models.errors import Invalid, Unavailable
from fair_models.settings import Settings, current
from fair_models.web.database.database import Database
from fair_models.web.database.opening import check_address, open_database
from fair_models.web.database.schema import HEAD, revision
from fair_models.web.database.tables import Table

OPEN = (
    "from fair_models.settings import current\n"
    "from fair_models.web.database.opening import check_address, open_database\n"
    "open_database(current()).close()\n"
)

AMINA = text("INSERT INTO accounts (slug, role, created) VALUES ('amina', 'admin', '2026-01-01 00:00:00')")


def test_migrations_make_the_tables_that_the_code_has(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []
        assert revision(connection) == HEAD


def test_the_newest_migration_is_the_one_that_processes_look_for() -> None:
    config = Config()
    config.set_main_option("script_location", "fair_models.web.database:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_processes_that_start_at_the_same_time_make_the_tables_once(web_settings: Settings) -> None:
    environment = {**os.environ, "FAIR_HOME": str(web_settings.home)}
    with ThreadPoolExecutor(4) as pool:
        started = [
            pool.submit(subprocess.run, [sys.executable, "-c", OPEN], env=environment, capture_output=True)
            for _ in range(4)
        ]
        ended = [each.result() for each in started]
    assert [each.stderr.decode() for each in ended] == [""] * 4
    database = open_database(web_settings)
    with database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM accounts")).scalar() == 0
    database.close()


def test_a_migration_that_breaks_off_leaves_nothing(
    web_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(alembic.op, "create_index", broken)
        with pytest.raises(KeyboardInterrupt):
            open_database(web_settings)
    database = Database(check_address(web_settings))
    assert inspect(database.engine).get_table_names() == []
    database.close()
    open_database(web_settings).close()


def test_opening_again_keeps_what_is_there(web_settings: Settings) -> None:
    first = open_database(web_settings)
    with first.writing() as session:
        session.execute(AMINA)
    first.close()
    second = open_database(web_settings)
    with second.reading() as session:
        assert session.execute(text("SELECT slug FROM accounts")).scalar() == "amina"
    second.close()


def test_tables_of_a_newer_version_are_refused(web_settings: Settings) -> None:
    database = open_database(web_settings)
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(Unavailable, match="of another version of fair-models"):
        open_database(web_settings)


def test_the_file_is_for_its_owner_alone_and_many_can_read_while_one_writes(sqlite: Database) -> None:
    file = Path(str(sqlite.url.database))
    assert file.stat().st_mode & 0o077 == 0
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with sqlite.writing() as writing, sqlite.reading() as reading:
        writing.execute(AMINA)
        assert reading.execute(text("SELECT count(*) FROM accounts")).scalar() == 0


def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        _write_and_stop(database)
    with database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM accounts")).scalar() == 0


def _write_and_stop(database: Database) -> None:
    with database.writing() as session:
        session.execute(AMINA)
        raise RuntimeError("stop")


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("mysql://user:hush-hush@host/name", "no kind of database"),
        ("nothing", "no address of a database"),
        ("sqlite://", "is a file"),
        ("sqlite:///:memory:", "is a file"),
    ],
)
def test_an_address_of_no_database_is_refused_and_not_quoted(written: str, reason: str) -> None:
    settings = current().model_copy(update={"web_database_url": SecretStr(written)})
    with pytest.raises(Invalid, match=reason) as refused:
        open_database(settings)
    assert "hush-hush" not in str(refused.value)


def test_a_database_that_is_away_is_named_without_its_password() -> None:
    url = SecretStr("postgresql://fair:hush-hush@127.0.0.1:9/web")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9/web") as refused:
        open_database(current().model_copy(update={"web_database_url": url}))
    assert "hush-hush" not in str(refused.value)
