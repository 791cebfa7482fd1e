"""Browsers that are signed in: a random cookie, of which the database has the digest alone."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, update

from fair_models.web.auth.accounts import Account, of_row
from fair_models.web.auth.names import maintained
from fair_models.web.auth.tokens import digest
from fair_models.web.callers import Kind
from fair_models.web.database import tables
from fair_models.web.database.database import Database

COOKIE = "fair_session"
CSRF_HEADER = "X-CSRF-Token"
LIFE = timedelta(hours=12)
"""How long a session lives at most."""
IDLE = timedelta(hours=2)
"""How long it lives without a request."""
_LAST_USED_EACH = timedelta(minutes=1)


@dataclass(frozen=True)
class NewSession:
    """A session that was just made. `cookie` is for the browser alone."""

    cookie: str
    csrf: str


@dataclass(frozen=True)
class SignedIn:
    """Whose session it is.

    csrf: What a write must send back, see `is_csrf`.
    maintains: Names that they may work on beside their own.
    """

    account: Account
    csrf: str
    expires: datetime
    maintains: frozenset[tuple[Kind, str]]


def create(database: Database, account: Account) -> NewSession:
    """Sign an account in. Sessions that are over are deleted."""
    cookie, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    with database.writing() as session:
        session.execute(delete(tables.BrowserSession).where(tables.BrowserSession.expires < now))
        session.add(
            tables.BrowserSession(
                digest=digest(cookie),
                account_id=account.id,
                csrf=csrf,
                created=now,
                last_used=now,
                expires=now + LIFE,
            )
        )
    return NewSession(cookie, csrf)


def check(database: Database, cookie: str) -> SignedIn | None:
    """Whose session a cookie is of. None: it is over, unknown, or its account is disabled."""
    wanted = (
        select(tables.BrowserSession, tables.Account)
        .join(tables.Account, tables.Account.id == tables.BrowserSession.account_id)
        .where(tables.BrowserSession.digest == digest(cookie))
    )
    now = datetime.now(UTC)
    with database.reading() as reading:
        row = reading.execute(wanted).one_or_none()
        if row is None:
            return None
        session, account = row
        names = maintained(reading, account.id)
    if session.expires <= now or session.last_used + IDLE <= now or account.disabled is not None:
        return None
    if now - session.last_used >= _LAST_USED_EACH:
        with database.writing() as writing:
            writing.execute(
                update(tables.BrowserSession)
                .where(tables.BrowserSession.digest == session.digest)
                .values(last_used=now)
            )
    return SignedIn(of_row(account), session.csrf, session.expires, names)


def end(database: Database, cookie: str) -> None:
    """Sign a browser out. One that is signed out already stays so."""
    with database.writing() as session:
        session.execute(delete(tables.BrowserSession).where(tables.BrowserSession.digest == digest(cookie)))


def is_csrf(presented: str | None, expected: str) -> bool:
    """Whether a write comes from a page of ours, which alone can read the session's CSRF token."""
    return presented is not None and hmac.compare_digest(presented.encode(), expected.encode())
