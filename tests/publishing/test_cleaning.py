"""Cleaning: which runs go, and which stay whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fair_models.catalog.items.pins import Pin
from fair_models.errors import NotFound
from fair_models.params import CleanRunsParams
from fair_models.publishing.cleanup import Cleaned, clean_runs
from tests.publishing.file_ledger import FileLedger
from tests.publishing.world import MODEL, World, broken, unsettled

NOW = datetime(2026, 12, 31, tzinfo=UTC)


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    """A registry without any run."""
    made = World.at(home)
    made.register(1)
    made.ingest(1)
    yield made
    assert broken(made) == []
    assert unsettled(made) == []


def add(world: World, count: int = 1, **said: str) -> None:
    """So many versions, completed in November unless said otherwise."""
    assert isinstance(world.ledger, FileLedger)
    for _ in range(count):
        world.ledger.add(MODEL, **said)  # type: ignore[arg-type]


def clean(world: World, **values: object) -> Cleaned:
    asked = {"keep_last": 0, "dry_run": False, **values}
    return clean_runs(CleanRunsParams.model_validate(asked), world.catalog, world.ledger, NOW)


def stays(done: Cleaned) -> dict[int, str]:
    return {each.version.number: each.stays for each in done.decisions}


def test_what_is_running_published_pinned_young_or_new_stays(world: World) -> None:
    add(world, 3)
    add(world, status="running")
    add(world, 2, status="failed")
    add(world, created="2026-12-30T00:00:00+00:00")
    add(world, 1)
    world.promote(1)
    world.promote(2)
    world.ledger.set_pin(MODEL, 3, Pin("why", "ana", "2026-01-01T00:00:00Z"))

    done = clean(world, keep_last=1)

    assert stays(done) == {
        1: "published",
        2: "published",
        3: "pinned by ana since 2026-01-01T00:00:00Z: why",
        4: "running",
        5: "",
        6: "",
        7: "not old enough",
        8: "among the newest",
    }
    assert [each.number for each in done.deleted] == [5, 6]
    assert sorted(world.stages()) == [1, 2, 3, 4, 7, 8]
    assert done.kept == {
        "published": 2,
        "pinned": 1,
        "running": 1,
        "not old enough": 1,
        "among the newest": 1,
    }
    assert clean(world, keep_last=1).deleted == []


def test_a_dry_run_deletes_nothing_and_is_the_default(world: World) -> None:
    add(world, 2)
    done = clean_runs(CleanRunsParams(keep_last=0), world.catalog, world.ledger, NOW)
    assert [each.number for each in done.deleted] == [1, 2]
    assert sorted(world.stages()) == [1, 2]


def test_runs_of_today_go_where_that_is_asked_for(world: World) -> None:
    add(world, 2)
    assert clean(world, older_than_days=0).deleted
    assert world.stages() == {}


def test_numbers_of_deleted_runs_are_not_used_again(world: World) -> None:
    add(world, 2)
    clean(world)
    assert world.stages() == {}
    add(world)
    assert min(world.stages()) > 2


def test_more_to_keep_than_there_is_keeps_all(world: World) -> None:
    add(world, 3)
    assert clean(world, keep_last=5).deleted == []


def test_only_the_models_that_are_named_are_cleaned(world: World) -> None:
    add(world)
    assert isinstance(world.ledger, FileLedger)
    world.ledger.add("huts")
    assert [each.id for each in clean(world, models=["huts"]).deleted] == ["huts-v1"]
    assert world.ledger.models() == [MODEL]
    with pytest.raises(NotFound, match="No model is called sheds"):
        clean(world, models=["sheds"])


def test_a_version_that_is_being_published_is_waited_for_and_stays(world: World) -> None:
    add(world, 1)
    holding = threading.Event()

    class Waiting:
        """A catalogue that lets the cleaning begin while a promotion holds the name."""

        def __getattr__(self, name: str) -> object:
            if name == "commit":
                holding.set()
            return getattr(world.catalog, name)

    held = world.wrapped(lambda part: Waiting() if part is world.catalog else part)
    promotion = threading.Thread(target=held.promote, args=[1])
    promotion.start()
    assert holding.wait(30)
    done = clean(world)
    promotion.join()

    assert stays(done) == {1: "published"}
    assert world.stages() == {1: "production"}
