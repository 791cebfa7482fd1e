"""A process killed around and within the commits of a catalogue in pgstac; the same again completes it."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fair_models.types import LOCAL_MODELS
from tests.children import in_child
from tests.publishing import dying
from tests.publishing.file_ledger import FileLedger
from tests.publishing.world import CATALOG_URL, MODEL, World, broken, unsettled

pytestmark = pytest.mark.proof

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.:+Z]*")


@dataclass(frozen=True)
class Operation:
    """What is done to a registry with one published version and another one trained, and its points."""

    run: Callable[[World], object]
    least: int


OPERATIONS = {
    "promote-next": Operation(lambda world: world.promote(2), 6),
    "delete-model": Operation(lambda world: world.retire("delete"), 3),
}


SAVE = (
    "CREATE TABLE saved.items AS TABLE items",
    "CREATE TABLE saved.tombstones AS TABLE fair_models.tombstones",
)
PUT_BACK = (
    "DELETE FROM items",
    "INSERT INTO items TABLE saved.items",
    "DELETE FROM fair_models.tombstones",
    "INSERT INTO fair_models.tombstones TABLE saved.tombstones",
)


def tables(root: Path, *statements: str) -> None:
    url = (root / CATALOG_URL).read_text()
    with psycopg.connect(url, options="-c search_path=pgstac,public") as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def template(tmp_path: Path, shared_pgstac_url: str) -> Path:
    root = tmp_path / "template"
    root.mkdir()
    (root / CATALOG_URL).write_text(shared_pgstac_url)
    world = World.at(root)
    world.register(1)
    world.ingest(1)
    assert isinstance(world.ledger, FileLedger)
    for _ in range(2):
        world.ledger.add(MODEL)
    world.promote(1)
    tables(root, "DROP SCHEMA IF EXISTS saved CASCADE", "CREATE SCHEMA saved", *SAVE)
    return root


def says(root: Path) -> dict[str, str]:
    """All that a registry says and holds, but times and where it lies."""
    catalog = World.at(root).catalog
    items = [*catalog.search(LOCAL_MODELS), *catalog.tombstones(LOCAL_MODELS)]
    found = {item.id: str(item.to_dict(transform_hrefs=False)) for item in items}
    found |= {place: str(data) for place, data in dying.content(root).items() if place != CATALOG_URL}
    return {place: _TIME.sub("TIME", text).replace(str(root), "") for place, text in found.items()}


def kill_at(count: int) -> None:
    """End this process with SIGKILL before its `count`-th statement that may change the database."""
    left, execute = [count], psycopg.Connection.execute

    def deadly(connection: Any, query: Any, *values: Any, **options: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else query
        if text.startswith(("SELECT upsert", "SELECT pg_advisory", "UPDATE", "DELETE", "INSERT", "COMMIT")):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return execute(connection, query, *values, **options)

    psycopg.Connection.execute = deadly  # type: ignore[method-assign]


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_kill_within_a_change_leaves_nothing_wrong_and_the_same_again_completes_it(
    template: Path, tmp_path: Path, name: str
) -> None:
    operation, root = OPERATIONS[name], tmp_path / "registry"
    wanted: dict[str, str] = {}
    for count in range(200):
        tables(template, *PUT_BACK)
        dying.copy(template, root)

        def work(count: int = count) -> str:
            kill_at(count)
            operation.run(World.at(root))
            return "alive"

        ended, said = in_child(work)
        if count == 0:
            wanted = says(root)
        elif said != "alive":
            assert ended == signal.SIGKILL, said
            assert broken(World.at(root)) == [], count
            operation.run(World.at(root))
        assert says(root) == wanted, count
        if said == "alive" and count:
            break
        shutil.rmtree(root)
    assert broken(World.at(root)) == []
    assert unsettled(World.at(root)) == []
    assert count >= operation.least
