"""Bearer tokens: made, shown once, checked, listed and revoked.

A token is fair_<id>_<secret>: a prefix that scanners of repositories recognise, an id by which people name
it, and 256 random bits. The database has its sha-256 alone: so many random bits need no slow hash.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from fair_models.errors import Conflict, Invalid, NotFound, Unavailable
from fair_models.text import SENTENCE_PATTERN, in_one_way
from fair_models.web.auth.accounts import Account, of_row, row_of
from fair_models.web.auth.names import kind_of_name
from fair_models.web.auth.roles import SCOPES_OF, role_of, scopes_of, written
from fair_models.web.callers import Kind, Role, Scope
from fair_models.web.database import tables
from fair_models.web.database.database import Database

PREFIX = "fair"
FORM = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([0-9a-f]{{64}})", re.ASCII)
"""How a token is written: prefix, id, secret."""

MAX_DAYS = 3650
DEFAULT_DAYS = 90
MAX_TITLE = 120
MAX_ACTIVE = 100
"""Tokens that an account may have at the same time."""

_LAST_USED_EACH = timedelta(minutes=1)
_log = logging.getLogger(__name__)
_NO_DIGEST = hashlib.sha256(b"no token has this digest").hexdigest()


_HELD = (
    select(
        tables.Token.digest,
        tables.Token.scopes,
        tables.Token.expires,
        tables.Token.last_used,
        tables.Token.revoked,
        tables.Token.account_id,
        tables.Account.slug,
        tables.Account.role,
        tables.Account.created,
        tables.Account.issuer,
        tables.Account.disabled,
        tables.Maintainer.kind,
        tables.Maintainer.name,
    )
    .join(tables.Account, tables.Account.id == tables.Token.account_id)
    .outerjoin(tables.Maintainer, tables.Maintainer.account_id == tables.Account.id)
    .where(tables.Token.id == bindparam("token_id"))
)
"""A token with its account, in a row for each name that the account maintains. Asked with every request."""


@dataclass(frozen=True)
class Token:
    """What is known of a token; the token itself is not.

    id: By which people name it.
    owner: Slug of the account.
    scopes: What it may be used for; its account's role may allow less meanwhile.
    last_used: To the minute. None: never.
    """

    id: str
    owner: str
    title: str
    scopes: frozenset[Scope]
    created: datetime
    expires: datetime
    last_used: datetime | None
    revoked: datetime | None

    @property
    def state(self) -> str:
        """active, expired or revoked."""
        if self.revoked is not None:
            return "revoked"
        return "active" if self.expires > datetime.now(UTC) else "expired"


@dataclass(frozen=True)
class NewToken:
    """A token that was just made. `secret` is the token itself: nobody can read it again."""

    token: Token
    secret: str


@dataclass(frozen=True)
class Holder:
    """Whose token was shown: the account, and what the token allows at this moment.

    token_id: Which token it was.
    expires: When it ends.
    maintains: Names that the account may work on beside its own.
    """

    account: Account
    token_id: str
    scopes: frozenset[Scope]
    expires: datetime
    maintains: frozenset[tuple[Kind, str]] = frozenset()


class Rejected(Exception):
    """A token that opens nothing. The message is for the log: the caller learns that it is wrong, not why."""


def create(
    database: Database,
    slug: str,
    *,
    title: str,
    scopes: Iterable[str],
    days: float = DEFAULT_DAYS,
    within: frozenset[Scope] | None = None,
    until: datetime | None = None,
) -> NewToken:
    """Make a token for an account.

    Args:
        database: The service's database.
        slug: The account.
        title: What it is for: up to 120 characters.
        scopes: What it may be used for.
        days: When it ends, above 0 to 3650 days from now.
        within: What the one that asks for it may do: a token makes none that can do more.
        until: When the token that asks for it ends: it makes none that lives longer.

    Raises:
        NotFound: There is no such account.
        Conflict: The account has too many tokens.
        Invalid: A scope is unknown or beyond what the role allows, or the title or the time is wrong.
    """
    asked = scopes_of(scopes)
    name = _checked_title(title)
    if not 0 < days <= MAX_DAYS:
        raise Invalid(f"A token ends after more than 0 and up to {MAX_DAYS} days, not {days:g}")
    now = datetime.now(UTC)
    expires = now + timedelta(days=days)
    if until is not None:
        expires = min(expires, until)
    token_id, secret = secrets.token_hex(6), secrets.token_hex(32)
    whole = f"{PREFIX}_{token_id}_{secret}"
    with database.writing() as session:
        account = row_of(session, slug)
        _require_allowed(asked, of_row(account).role, within)
        _require_room(session, account.id, now)
        row = tables.Token(
            id=token_id,
            account_id=account.id,
            digest=digest(whole),
            title=name,
            scopes=written(asked),
            created=now,
            expires=expires,
        )
        session.add(row)
        return NewToken(_of_row(row, slug), whole)


def check(database: Database, presented: str) -> Holder:
    """Whose token it is. Notes that it was used, at most once a minute.

    An unknown id takes the same steps as a wrong secret, and digests are compared in constant time.

    Raises:
        Rejected: It is malformed, unknown, revoked or expired, or its account is disabled.
        Unavailable: The database does not answer.
    """
    found = FORM.fullmatch(presented)
    if found is None:
        raise Rejected("it is not written like a token")
    token_id = found[1]
    with database.looking() as connection:
        rows = connection.execute(_HELD, {"token_id": token_id}).all()
    is_right = hmac.compare_digest(digest(presented), rows[0].digest if rows else _NO_DIGEST)
    if not rows or not is_right:
        raise Rejected("no such token")
    row, now = rows[0], datetime.now(UTC)
    if row.revoked is not None:
        raise Rejected(f"token {token_id} was revoked")
    if row.expires <= now:
        raise Rejected(f"token {token_id} expired")
    if row.disabled is not None:
        raise Rejected(f"account {row.slug} is disabled")
    if row.last_used is None or now - row.last_used >= _LAST_USED_EACH:
        _note_use(database, token_id, now)
    account = Account(row.account_id, row.slug, role_of(row.role), row.created, None, row.issuer)
    scopes = scopes_of(row.scopes.split()) & SCOPES_OF[account.role]
    names = frozenset((kind_of_name(each.kind), each.name) for each in rows if each.kind is not None)
    return Holder(account, token_id, scopes, row.expires, names)


def _note_use(database: Database, token_id: str, now: datetime) -> None:
    """Note when a token was used. Where the disk is full it opens all the same."""
    try:
        with database.writing() as session:
            session.execute(update(tables.Token).where(tables.Token.id == token_id).values(last_used=now))
    except Unavailable as error:
        _log.warning("The last use of a token could not be noted: %s", error)


def list_of(database: Database, slug: str | None = None) -> list[Token]:
    """Tokens of an account, or of all, newest first; those that are over too. Raises NotFound."""
    wanted = (
        select(tables.Token, tables.Account.slug)
        .join(tables.Account, tables.Account.id == tables.Token.account_id)
        .order_by(tables.Token.created.desc(), tables.Token.id)
    )
    with database.reading() as session:
        if slug is not None:
            wanted = wanted.where(tables.Token.account_id == row_of(session, slug).id)
        return [_of_row(token, owner) for token, owner in session.execute(wanted)]


def revoke(database: Database, token_id: str, slug: str | None = None) -> Token:
    """End a token at once. One that is revoked already stays as it is.

    Args:
        database: The service's database.
        token_id: Its id, fair_<id>, or the whole token.
        slug: The account whose token it must be. Default: anybody's.

    Raises:
        NotFound: There is no such token, or it is somebody else's.
    """
    named = re.fullmatch(rf"(?:{PREFIX}_)?([0-9a-f]{{12}})(?:_[0-9a-f]{{64}})?", token_id)
    with database.writing() as session:
        found = _find(session, named[1]) if named else None
        if found is None or (slug is not None and found[1] != slug):
            shown = named[1] if named else token_id[:20]
            raise NotFound(f"There is no token {shown!r}. `fair-models token list` lists them")
        row, owner = found
        row.revoked = row.revoked or datetime.now(UTC)
        return _of_row(row, owner)


def digest(secret: str) -> str:
    """sha-256 of a secret, hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _find(session: Session, token_id: str) -> tuple[tables.Token, str] | None:
    wanted = (
        select(tables.Token, tables.Account.slug)
        .join(tables.Account, tables.Account.id == tables.Token.account_id)
        .where(tables.Token.id == token_id)
    )
    row = session.execute(wanted).one_or_none()
    return None if row is None else (row[0], row[1])


def _require_allowed(asked: frozenset[Scope], role: Role, within: frozenset[Scope] | None) -> None:
    if beyond := asked - SCOPES_OF[role]:
        raise Invalid(
            f"The role {role} does not allow {written(beyond)}. It allows {written(SCOPES_OF[role])}; "
            "an admin gives another role"
        )
    if within is not None and (beyond := asked - within):
        raise Invalid(
            f"This token or session does not have {written(beyond)} itself, and makes no token that has. "
            "Use one that has, or the command line"
        )


def _require_room(session: Session, account_id: int, now: datetime) -> None:
    active = select(func.count()).where(
        tables.Token.account_id == account_id, tables.Token.revoked.is_(None), tables.Token.expires > now
    )
    if (session.scalar(active) or 0) >= MAX_ACTIVE:
        raise Conflict(f"The account has {MAX_ACTIVE} active tokens, the maximum. Revoke some first")


def _checked_title(title: str) -> str:
    plain = in_one_way(title).strip()
    if len(plain) > MAX_TITLE or not re.fullmatch(SENTENCE_PATTERN, plain):
        raise Invalid(
            f"A token needs a title of 1 to {MAX_TITLE} characters in one line, such as 'QGIS on my laptop'"
        )
    return plain


def _of_row(row: tables.Token, owner: str) -> Token:
    return Token(
        row.id,
        owner,
        row.title,
        scopes_of(row.scopes.split()),
        row.created,
        row.expires,
        row.last_used,
        row.revoked,
    )
