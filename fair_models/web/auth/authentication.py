"""Who sent a request: the middleware that finds out, counts requests, and notes what was done or refused."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fair_models.errors import FairModelsError
from fair_models.settings import Settings
from fair_models.web import access, problems
from fair_models.web.auth import audit_log, sessions, tokens
from fair_models.web.auth.hosts import READING, one_header
from fair_models.web.auth.rates import Allowance, Rates, by_network
from fair_models.web.auth.roles import SCOPES, SCOPES_OF
from fair_models.web.callers import ANONYMOUS, Caller
from fair_models.web.database.database import Database
from fair_models.web.database.late import LateDatabase
from fair_models.web.requests import request_id_of, state_of

MAX_CREDENTIAL = 8 * 2**10
"""Characters of a token. Those of identity providers are long, none so long as this."""

LOCAL = Caller(role="admin", scopes=frozenset(SCOPES), how="local")
"""Everybody, where nobody signs in: the service answers this machine alone."""

NOBODY = Caller(scopes=frozenset())
"""Somebody who is not signed in, where only people with an account may read."""

_WITHOUT_DECLARATION = ("/api/openapi.json", "/api/docs", "/static/")
"""Beginnings of addresses that no route of ours answers: they show nothing of the registry."""

_SIGN_IN = "/auth/"
_NOTED_SIGN_INS = frozenset({"/auth/callback", "/auth/logout"})
_PRUNE_EACH_S = 3600.0
_AT_ONCE = 16
_UNAUTHENTICATED = problems.STATUSES["unauthenticated"]

_log = logging.getLogger(__name__)


class Provider(Protocol):
    """An identity provider whose access tokens are taken."""

    def caller(self, token: str) -> Caller:
        """Whose token it is. Raises `tokens.Rejected`, and Unavailable where the provider does not answer."""


@dataclass(frozen=True)
class Identity:
    """What the middleware works with.

    provider: None where FAIR_WEB_AUTH is not oidc.
    """

    settings: Settings
    database: LateDatabase
    rates: Rates
    provider: Provider | None = None


class Authentication:
    """Finds out who sent a request, and lets nobody send too many.

    Args:
        app: What answers.
        identity: What it works with.
    """

    def __init__(self, app: ASGIApp, identity: Identity) -> None:
        self._app = app
        self._with = identity
        self._mode = identity.settings.web_auth
        self._pruned = float("-inf")
        # Threads of their own: while the provider is slow, tokens of ours and routes go on.
        self._asking_database = CapacityLimiter(_AT_ONCE)
        self._asking_provider = CapacityLimiter(_AT_ONCE)
        self._stranger = ANONYMOUS if identity.settings.web_anonymous_read else NOBODY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._mode == "off":
            state_of(scope)["caller"] = LOCAL
            await self._app(scope, receive, _declared(scope, send))
            return
        is_sign_in = scope["path"].startswith(_SIGN_IN)

        async def noted(status: int) -> None:
            if is_sign_in and status == _UNAUTHENTICATED:
                await self._with.rates.failure(_address(scope))
            await self._note(scope, status)

        answer = _Answer(send, noted)
        try:
            if is_sign_in:
                _require_left(await self._with.rates.failures(_address(scope)))
            caller = await self._identify(scope)
            state_of(scope)["caller"] = caller
            await self._count(caller, scope, answer)
        except problems.Problem as refused:
            await problems.refuse(refused, scope, receive, answer.send)
        except FairModelsError as error:
            problem = problems.Problem(problems.kind_of(error), str(error))
            await problems.refuse(problem, scope, receive, answer.send)
        else:
            await self._app(scope, receive, _declared(scope, answer.send))

    async def _identify(self, scope: Scope) -> Caller:
        """Who it is by what the request shows. What is shown and opens nothing is refused everywhere.

        Raises:
            Problem: What is shown is wrong, or there was too much of it.
            Unavailable: The database or the provider does not answer.
        """
        written = one_header(scope, b"authorization")
        if written is None:
            return await self._by_session(scope)
        address = _address(scope)
        _require_left(await self._with.rates.failures(address))
        try:
            return await self._by_token(_bearer(written))
        except tokens.Rejected as wrong:
            _log.info("a token was refused: %s", wrong, extra={"request_id": request_id_of(scope)})
            await self._with.rates.failure(address)
            raise access.unauthenticated(
                "The token opens nothing: it is wrong, over or revoked. Make a new one with "
                "`fair-models token create`",
                "invalid_token",
            ) from None

    async def _by_token(self, presented: str) -> Caller:
        if presented.startswith(f"{tokens.PREFIX}_"):
            return await to_thread.run_sync(self._by_own_token, presented, limiter=self._asking_database)
        if self._with.provider is None:
            raise tokens.Rejected("it is not written like a token")
        asking = self._with.provider.caller
        return await to_thread.run_sync(asking, presented, limiter=self._asking_provider)

    def _by_own_token(self, presented: str) -> Caller:
        held = tokens.check(self._with.database.open(), presented)
        account = held.account
        return Caller(
            account.slug,
            account.role,
            held.scopes,
            held.maintains,
            f"token:{held.token_id}",
            held.expires,
        )

    async def _by_session(self, scope: Scope) -> Caller:
        """Who is signed in in the browser. A session that is over makes a stranger, who can sign in again."""
        cookie = _cookie(scope, sessions.COOKIE) if self._mode == "oidc" else None
        if not cookie:
            return self._stranger

        def look() -> sessions.SignedIn | None:
            return sessions.check(self._with.database.open(), cookie)

        found = await to_thread.run_sync(look, limiter=self._asking_database)
        if found is None:
            return self._stranger
        if scope["method"] not in READING:
            presented = one_header(scope, sessions.CSRF_HEADER.lower().encode())
            if not sessions.is_csrf(presented, found.csrf):
                raise problems.Problem(
                    "forbidden",
                    f"A write from a browser needs the header {sessions.CSRF_HEADER} with the value that "
                    "GET /api/account shows",
                )
        state_of(scope)["csrf"] = found.csrf
        account = found.account
        return Caller(
            account.slug,
            account.role,
            SCOPES_OF[account.role],
            found.maintains,
            "session",
            found.expires,
        )

    async def _count(self, caller: Caller, scope: Scope, answer: _Answer) -> None:
        if caller.how.startswith("token:"):
            who = caller.how
        elif caller.owner is not None:
            who = f"account:{caller.owner}"
        else:
            who = f"address:{by_network(_address(scope))}"
        allowance = await self._with.rates.request(who)
        answer.headers = allowance.headers()
        if allowance.is_used_up:
            raise _too_many(allowance)

    def _prune(self, database: Database) -> None:
        """Delete entries that are too old, now and then."""
        now = time.monotonic()
        if now - self._pruned >= _PRUNE_EACH_S:
            self._pruned = now
            audit_log.prune(database, self._with.settings.web_audit_days)

    async def _note(self, scope: Scope, status: int) -> None:
        """Write what changed something, signed somebody in or was refused, into the audit log.

        Searches that are sent as POST change nothing: their routes need no account.
        """
        needed = access.declared(scope) or frozenset()
        is_write = scope["method"] not in READING and access.ACCOUNT in needed
        is_sign_in = scope["path"] in _NOTED_SIGN_INS
        if not (is_write or is_sign_in or status in {401, 403}):
            return
        caller: Caller = state_of(scope).get("caller", ANONYMOUS)

        def write() -> None:
            database = self._with.database.open()
            self._prune(database)
            audit_log.write(
                database,
                who=caller.owner or "",
                how=caller.how,
                what=f"{scope['method']} {scope['path']}",
                result=str(status),
                address=_address(scope),
                request_id=request_id_of(scope),
            )

        try:
            await to_thread.run_sync(write, limiter=self._asking_database)
        except FairModelsError as error:
            extra = {"request_id": request_id_of(scope)}
            _log.error("The audit log could not be written: %s", error, extra=extra)


class _Answer:
    """An answer on its way, with headers that are added.

    Args:
        send: Where it goes.
        before: Called with its status before anything is sent: who is told that something was done must find
            it in the audit log.
    """

    def __init__(self, send: Send, before: Callable[[int], Awaitable[None]]) -> None:
        self._send, self._before = send, before
        self.headers: dict[str, str] = {}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._before(message["status"])
            headers = MutableHeaders(scope=message)
            for name, value in self.headers.items():
                headers.setdefault(name, value)
        await self._send(message)


def _declared(scope: Scope, send: Send) -> Callable[[Message], Awaitable[None]]:
    """Let no answer out of a route that does not say who may ask for it."""

    async def checked(message: Message) -> None:
        is_answer = message["type"] == "http.response.start" and message["status"] < 400
        if is_answer and access.declared(scope) is None and scope["method"] != "OPTIONS":
            path = scope["path"]
            if not path.startswith(_WITHOUT_DECLARATION) and path != "/":
                raise RuntimeError(f"The route of {path} does not say what it needs: see web.access")
        await send(message)

    return checked


def _bearer(written: str) -> str:
    """The token in the header Authorization. Raises Rejected."""
    scheme, _, token = written.partition(" ")
    if scheme.lower() != "bearer":
        raise tokens.Rejected("it is no bearer token")
    if len(token) > MAX_CREDENTIAL:
        raise tokens.Rejected(f"it is longer than {MAX_CREDENTIAL} characters")
    if not token.isascii() or not token.isprintable():
        raise tokens.Rejected("it has characters that no token has")
    return token.strip(" ")


def _cookie(scope: Scope, name: str) -> str | None:
    """A cookie that may come once. Raises Problem where there are two of that name."""
    lines = [value.decode("latin-1") for key, value in scope["headers"] if key == b"cookie"]
    found = [pair for line in lines for pair in line.split(";") if pair.partition("=")[0].strip() == name]
    if len(found) > 1:
        raise problems.Problem("malformed", f"The cookie {name} comes {len(found)} times. Sign in again")
    return cookie_parser(found[0]).get(name) if found else None


def _address(scope: Scope) -> str:
    """Address of who asks, as the server knows it: behind a proxy, of which uvicorn must be told."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _require_left(allowance: Allowance) -> None:
    if allowance.is_used_up:
        raise _too_many(allowance)


def _too_many(allowance: Allowance) -> problems.Problem:
    what = "requests" if allowance.policy == "requests" else "wrong tokens"
    return problems.Problem(
        "too-many-requests",
        f"Too many {what}: {allowance.quota} in {allowance.window_s} s are allowed. Wait "
        f"{max(1, allowance.resets_in_s)} s",
        headers=allowance.headers(),
    )
