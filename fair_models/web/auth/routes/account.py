"""Routes about one's own account: who one is, and one's tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from fair_models.text import Sentence
from fair_models.web.access import KNOWS
from fair_models.web.auth import tokens
from fair_models.web.auth.names import owned
from fair_models.web.auth.roles import SCOPES
from fair_models.web.auth.routes.database import AccountsDatabase
from fair_models.web.callers import Caller, Kind, Role, Scope
from fair_models.web.requests import state_of

router = APIRouter(prefix="/api", tags=["Accounts"])

Me = Annotated[Caller, KNOWS]
TokenId = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-f]{12}$", description="Id of the token: its middle part.", examples=["4a37ee302814"]
    ),
]


class AccountAnswer(BaseModel):
    """Who asks."""

    account: str | None = Field(
        description="Name of the account. None where nobody signs in (FAIR_WEB_AUTH=off).", examples=["amina"]
    )
    role: Role = Field(description="What the account may do.", examples=["contributor"])
    scopes: list[Scope] = Field(
        description="What this token or session may be used for.", examples=[["read", "run"]]
    )
    signed_in_by: str = Field(
        description="What showed who it is: token:<id>, session, oidc, or local where nobody signs in.",
        examples=["token:4a37ee302814"],
    )
    expires: datetime | None = Field(None, description="When that ends.", examples=["2027-02-27T14:21:49Z"])
    csrf: str | None = Field(
        None, description="In a browser: what writes have to send in the header X-CSRF-Token."
    )
    maintains: list[str] = Field(
        description="Names of others that it may work on.", examples=[["model/banepa-roofs"]]
    )


class TokenAnswer(BaseModel):
    """What is known of a token; the token itself is not."""

    id: str = Field(description="Middle part of the token.", examples=["4a37ee302814"])
    title: str = Field(description="What it is for.", examples=["QGIS on my laptop"])
    state: str = Field(description="active, expired or revoked.", examples=["active"])
    scopes: list[Scope] = Field(description="What it may be used for.", examples=[["read", "run"]])
    created: datetime = Field(examples=["2026-11-29T14:21:49Z"])
    expires: datetime = Field(examples=["2027-02-27T14:21:49Z"])
    last_used: datetime | None = Field(
        description="To the minute; none if never.", examples=["2026-12-01T08:00:00Z"]
    )


class NewTokenAnswer(TokenAnswer):
    """A token that was just made."""

    token: str = Field(
        description="The token itself. This is the only time that it is shown.",
        examples=["fair_4a37ee302814_" + "0123456789abcdef" * 4],
    )


class TokenList(BaseModel):
    """Tokens, newest first."""

    tokens: list[TokenAnswer]


class TokenRequest(BaseModel):
    """A token to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Sentence = Field(
        min_length=1,
        max_length=tokens.MAX_TITLE,
        description="What it is for, in one line.",
        examples=["QGIS on my laptop"],
    )
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=len(SCOPES),
        description="What it may be used for: no more than the token or session that asks.",
        examples=[["read"]],
    )
    days: float = Field(
        tokens.DEFAULT_DAYS,
        gt=0,
        le=tokens.MAX_DAYS,
        allow_inf_nan=False,
        description="Days until it ends, above 0 to 3650; no later than the token that asks. Default: 90.",
    )


@router.get("/account", summary="Who asks")
async def account(request: Request, caller: Me) -> AccountAnswer:
    """Name, role and scopes of whoever sends the request."""
    return AccountAnswer(
        account=caller.owner,
        role=caller.role,
        scopes=[scope for scope in SCOPES if scope in caller.scopes],
        signed_in_by=caller.how,
        expires=caller.expires,
        csrf=state_of(request.scope).get("csrf"),
        maintains=sorted(f"{kind}/{name}" for kind, name in caller.maintains),
    )


class NameAnswer(BaseModel):
    """A name that belongs to the account."""

    kind: Kind = Field(examples=["model"])
    name: str = Field(examples=["banepa-roofs"])


class NameList(BaseModel):
    """Names that belong to the account."""

    names: list[NameAnswer]


@router.get("/account/names", summary="Names that are mine")
def names(caller: Me, database: AccountsDatabase) -> NameList:
    """Names of models and datasets that belong to the account, by kind and name."""
    found = owned(database, caller.owner) if caller.owner else []
    return NameList(names=[NameAnswer(kind=kind, name=name) for kind, name in found])


@router.get("/tokens", summary="My tokens")
def list_tokens(caller: Me, database: AccountsDatabase) -> TokenList:
    """Tokens of the account that are active, and those that are over, newest first."""
    return TokenList(tokens=[shown(each) for each in tokens.list_of(database, caller.owner)])


@router.post("/tokens", status_code=201, summary="Make a token")
def create_token(
    asked: TokenRequest, caller: Me, database: AccountsDatabase, response: Response
) -> NewTokenAnswer:
    """Make a token for the own account. It is shown this once: only its digest is kept."""
    made = tokens.create(
        database,
        str(caller.owner),
        title=asked.title,
        scopes=asked.scopes,
        days=asked.days,
        within=caller.scopes,
        until=None if caller.how == "session" else caller.expires,
    )
    response.headers["Cache-Control"] = "no-store"
    return NewTokenAnswer(**shown(made.token).model_dump(), token=made.secret)


@router.delete("/tokens/{token_id}", status_code=204, summary="Revoke a token")
def revoke_token(token_id: TokenId, caller: Me, database: AccountsDatabase) -> None:
    """End a token at once. Admins end those of others too."""
    tokens.revoke(database, token_id, None if caller.is_admin else caller.owner)


def shown(token: tokens.Token) -> TokenAnswer:
    """A token as answers show it."""
    return TokenAnswer(
        id=token.id,
        title=token.title,
        state=token.state,
        scopes=[scope for scope in SCOPES if scope in token.scopes],
        created=token.created,
        expires=token.expires,
        last_used=token.last_used,
    )
