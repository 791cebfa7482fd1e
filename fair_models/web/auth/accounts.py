"""Accounts: made, listed, given a role, disabled and enabled again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fair_models.errors import Conflict, Invalid, NotFound
from fair_models.types import NAME_PATTERN, VERSION_SUFFIX
from fair_models.web.auth.roles import role_of
from fair_models.web.callers import Role
from fair_models.web.database import tables
from fair_models.web.database.database import Database

RESERVED = frozenset({"admins", "anonymous", "everybody", "nobody", "system"})
"""Words that mean somebody already, and no account."""

_MIN, _MAX = 3, 63


@dataclass(frozen=True)
class Account:
    """A person or a program that uses the service.

    slug: Its name: the owner of items.
    disabled: Since when it may do nothing.
    """

    id: int
    slug: str
    role: Role
    created: datetime
    disabled: datetime | None = None
    issuer: str | None = None


def check_slug(slug: str) -> str:
    """The slug, if it can name an account. Raises Invalid."""
    if "@" in slug:
        raise Invalid(
            f"{slug!r} looks like an e-mail address, and owners are public. Take a short name, like amina-k"
        )
    is_name = re.match(NAME_PATTERN, slug) and not slug.endswith("\n") and _MIN <= len(slug) <= _MAX
    if not is_name or re.search(VERSION_SUFFIX, slug):
        raise Invalid(
            f"{slug!r} cannot name an account: write {_MIN} to {_MAX} lower-case letters, digits and single "
            "hyphens, begin with a letter, and do not end like a version (-v1)"
        )
    if slug in RESERVED:
        raise Invalid(f"{slug!r} means somebody else already. Take another name")
    return slug


def create(database: Database, slug: str, role: str) -> Account:
    """Make an account.

    Raises:
        Invalid: The slug or the role cannot be one.
        Conflict: There is an account of that name.
    """
    row = tables.Account(slug=check_slug(slug), role=role_of(role), created=datetime.now(UTC))
    try:
        with database.writing() as session:
            session.add(row)
    except IntegrityError as error:
        raise Conflict(
            f"There is an account {slug} already. Take another name, or change that one with "
            f"`fair-models user role {slug} {role}`"
        ) from error
    return of_row(row)


def get(database: Database, slug: str) -> Account:
    """One account. Raises NotFound."""
    with database.reading() as session:
        return of_row(row_of(session, slug))


def list_all(database: Database, after: str = "", limit: int | None = None) -> list[Account]:
    """Accounts in the order of their slugs, from the one after a slug on."""
    wanted = select(tables.Account).where(tables.Account.slug > after).order_by(tables.Account.slug)
    with database.reading() as session:
        return [of_row(row) for row in session.scalars(wanted.limit(limit))]


def set_role(database: Database, slug: str, role: str) -> Account:
    """Give an account another role. Its tokens can do at once what the role allows, and no more.

    Raises: what `change` raises.
    """
    return change(database, slug, role=role)


def disable(database: Database, slug: str) -> Account:
    """Let an account do nothing from now on. Raises what `change` raises."""
    return change(database, slug, disabled=True)


def enable(database: Database, slug: str) -> Account:
    """Let a disabled account work again. Raises NotFound."""
    return change(database, slug, disabled=False)


def change(
    database: Database, slug: str, *, role: str | None = None, disabled: bool | None = None
) -> Account:
    """Give an account another role, or let it do nothing, or let it work again: all of it, or nothing.

    Args:
        database: The service's database.
        slug: The account.
        role: Its new role. Its tokens can do at once what it allows, and no more. Default: as it is.
        disabled: Whether its tokens are refused and its sessions end; what it owns stays. Enabled again, its
            tokens that are not over count again. Default: as it is.

    Raises:
        NotFound: There is no such account.
        Invalid: There is no such role.
        Conflict: It is the last admin, and would be none.
    """
    wanted = None if role is None else role_of(role)
    with database.writing() as session:
        row = row_of(session, slug, locked=True)
        if row.role == "admin" and row.disabled is None and (disabled or wanted not in {None, "admin"}):
            _require_other_admin(session, row)
        if wanted is not None:
            row.role = wanted
        if disabled is False:
            row.disabled = None
        if disabled:
            row.disabled = row.disabled or datetime.now(UTC)
            ended = delete(tables.BrowserSession).where(tables.BrowserSession.account_id == row.id)
            session.execute(ended)
        return of_row(row)


def row_of(session: Session, slug: str, *, locked: bool = False) -> tables.Account:
    """The row of an account. Raises NotFound.

    Args:
        session: The transaction.
        slug: The account.
        locked: Whether all admins are held too, until the transaction ends: two that disable each other at
            the same moment would leave none.
    """
    if locked:
        session.scalars(
            select(tables.Account.id)
            .where(tables.Account.role == "admin")
            .order_by(tables.Account.id)
            .with_for_update()
        ).all()
    row = session.scalar(select(tables.Account).where(tables.Account.slug == slug))
    if row is None:
        raise NotFound(f"There is no account {slug!r}. `fair-models user list` lists them")
    return row


def of_row(row: tables.Account) -> Account:
    """The account that a row describes."""
    return Account(row.id, row.slug, role_of(row.role), row.created, row.disabled, row.issuer)


def _require_other_admin(session: Session, row: tables.Account) -> None:
    others = select(func.count()).where(
        tables.Account.role == "admin", tables.Account.disabled.is_(None), tables.Account.id != row.id
    )
    if not session.scalar(others):
        raise Conflict(
            f"{row.slug} is the last admin, and nobody could make another one. First make one: "
            "`fair-models user role NAME admin`"
        )
