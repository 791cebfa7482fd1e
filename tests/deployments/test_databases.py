"""The database server as Kubernetes and compose start it: roles, a catalogue, its backup and its restore."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from deployments import migrate
from deployments.deploy import CHECKOUT
from tests.services import _unprivileged, free_port, programs

PASSWORDS = {
    "PREFECT_PASSWORD": "p1",
    "MLFLOW_PASSWORD": "m1",
    "CATALOG_PASSWORD": "c1",
    "CATALOG_READER_PASSWORD": "r1",
    "WEB_PASSWORD": "w1",
}
ITEM = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "id": "roofs-v1",
    "collection": "local-models",
    "geometry": {"type": "Point", "coordinates": [85.5, 27.6]},
    "bbox": [85.5, 27.6, 85.5, 27.6],
    "properties": {"datetime": "2026-01-01T00:00:00Z"},
    "links": [],
    "assets": {},
}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A new server on which databases.sh has run, as the image's entrypoint runs it."""
    tools = programs()
    if tools is None:
        if os.environ.get("FAIR_REQUIRE_ALL") == "1":
            pytest.fail("needs PostgreSQL: install Debian's postgresql-15-postgis-3")
        pytest.skip("needs PostgreSQL")
    user, folder = _unprivileged(), Path("/tmp") / f"fair-databases-{os.getpid()}"
    found = free_port()
    options = f"-p {found} -k /tmp -c listen_addresses=127.0.0.1 -c fsync=off"

    def run(program: str, *arguments: str) -> None:
        command = [str(tools / program), "-D", str(folder), *arguments]
        subprocess.run(command, user=user, check=True, cwd="/", stdout=subprocess.DEVNULL)

    run("initdb", "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8")
    run("pg_ctl", "-o", options, "-l", f"{folder}/log", "-w", "start")
    try:
        script = CHECKOUT / "deployments" / "kubernetes" / "base" / "databases.sh"
        own = {**os.environ, **PASSWORDS, "PGHOST": "127.0.0.1", "PGPORT": str(found)}
        subprocess.run(["bash", script], env=own, check=True, stdout=subprocess.DEVNULL)
        yield found
    finally:
        run("pg_ctl", "-m", "immediate", "-w", "stop")
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def address(port: int, user: str, database: str) -> str:
    return f"postgresql://{user}@127.0.0.1:{port}/{database}"


@pytest.fixture(scope="module")
def catalog(port: int) -> str:
    """The catalogue as `fair-models catalog init` makes it, with one item."""
    from fair_models.catalog.pgstac import setup
    from fair_models.catalog.pgstac.database import Database

    found = address(port, "catalog", "catalog")
    database = Database(SecretStr(found))
    setup.init(database)
    setup.init(database)  # at each upgrade again
    database.close()
    with psycopg.connect(found) as connection:
        connection.execute("SET search_path TO pgstac, public")
        connection.execute("SELECT create_item(%s::jsonb)", [psycopg.types.json.Jsonb(ITEM)])
    return found


def test_the_role_of_the_catalogue_makes_it_without_being_a_superuser(catalog: str) -> None:
    with psycopg.connect(catalog) as connection:
        assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'catalog'").fetchone() == (
            False,
        )
        assert connection.execute("SELECT count(*) FROM pgstac.items").fetchone() == (1,)


def test_the_role_of_the_stac_api_reads_and_does_not_write(catalog: str, port: int) -> None:
    with psycopg.connect(address(port, "catalog_reader", "catalog"), autocommit=True) as connection:
        connection.execute("SET search_path TO pgstac, public")  # as stac-fastapi does
        found = connection.execute("SELECT pgstac.search('{}'::jsonb)").fetchone()
        assert found is not None
        assert [each["id"] for each in found[0]["features"]] == ["roofs-v1"]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM pgstac.items")


def test_a_role_enters_its_own_database_alone(port: int) -> None:
    psycopg.connect(address(port, "mlflow", "mlflow")).close()
    for user, database in [("mlflow", "catalog"), ("prefect", "mlflow"), ("catalog_reader", "prefect")]:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(address(port, user, database))


def test_the_nightly_dump_restores_the_catalogue(catalog: str, port: int, tmp_path: Path) -> None:
    server = ["--host=127.0.0.1", f"--port={port}", "--username=postgres"]
    dump = tmp_path / "catalog.dump"
    subprocess.run(["pg_dump", *server, "--format=custom", f"--file={dump}", "catalog"], check=True)
    subprocess.run(["createdb", *server, "--owner=catalog", "restored"], check=True)
    restore = [CHECKOUT / "deployments" / "restore-database", dump, "restored"]
    own = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres"}
    subprocess.run(restore, env=own, check=True)
    found = []
    for database in ("catalog", "restored"):
        with psycopg.connect(address(port, "catalog", database)) as connection:
            connection.execute("SET search_path TO pgstac, public")
            found.append(connection.execute("SELECT search('{}'::jsonb) -> 'features'").fetchone())
    assert found[0] == found[1]
    assert found[0] is not None
    assert found[0][0][0]["id"] == "roofs-v1"


def test_two_servers_that_start_migrate_one_after_the_other(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def instead(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[1:] == ["-m", "prefect", "server", "database", "upgrade", "-y"]
        begun.set()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(migrate.subprocess, "run", instead)
    target = f"postgresql+asyncpg://prefect@127.0.0.1:{port}/prefect"
    with psycopg.connect(address(port, "prefect", "prefect"), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [migrate._LOCK])
        second = threading.Thread(target=migrate.migrate, args=[target])
        second.start()
        assert waiting(other)
        assert not begun.is_set()
    second.join(30)
    assert begun.is_set()


def waiting(connection: psycopg.Connection) -> bool:
    """Whether somebody comes to wait for a lock."""
    for _ in range(3000):
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ).fetchone()
        if row is not None and row[0]:
            return True
        connection.execute("SELECT pg_sleep(0.01)")
    return False
