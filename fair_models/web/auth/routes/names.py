"""Routes about names: whose one is, and who may work on it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Security
from pydantic import BaseModel, ConfigDict, Field

from fair_models.errors import NotFound
from fair_models.ownership import Visibility
from fair_models.publishing.visibility import set_visibility
from fair_models.types import NAME_PATTERN
from fair_models.web.access import KNOWS, needs
from fair_models.web.auth import names
from fair_models.web.auth.routes.database import AccountsDatabase
from fair_models.web.callers import Caller, Kind
from fair_models.web.registry import Registry, registry_of

router = APIRouter(prefix="/api/names", tags=["Accounts"])

OneName = Annotated[
    str, Path(pattern=NAME_PATTERN, max_length=63, description="The name.", examples=["banepa-roofs"])
]
OneKind = Annotated[Kind, Path(description="model or dataset.", examples=["model"])]


class OwnershipAnswer(BaseModel):
    """Whose a name is."""

    kind: Kind = Field(examples=["model"])
    name: str = Field(examples=["banepa-roofs"])
    owner: str | None = Field(description="Whose it is; none: the admins'.", examples=["amina"])
    maintainers: list[str] = Field(
        description="Who else may make versions, archive and delete them.", examples=[["bikash"]]
    )


class Maintainers(BaseModel):
    """Who may work on a name besides its owner."""

    model_config = ConfigDict(extra="forbid", strict=True)

    maintainers: list[Annotated[str, Field(min_length=3, max_length=63, pattern=NAME_PATTERN)]] = Field(
        max_length=names.MAX_MAINTAINERS,
        description="Names of accounts, up to 50. An empty list: nobody.",
        examples=[["bikash"]],
    )


class Shown(BaseModel):
    """Who sees what has a name."""

    model_config = ConfigDict(extra="forbid", strict=True)

    visibility: Visibility = Field(
        description="public, or private: its owner, its maintainers and admins alone.", examples=["public"]
    )


class VisibilityAnswer(BaseModel):
    """Who sees it now."""

    visibility: Visibility = Field(examples=["public"])
    changed: list[str] = Field(
        description="Versions that were otherwise before.", examples=[["banepa-roofs-v1"]]
    )


@router.get("/{kind}/{name}", summary="Whose a name is")
def ownership(
    kind: OneKind,
    name: OneName,
    caller: Annotated[Caller, KNOWS],
    database: AccountsDatabase,
    registry: Annotated[Registry, Depends(registry_of)],
) -> OwnershipAnswer:
    """Owner and maintainers of a name that is the caller's, or that they maintain."""
    found = names.find(database, registry.catalog, kind, name)
    if found is None or not names.may_use(caller, found):
        raise NotFound(f"There is no {kind} {name!r} of yours")
    return _shown(kind, name, found)


@router.put("/{kind}/{name}/visibility", summary="Show or hide what has a name")
def change_visibility(
    kind: OneKind,
    name: OneName,
    asked: Shown,
    caller: Annotated[Caller, Security(needs, scopes=["run"])],
    database: AccountsDatabase,
    registry: Annotated[Registry, Depends(registry_of)],
) -> VisibilityAnswer:
    """Show all versions of a name to everybody, or to its owner, its maintainers and admins alone."""
    found = names.find(database, registry.catalog, kind, name)
    if found is None or not names.may_use(caller, found):
        raise NotFound(f"There is no {kind} {name!r} of yours")
    changed = set_visibility(registry.catalog, names.COLLECTIONS[kind], name, asked.visibility)
    return VisibilityAnswer(visibility=asked.visibility, changed=[item.id for item in changed])


@router.put("/{kind}/{name}/maintainers", summary="Say who may work on a name")
def set_maintainers(
    kind: OneKind,
    name: OneName,
    asked: Maintainers,
    caller: Annotated[Caller, Security(needs, scopes=["run"])],
    database: AccountsDatabase,
    registry: Annotated[Registry, Depends(registry_of)],
) -> OwnershipAnswer:
    """Name the accounts that may make versions of a name, archive and delete them, beside its owner."""
    found = names.set_maintainers(database, registry.catalog, caller, kind, name, asked.maintainers)
    return _shown(kind, name, found)


def _shown(kind: Kind, name: str, found: names.Ownership) -> OwnershipAnswer:
    return OwnershipAnswer(kind=kind, name=name, owner=found.owner, maintainers=list(found.maintainers))
