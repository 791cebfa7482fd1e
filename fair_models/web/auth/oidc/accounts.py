"""Accounts of people who sign in with the provider: made at the first sign-in, with a name of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

from slugify import slugify
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from fair_models.errors import Conflict, Invalid
from fair_models.web.auth.accounts import Account, check_slug, of_row
from fair_models.web.auth.names import maintained
from fair_models.web.callers import Kind, Role
from fair_models.web.database import tables
from fair_models.web.database.database import Database

_MAX = 63
_TRIED = 50
_SUFFIX = 8


def signed_in(
    database: Database, issuer: str, subject: str, username: str, role: Role | None
) -> tuple[Account, frozenset[tuple[Kind, str]]]:
    """The account of somebody whom the provider knows, made if there is none, and the names they maintain.

    An account that was made otherwise is never theirs, even where it has their name: whoever may choose a
    username at the provider could take it over.

    Args:
        database: The service's database.
        issuer: The provider.
        subject: Who it is there.
        username: What they are called there; may be empty.
        role: What the provider says that they may do. None: it says nothing, and the account keeps its role.

    Raises:
        Conflict: No name could be found for a new account.
    """
    found = _find(database, issuer, subject)
    if found is None:
        _make(database, issuer, subject, username, role or "reader")
        found = _find(database, issuer, subject)
        if found is None:
            raise Conflict("The account could not be made. Sign in again")
    account, names = found
    if role is not None and account.role != role:
        with database.writing() as session:
            row = session.get_one(tables.Account, account.id)
            row.role = role
            account = of_row(row)
    return account, names


def _find(
    database: Database, issuer: str, subject: str
) -> tuple[Account, frozenset[tuple[Kind, str]]] | None:
    with database.reading() as session:
        row = session.scalar(
            select(tables.Account).where(tables.Account.issuer == issuer, tables.Account.subject == subject)
        )
        return None if row is None else (of_row(row), maintained(session, row.id))


def _make(database: Database, issuer: str, subject: str, username: str, role: Role) -> None:
    """Make the account under the first name that is free. Somebody else may make it at the same moment."""
    for slug in slugs(username, issuer, subject):
        try:
            with database.writing() as session:
                row = tables.Account(
                    slug=slug, role=role, issuer=issuer, subject=subject, created=datetime.now(UTC)
                )
                session.add(row)
        except IntegrityError:
            if _find(database, issuer, subject) is not None:
                return
        else:
            return


def slugs(username: str, issuer: str, subject: str) -> Iterator[str]:
    """Names for an account, the best first: amina, amina-2, …, and one that only they can have.

    Args:
        username: What they are called; of an e-mail address the part before the @.
        issuer: The provider.
        subject: Who it is there.
    """
    base = slugify(username.partition("@")[0], max_length=_MAX - _SUFFIX).strip("-")
    if base and not base[0].isalpha():
        base = f"user-{base}"
    digest = hashlib.sha256(f"{issuer} {subject}".encode()).hexdigest()
    numbered = [base, *(f"{base}-{number}" for number in range(2, _TRIED))] if base else []
    for slug in (*numbered, f"user-{digest[:12]}", f"user-{digest[:32]}"):
        try:
            yield check_slug(slug)
        except Invalid:
            continue
