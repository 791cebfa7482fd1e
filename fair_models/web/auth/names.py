"""Whose a name of models or datasets is: whoever used it first, and the maintainers whom they name.

The database says so for names that were first used through the service. Names that came otherwise belong to
the `fair:owner` of their items, and to the admins where items have none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fair_models.catalog.protocol import Catalog
from fair_models.errors import Conflict, Invalid, NotFound
from fair_models.ownership import OWNER, TAKEN
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId
from fair_models.web.auth.accounts import row_of
from fair_models.web.callers import Caller, Kind
from fair_models.web.database import tables
from fair_models.web.database.database import Database

MAX_MAINTAINERS = 50
MAX_NAMES = 1000
"""Names that an account may take, so that nobody takes them all."""

COLLECTIONS: dict[Kind, tuple[CollectionId, ...]] = {
    "model": (LOCAL_MODELS, BASE_MODELS),
    "dataset": (DATASETS,),
}
"""Where names of each kind are published."""


@dataclass(frozen=True)
class Ownership:
    """Whose a name is.

    owner: Slug of the account. None: the admins'.
    maintainers: Who else may make versions, archive and delete.
    """

    owner: str | None
    maintainers: tuple[str, ...] = ()


def find(database: Database, catalog: Catalog, kind: Kind, name: str) -> Ownership | None:
    """Whose a name is. None: it is free."""
    with database.reading() as session:
        stored = _stored(session, kind, name)
    return stored or _published(catalog, kind, name)


def claim(database: Database, catalog: Catalog, caller: Caller, kind: Kind, name: str) -> Ownership:
    """Take a name that is free, or see that one may be used.

    Of several who ask for a free name at the same time, one gets it.

    Args:
        database: The service's database.
        catalog: All that is published, not only what the caller sees.
        caller: Who wants to make a version of that name.
        kind: model or dataset.
        name: The name, without a version.

    Returns:
        Whose it is now: the owner is the one of the name, not the one who asks.

    Raises:
        Conflict: It is somebody else's, or the caller has too many.
    """
    found = find(database, catalog, kind, name)
    if found is None and caller.owner is not None:
        try:
            with database.writing() as session:
                row = row_of(session, caller.owner)
                _require_room(session, row.id, caller)
                session.add(
                    tables.OwnedName(kind=kind, name=name, account_id=row.id, created=datetime.now(UTC))
                )
        except IntegrityError:
            found = find(database, catalog, kind, name)
        else:
            return Ownership(caller.owner)
    if found is not None and not may_use(caller, found):
        raise Conflict(TAKEN)
    return found or Ownership(None)


def may_use(caller: Caller, ownership: Ownership) -> bool:
    """Whether somebody may make versions of a name, archive and delete them."""
    if caller.is_admin:
        return True
    return caller.owner is not None and caller.owner in {ownership.owner, *ownership.maintainers}


def set_maintainers(
    database: Database, catalog: Catalog, caller: Caller, kind: Kind, name: str, slugs: Iterable[str]
) -> Ownership:
    """Say who may work on a name besides its owner. Only the owner and admins may.

    Raises:
        NotFound: There is no such name that the caller may use, or no such account.
        Conflict: The caller is a maintainer, and these name no others.
        Invalid: They are too many, or the name belongs to the admins.
    """
    wanted = sorted(set(slugs))
    found = find(database, catalog, kind, name)
    if found is None or not may_use(caller, found):
        raise NotFound(f"There is no {kind} {name!r} of yours")
    if not caller.is_admin and caller.owner != found.owner:
        raise Conflict(f"Only its owner {found.owner} names maintainers of {name}")
    if found.owner is None:
        raise Invalid(f"{name} belongs to the admins, and every admin may work on it")
    if len(wanted) > MAX_MAINTAINERS:
        raise Invalid(f"A name has up to {MAX_MAINTAINERS} maintainers, not {len(wanted)}")
    with database.writing() as session:
        owner = row_of(session, found.owner)
        if _stored(session, kind, name) is None:
            session.add(
                tables.OwnedName(kind=kind, name=name, account_id=owner.id, created=datetime.now(UTC))
            )
        session.execute(delete(tables.Maintainer).where(*_is(tables.Maintainer, kind, name)))
        for slug in wanted:
            if slug != found.owner:
                session.add(tables.Maintainer(kind=kind, name=name, account_id=row_of(session, slug).id))
        session.flush()
        return _stored(session, kind, name) or found


def owned(database: Database, slug: str) -> list[tuple[Kind, str]]:
    """The names that an account used first, by kind and name. Raises NotFound."""
    with database.reading() as session:
        account = row_of(session, slug)
        wanted = (
            select(tables.OwnedName.kind, tables.OwnedName.name)
            .where(tables.OwnedName.account_id == account.id)
            .order_by(tables.OwnedName.kind, tables.OwnedName.name)
        )
        return [(kind_of_name(kind), name) for kind, name in session.execute(wanted)]


def maintained(session: Session, account_id: int) -> frozenset[tuple[Kind, str]]:
    """The names that an account maintains for others."""
    rows = session.execute(
        select(tables.Maintainer.kind, tables.Maintainer.name).where(
            tables.Maintainer.account_id == account_id
        )
    )
    return frozenset((kind_of_name(kind), name) for kind, name in rows)


def _require_room(session: Session, account_id: int, caller: Caller) -> None:
    taken = session.scalar(select(func.count()).where(tables.OwnedName.account_id == account_id)) or 0
    if taken >= MAX_NAMES and not caller.is_admin:
        raise Conflict(f"You have {MAX_NAMES} names, the maximum. Use one of them, or ask an admin")


def _stored(session: Session, kind: Kind, name: str) -> Ownership | None:
    owner = session.scalar(
        select(tables.Account.slug)
        .join(tables.OwnedName, tables.OwnedName.account_id == tables.Account.id)
        .where(*_is(tables.OwnedName, kind, name))
    )
    if owner is None:
        return None
    others = session.scalars(
        select(tables.Account.slug)
        .join(tables.Maintainer, tables.Maintainer.account_id == tables.Account.id)
        .where(*_is(tables.Maintainer, kind, name))
        .order_by(tables.Account.slug)
    )
    return Ownership(owner, tuple(others))


def _published(catalog: Catalog, kind: Kind, name: str) -> Ownership | None:
    """Whose it is by what is published, and by what remains of what was deleted."""
    for collection in COLLECTIONS[kind]:
        if items := list(catalog.search(collection, name=name, order="version")):
            return Ownership(items[-1].properties.get(OWNER))
    for collection in COLLECTIONS[kind]:
        if buried := catalog.tombstones(collection, name):
            return Ownership(buried[-1].properties.get(OWNER))
    return None


def kind_of_name(word: str) -> Kind:
    """The kind of name that a row says."""
    return "dataset" if word == "dataset" else "model"


def _is(
    table: type[tables.OwnedName] | type[tables.Maintainer], kind: Kind, name: str
) -> tuple[ColumnElement[bool], ...]:
    return table.kind == kind, table.name == name
