"""The audit log: who did or tried what, when, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select

from fair_models.web.database import tables
from fair_models.web.database.database import Database


@dataclass(frozen=True)
class Entry:
    """One thing that somebody did or tried.

    who: Slug of the account; empty for nobody.
    how: What showed who it is: token:<id>, session, oidc, cli, or empty.
    what: Method and path, or a command.
    result: The status code, or what a command did.
    """

    id: int
    time: datetime
    who: str
    how: str
    what: str
    result: str
    address: str
    request_id: str


def write(
    database: Database,
    *,
    who: str,
    how: str,
    what: str,
    result: str,
    address: str = "",
    request_id: str = "",
) -> None:
    """Add an entry. Texts that are too long are cut."""
    row = tables.AuditEntry(
        time=datetime.now(UTC),
        who=who[:63],
        how=how[:32],
        what=_printable(what)[:500],
        result=_printable(result)[:60],
        address=address[:64],
        request_id=request_id[:64],
    )
    with database.writing() as session:
        session.add(row)


def read(
    database: Database,
    *,
    before: int | None = None,
    who: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> list[Entry]:
    """Entries, newest first.

    Args:
        database: The service's database.
        before: Only those with a smaller id: the last id of a page asks for the next.
        who: Only those of one account; "" is nobody.
        since: Only those from this time on.
        limit: How many at most.
    """
    wanted = select(tables.AuditEntry).order_by(tables.AuditEntry.id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(tables.AuditEntry.id < before)
    if who is not None:
        wanted = wanted.where(tables.AuditEntry.who == who)
    if since is not None:
        wanted = wanted.where(tables.AuditEntry.time >= since)
    with database.reading() as session:
        return [
            Entry(row.id, row.time, row.who, row.how, row.what, row.result, row.address, row.request_id)
            for row in session.scalars(wanted)
        ]


def prune(database: Database, days: int) -> int:
    """Delete entries that are older. Returns how many they were."""
    oldest = datetime.now(UTC) - timedelta(days=days)
    with database.writing() as session:
        gone = session.execute(delete(tables.AuditEntry).where(tables.AuditEntry.time < oldest))
        return int(gone.rowcount)  # type: ignore[attr-defined]


def _printable(text: str) -> str:
    """Text without what could forge a line or a colour where people read it."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
