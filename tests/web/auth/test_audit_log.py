"""The audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from fair_models.web.auth import audit_log
from fair_models.web.database import tables
from fair_models.web.database.database import Database


def note(database: Database, what: str, who: str = "amina") -> None:
    audit_log.write(database, who=who, how="cli", what=what, result="done")


def test_entries_come_newest_first_and_page_by_page(database: Database) -> None:
    for number in range(5):
        note(database, f"thing {number}")
    first = audit_log.read(database, limit=2)
    rest = audit_log.read(database, before=first[-1].id)
    assert [entry.what for entry in [*first, *rest]] == [f"thing {number}" for number in (4, 3, 2, 1, 0)]


def test_entries_are_found_by_who_and_when(database: Database) -> None:
    note(database, "one")
    note(database, "two", who="bikash")
    assert [entry.what for entry in audit_log.read(database, who="bikash")] == ["two"]
    assert audit_log.read(database, since=datetime.now(UTC) + timedelta(minutes=1)) == []


def test_no_entry_can_forge_another_line_and_long_ones_are_cut(database: Database) -> None:
    note(database, "GET /\r\nDELETE /\x1b[2J" + "x" * 10_000)
    (entry,) = audit_log.read(database)
    assert entry.what.isprintable()
    assert len(entry.what) == 500


def test_old_entries_go(database: Database) -> None:
    note(database, "old")
    with database.writing() as session:
        session.execute(update(tables.AuditEntry).values(time=datetime.now(UTC) - timedelta(days=8)))
    note(database, "new")
    assert audit_log.prune(database, 7) == 1
    assert [entry.what for entry in audit_log.read(database)] == ["new"]
