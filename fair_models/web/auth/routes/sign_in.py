"""Routes by which a browser signs in with the identity provider, and out."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse

from fair_models.web import problems
from fair_models.web.access import EVERYBODY, unauthenticated
from fair_models.web.auth import sessions
from fair_models.web.auth.hosts import is_loopback
from fair_models.web.auth.oidc.provider import (
    MAX_BACK_TO,
    SIGN_IN_COOKIE,
    SIGN_IN_LIFE,
    OidcProvider,
)
from fair_models.web.auth.routes.database import AccountsDatabase
from fair_models.web.auth.tokens import Rejected
from fair_models.web.callers import Caller
from fair_models.web.links import base_url
from fair_models.web.requests import state_of

MAX_STATE = 200
MAX_CODE = 4000

router = APIRouter(prefix="/auth", tags=["Accounts"], dependencies=[EVERYBODY])


class SignedOut(BaseModel):
    """The session is over."""

    provider: str | None = Field(
        description="Where the browser ends its session at the identity provider too; none: it has no "
        "such page.",
        examples=["https://login.example.org/logout?client_id=fair"],
    )


@router.get(
    "/login",
    status_code=302,
    response_class=Response,
    summary="Sign in",
    responses={302: {"description": "To the identity provider."}},
)
def login(
    request: Request,
    back_to: Annotated[
        str,
        Query(
            max_length=MAX_BACK_TO,
            description="Path of the page to show afterwards. Default: /.",
            examples=["/models"],
        ),
    ] = "/",
) -> Response:
    """Send a browser to the identity provider."""
    base = base_url(request)
    begun = _provider(request).begin(base, back_to)
    answer = RedirectResponse(begun.address, 302, headers={"Cache-Control": "no-store"})
    life = int(SIGN_IN_LIFE.total_seconds())
    answer.set_cookie(
        SIGN_IN_COOKIE,
        begun.state,
        max_age=life,
        path="/auth",
        secure=_is_secure(base),
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get(
    "/callback",
    status_code=302,
    response_class=Response,
    summary="Come back from the identity provider",
    responses={302: {"description": "Signed in: to the page that was asked for."}},
)
def callback(
    request: Request,
    state: Annotated[str, Query(max_length=MAX_STATE, description="What the sign-in began with.")] = "",
    code: Annotated[str, Query(max_length=MAX_CODE, description="What the provider gives a token for.")] = "",
    iss: Annotated[str | None, Query(max_length=500, description="Which provider answers.")] = None,
    error: Annotated[str, Query(max_length=200, description="Why nobody was signed in.")] = "",
) -> Response:
    """Sign a browser in that comes back from the identity provider."""
    provider, base = _provider(request), base_url(request)
    try:
        if error or not code:
            raise Rejected(f"the provider says {error[:100]!r}" if error else "the provider gave no code")
        done = provider.end(base, state, request.cookies.get(SIGN_IN_COOKIE), code, iss)
    except Rejected as wrong:
        raise unauthenticated(f"Nobody was signed in: {wrong}. Sign in again at /auth/login") from wrong
    state_of(request.scope)["caller"] = Caller(done.account.slug, done.account.role, how="session")
    answer = RedirectResponse(done.back_to, 302, headers={"Cache-Control": "no-store"})
    answer.delete_cookie(SIGN_IN_COOKIE, path="/auth", secure=_is_secure(base), httponly=True, samesite="lax")
    answer.set_cookie(
        sessions.COOKIE,
        done.session.cookie,
        max_age=int(sessions.LIFE.total_seconds()),
        path="/",
        secure=_is_secure(base),
        httponly=True,
        samesite="lax",
    )
    return answer


@router.post("/logout", summary="Sign out")
def logout(request: Request, response: Response, database: AccountsDatabase) -> SignedOut:
    """End the browser's session. The header X-CSRF-Token is needed, as for every write."""
    base = base_url(request)
    cookie = request.cookies.get(sessions.COOKIE)
    if cookie:
        sessions.end(database, cookie)
    response.delete_cookie(sessions.COOKIE, path="/", secure=_is_secure(base), httponly=True, samesite="lax")
    response.headers["Cache-Control"] = "no-store"
    return SignedOut(provider=_provider(request).sign_out_address(base))


def _provider(request: Request) -> OidcProvider:
    found: OidcProvider | None = request.app.state.provider
    if found is None:
        raise problems.Problem(
            "not-found",
            "Nobody signs in with a browser here: FAIR_WEB_AUTH is not oidc. Use a token instead",
        )
    return found


def _is_secure(base: str) -> bool:
    """Whether cookies go over https alone: always, but on this machine itself without https."""
    parts = urlsplit(base)
    return parts.scheme == "https" or not is_loopback(parts.hostname or "")
