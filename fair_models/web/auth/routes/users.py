"""Routes for admins: accounts, and the audit log."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response, Security
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from fair_models.types import NAME_PATTERN
from fair_models.web.access import needs
from fair_models.web.auth import accounts, audit_log
from fair_models.web.auth.accounts import Account
from fair_models.web.auth.routes.database import AccountsDatabase
from fair_models.web.callers import Role
from fair_models.web.links import next_page

MAX_PAGE = 1000
MAX_ID = 2**31 - 1
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")

router = APIRouter(prefix="/api", tags=["Administration"], dependencies=[Security(needs, scopes=["admin"])])

Slug = Annotated[
    str,
    Path(pattern=NAME_PATTERN, max_length=63, description="Name of the account.", examples=["amina"]),
]


class UserAnswer(BaseModel):
    """An account."""

    account: str = Field(description="Its name: the owner of its items.", examples=["amina"])
    role: Role = Field(examples=["contributor"])
    created: datetime = Field(examples=["2026-11-29T14:21:48Z"])
    disabled: datetime | None = Field(description="Since when it may do nothing.", examples=[None])
    provider: str | None = Field(
        description="The identity provider it signs in with; none: by tokens alone.",
        examples=["https://login.example.org"],
    )


class UserList(BaseModel):
    """Accounts by name."""

    users: list[UserAnswer]


class NewUser(BaseModel):
    """An account to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    account: str = Field(
        min_length=3,
        max_length=63,
        pattern=NAME_PATTERN,
        description="Its name: 3 to 63 lower-case letters, digits and single hyphens; not an e-mail address.",
        examples=["bikash"],
    )
    role: Role = Field("reader", description="What it may do. Default: reader.", examples=["contributor"])


class UserChange(BaseModel):
    """What changes of an account. What is not given stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Role | None = Field(None, description="Its new role.", examples=["publisher"])
    disabled: bool | None = Field(
        None, description="true: it may do nothing from now on. false: it works again.", examples=[False]
    )


class AuditEntry(BaseModel):
    """One thing that somebody did or tried."""

    id: int = Field(examples=[17])
    time: datetime = Field(examples=["2026-11-29T14:21:48Z"])
    who: str = Field(description="Name of the account; empty for nobody.", examples=["amina"])
    how: str = Field(
        description="What showed who it is: token:<id>, session, oidc, cli, or empty.",
        examples=["token:4a37ee302814"],
    )
    what: str = Field(description="Method and path, or a command.", examples=["POST /api/runs"])
    result: str = Field(description="Status of the answer, or what a command did.", examples=["201"])
    address: str = Field(description="Network address of who asked.", examples=["192.0.2.7"])
    request_id: str = Field(description="Name of the request in the logs.", examples=["9f2c0d1e5b7a4c36"])


class AuditLog(BaseModel):
    """Entries, newest first."""

    entries: list[AuditEntry]


def _written_time(value: Any) -> Any:
    """Let only what is written like a time be one: numbers are times to pydantic, and not here."""
    if isinstance(value, str) and not _TIME.match(value):
        raise ValueError("write it as RFC 3339 does, e.g. 2026-11-29T00:00:00Z")
    return value


Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Entries on a page, 1 to 1000. Default: 100.")]


@router.get("/users", summary="Accounts")
def users(
    request: Request,
    response: Response,
    database: AccountsDatabase,
    after: Annotated[
        str, Query(max_length=63, description="Only accounts after this name.", examples=["amina"])
    ] = "",
    limit: Limit = 100,
) -> UserList:
    """Accounts by name, page by page: `Link` has the next one."""
    found = accounts.list_all(database, after, limit)
    if len(found) == limit:
        response.headers["Link"] = next_page(request, after=found[-1].slug)
    return UserList(users=[shown(each) for each in found])


@router.post("/users", status_code=201, summary="Make an account")
def create_user(asked: NewUser, response: Response, database: AccountsDatabase) -> UserAnswer:
    """Make an account. Its first token is made on the command line, or by signing in."""
    made = accounts.create(database, asked.account, asked.role)
    response.headers["Location"] = f"/api/users/{made.slug}"
    return shown(made)


@router.get("/users/{account}", summary="One account")
def user(account: Slug, database: AccountsDatabase) -> UserAnswer:
    """Role and state of one account."""
    return shown(accounts.get(database, account))


@router.patch("/users/{account}", summary="Change an account")
def change_user(account: Slug, asked: UserChange, database: AccountsDatabase) -> UserAnswer:
    """Give an account another role, or disable or enable it. All of it, or nothing."""
    return shown(accounts.change(database, account, role=asked.role, disabled=asked.disabled))


@router.get("/audit-log", summary="Who did what")
def entries(
    request: Request,
    response: Response,
    database: AccountsDatabase,
    before: Annotated[
        int | None, Query(ge=1, le=MAX_ID, description="Only entries with a smaller id.", examples=[17])
    ] = None,
    who: Annotated[
        str | None, Query(max_length=63, description="Only entries of this account; empty: of nobody.")
    ] = None,
    since: Annotated[
        Annotated[AwareDatetime, BeforeValidator(_written_time)] | None,
        Query(description="Only entries from this time on.", examples=["2026-11-29T00:00:00Z"]),
    ] = None,
    limit: Limit = 100,
) -> AuditLog:
    """What was changed and what was refused, newest first: `Link` has the next page."""
    found = audit_log.read(database, before=before, who=who, since=since, limit=limit)
    if len(found) == limit:
        response.headers["Link"] = next_page(request, before=str(found[-1].id))
    return AuditLog(entries=[AuditEntry.model_validate(each, from_attributes=True) for each in found])


def shown(account: Account) -> UserAnswer:
    """An account as answers show it."""
    return UserAnswer(
        account=account.slug,
        role=account.role,
        created=account.created,
        disabled=account.disabled,
        provider=account.issuer,
    )
