"""The tables. Times are aware and in UTC; secrets are stored as sha-256 digests alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, ForeignKey, Index, MetaData, String, TypeDecorator, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names of indexes and constraints: a migration must be able to name what it changes."""


class Moment(TypeDecorator[datetime]):
    """A time, aware and in UTC, from databases that keep none of that (SQLite) too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store the time in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Say that a time without a zone is in UTC."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)  # type: ignore[no-any-return]


class Table(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {datetime: Moment}  # noqa: RUF012 - SQLAlchemy reads it so


class Account(Table):
    """A person or a program that uses the service.

    slug: How it is named everywhere: the owner of items. Never an e-mail address, and never changed.
    role: reader, contributor, publisher or admin.
    issuer, subject: Who it is at the identity provider; none for accounts that use tokens alone.
    disabled: Since when it may do nothing.
    """

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    issuer: Mapped[str | None] = mapped_column(String(500))
    subject: Mapped[str | None] = mapped_column(String(255))
    created: Mapped[datetime]
    disabled: Mapped[datetime | None]


class Token(Table):
    """A bearer token of an account.

    id: The public part of the token, by which people name it.
    digest: sha-256 of the whole token, hexadecimal.
    scopes: What it may do, words separated by spaces.
    last_used: To the minute.
    """

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(120))
    scopes: Mapped[str] = mapped_column(String(120))
    created: Mapped[datetime]
    expires: Mapped[datetime]
    last_used: Mapped[datetime | None]
    revoked: Mapped[datetime | None]


class BrowserSession(Table):
    """A browser that is signed in.

    digest: sha-256 of the session's cookie, hexadecimal.
    csrf: What a page must send back with each write.
    """

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime]
    last_used: Mapped[datetime]
    expires: Mapped[datetime] = mapped_column(index=True)


class SignIn(Table):
    """A sign-in that has begun at the identity provider and did not come back yet.

    digest: sha-256 of the state, hexadecimal. The browser holds the state in a cookie too.
    verifier: PKCE's code verifier.
    back_to: Path of the page to show afterwards.
    """

    __tablename__ = "sign_ins"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(128))
    back_to: Mapped[str] = mapped_column(String(2000))
    expires: Mapped[datetime] = mapped_column(index=True)


class OwnedName(Table):
    """A name of models or datasets, and whose it is. It belongs to who first used it.

    kind: model (base models and local models share their names) or dataset.
    """

    __tablename__ = "names"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    created: Mapped[datetime]


class Maintainer(Table):
    """An account that the owner of a name lets work on it."""

    __tablename__ = "maintainers"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class AuditEntry(Table):
    """One thing that somebody did or tried. It names accounts by their slugs, so that it outlives them.

    who: Slug of the account; empty for nobody, e.g. after a wrong token.
    how: What showed who it is: token:<id>, session, oidc, cli or nothing.
    what: Method and path, or a command.
    result: The status code, or what a command did.
    """

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_who_id", "who", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime] = mapped_column(index=True)
    who: Mapped[str] = mapped_column(String(63))
    how: Mapped[str] = mapped_column(String(32))
    what: Mapped[str] = mapped_column(String(500))
    result: Mapped[str] = mapped_column(String(60))
    address: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(64))
