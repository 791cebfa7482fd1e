"""Servers that a test session starts for itself: a PostgreSQL of its own, and what it serves."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql
from pydantic import SecretStr

PASSWORD = "pa:ss/w0rd@postgres"
_TEMPLATE = "pgstac_template"
_QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "shared_buffers=32MB")
"""Nothing of this outlives the session, so nothing has to reach the disk."""


def programs() -> Path | None:
    """The folder with initdb and postgres, the newest there is."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent  # a link to it may stand alone
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in folders), key=lambda path: int(path.parent.name), default=None)


@dataclass
class Postgres:
    """A PostgreSQL server with pgstac.

    port: On 127.0.0.1.
    programs: The folder with its programs.
    """

    port: int
    programs: Path
    shared: str | None = None

    def url(self, name: str = "postgres") -> str:
        """Address of a database, with user and password."""
        return f"postgresql://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{name}"

    def empty(self) -> str:
        """Address of a new database with nothing in it."""
        return self._create("template1")

    def catalog(self) -> str:
        """Address of a new database with an empty catalogue, as `catalog init` makes it."""
        return self._create(_TEMPLATE)

    def copy(self, url: str) -> str:
        """Address of a new database with what another one holds. Nobody may be connected to that."""
        return self._create(url.rpartition("/")[2])

    def emptied(self) -> str:
        """Address of one catalogue that tests use in turn, with nothing in it: quicker than a new one."""
        if self.shared is None:
            self.shared = self._create(_TEMPLATE)
        with psycopg.connect(self.shared) as connection:
            connection.execute("SET search_path TO pgstac, public")
            connection.execute("DELETE FROM items")
            connection.execute("DELETE FROM fair_models.tombstones")
        return self.shared

    def dump(self, url: str) -> str:
        """All that a database holds, as text."""
        command = [self.programs / "pg_dump", "--inserts", "--dbname", url]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def drop(self, url: str) -> None:
        """Take a database away, whoever is connected."""
        name = sql.Identifier(url.rpartition("/")[2])
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def _create(self, template: str) -> str:
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return self.url(name)


@contextmanager
def postgres(bin_folder: Path) -> Iterator[Postgres]:
    """A server for the time of the block. PostgreSQL refuses to run as root: then another user runs it."""
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="fair-postgres-"))
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    data = folder / "data"
    make = [
        bin_folder / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "scram-sha-256",
        "--pwfile",
        secret,
        "-N",
    ]
    subprocess.run(
        [*make, "-E", "UTF8", "--locale=C.UTF-8"], check=True, user=user, cwd="/", stdout=subprocess.DEVNULL
    )
    port = free_port()
    settings = [*_QUICK, "listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={port}"]
    server = subprocess.Popen(
        [bin_folder / "postgres", "-D", data, *(part for each in settings for part in ("-c", each))],
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
    )
    try:
        made = Postgres(port, bin_folder)
        _wait(made, server, folder / "log")
        _make_template(made)
        yield made
    finally:
        server.send_signal(signal.SIGINT)  # its fast way to end: clients are not waited for
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _wait(made: Postgres, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        try:
            psycopg.connect(made.url(), connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def _make_template(made: Postgres) -> None:
    from fair_models.catalog.pgstac import setup
    from fair_models.catalog.pgstac.database import Database

    with psycopg.connect(made.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    database = Database(SecretStr(made.url(_TEMPLATE)))
    setup.init(database)
    database.close()
