"""What a route needs of who asks: each says so, as a dependency that is part of the API's description.

    @router.get("/models")
    def models(caller: Annotated[Caller, READS]): ...

    @router.post("/runs")
    def start(caller: Annotated[Caller, Security(needs, scopes=["run"])]): ...

A router says it for all of its routes: APIRouter(dependencies=[READS]). The answer of a route that says
nothing never leaves the service.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from starlette.types import Scope as Connection

from fair_models.types import Json
from fair_models.web import problems
from fair_models.web.callers import Caller, caller_of
from fair_models.web.requests import state_of

_NEEDS = "needs"
ACCOUNT = "account"
"""What a route needs that is not for everybody, beside its scopes."""

REALM = 'Bearer realm="fair-models"'


class _Bearer(SecurityBase):
    """How callers show who they are. The middleware has looked at it before any route is called."""

    def __init__(self, name: str) -> None:
        self.scheme_name = name
        self.model = HTTPBearer(
            description="A token that `fair-models token create` or POST /api/tokens made, or an access "
            "token of the identity provider. Browsers that are signed in send their session's cookie instead."
        )

    async def __call__(self, request: Request) -> Caller:
        return caller_of(request)


BEARER = _Bearer("token")
MAYBE_BEARER = _Bearer("token or nobody")
"""The same where nobody needs to show anything. `describe` writes it as OpenAPI does."""


async def needs(
    request: Request, scopes: SecurityScopes, caller: Annotated[Caller, Depends(BEARER)]
) -> Caller:
    """Who asks, if they say who they are, and their token has the scopes that a route needs.

    Raises:
        Problem: They do not say who they are (401), or may not do this (403).
    """
    declare(request, *scopes.scopes, ACCOUNT)
    if not caller.how:
        raise unauthenticated("This needs a token or a sign-in. Send `Authorization: Bearer …`")
    return _allowed(caller, scopes.scopes)


async def reads(request: Request, caller: Annotated[Caller, Depends(MAYBE_BEARER)]) -> Caller:
    """Who asks, or somebody who is not signed in, where these may read.

    Raises:
        Problem: Only people with an account may read here (401), or the token is not for reading (403).
    """
    declare(request, "read")
    if not caller.how and "read" not in caller.scopes:
        raise unauthenticated("Only people with an account may read here. Send `Authorization: Bearer …`")
    return _allowed(caller, ["read"])


async def everybody(request: Request) -> Caller:
    """Who asks, where a route is for everybody whatever the settings say: health, signing in."""
    declare(request)
    return caller_of(request)


READS = Depends(reads)
"""For routes that show what is public to everybody, and more to those who may see it."""

KNOWS = Security(needs, scopes=["read"])
"""For routes that are about the account of who asks."""

EVERYBODY = Depends(everybody)
"""For routes that show nothing of the registry."""


def declare(connection: HTTPConnection, *scopes: str) -> None:
    """Note what a route needs."""
    state = state_of(connection.scope)
    state[_NEEDS] = frozenset(scopes) | state.get(_NEEDS, frozenset())


def declared(connection: Connection) -> frozenset[str] | None:
    """What the route of a request needs: scopes, and `ACCOUNT`. None: it was not asked, or does not say."""
    found: frozenset[str] | None = state_of(connection).get(_NEEDS)
    return found


def describe(document: Json) -> None:
    """Write into a description of the API which routes need no token: one way to ask has no scheme."""
    document.get("components", {}).get("securitySchemes", {}).pop(MAYBE_BEARER.scheme_name, None)
    for path in document["paths"].values():
        for operation in path.values():
            ways = operation.get("security", [])
            needed = {scope for way in ways for scope in way.get(BEARER.scheme_name, ())}
            if needed:  # all of them, whatever else it depends on
                operation["security"] = [{BEARER.scheme_name: sorted(needed)}]
            elif any(MAYBE_BEARER.scheme_name in way for way in ways):
                operation["security"] = [{}, {BEARER.scheme_name: ["read"]}]
            elif not ways:
                operation["security"] = []


def _allowed(caller: Caller, scopes: Sequence[str]) -> Caller:
    if missing := [scope for scope in scopes if scope not in caller.scopes]:
        raise problems.Problem(
            "forbidden",
            f"This needs the scope {' and '.join(missing)}, which your token or your role {caller.role} does "
            "not have. Use a token that has it, or ask an admin for another role",
            headers={"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{" ".join(scopes)}"'},
        )
    return caller


def unauthenticated(detail: str, error: str = "") -> problems.Problem:
    """The answer to somebody of whom nobody knows who it is.

    Args:
        detail: What is wrong and what to do.
        error: "invalid_token" where something was shown that opens nothing.
    """
    told = f'{REALM}, error="{error}"' if error else REALM
    return problems.Problem("unauthenticated", detail, headers={"WWW-Authenticate": told})
