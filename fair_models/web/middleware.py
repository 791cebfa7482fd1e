"""What is done with every request and answer, whatever the route: names, logs, limits, headers."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fair_models.web import problems
from fair_models.web.logs import ACCESS
from fair_models.web.metrics import Metrics
from fair_models.web.requests import REQUEST_ID_HEADER, request_id_of, route_of, state_of

MAX_HEADER_BYTES = 32 * 2**10
MAX_HEADERS = 100
MAX_ADDRESS_BYTES = 16 * 2**10
"""Path and query. A geometry in a query may be long."""
MAX_PAUSE_S = 30.0
"""How long a body may pause while it is sent."""

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""What pages of the service may load and run: what it serves itself, and no script within a page."""

_SECURITY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(self), microphone=(), payment=(), usb=()",
}


class Observation:
    """Names each request, counts it, writes its line in the log, and answers where the rest fails.

    A name that the sender gives is kept if it is a plain word, so that one request can be found in the logs
    of all that it went through.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        state_of(scope)["request_id"] = request_id
        status, sent = 0, 0

        async def noting(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        end, began = self._metrics.begin(), time.perf_counter()
        try:
            await self._app(scope, receive, noting)
        except Exception:
            ACCESS.exception("a request failed", extra={"request_id": request_id, "path": scope["path"]})
            if status:  # half an answer must not look like a whole one: the server cuts the connection
                raise
            detail = f"The service failed over this request. Its logs tell why, under {request_id}"
            failed = problems.answer("internal", detail, path=scope["path"], request_id=request_id)
            await failed(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - began
            method = scope["method"] if scope["method"] in _METHODS else "other"
            end(method, route_of(scope), status, seconds)
            _log(scope, status, sent, seconds)


class SecurityHeaders:
    """Headers that keep browsers from doing with an answer what it is not for.

    Args:
        app: What answers.
        over_https: Whether people reach the service by https; browsers then never use http for it again.
    """

    def __init__(self, app: ASGIApp, over_https: bool) -> None:
        self._app = app
        strict = {"Strict-Transport-Security": "max-age=31536000"} if over_https else {}
        self._headers = {**_SECURITY, **strict}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded if scope["type"] == "http" else send)


class Limits:
    """Refuses what is too long or too large, and gives up what takes too long.

    Args:
        app: What answers.
        max_body_bytes: Of a body.
        timeout_s: From the end of the body to the begin of the answer.
        larger: Other maxima of bodies, by the beginning of the path. Whoever takes such a body streams it.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_body_bytes: int,
        timeout_s: float,
        larger: Mapping[str, int] | None = None,
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._timeout_s = timeout_s
        self._larger = dict(larger or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._max_body(scope["path"]))
        try:
            _check_head(scope, body.maximum)
        except problems.Problem as refused:
            await problems.refuse(refused, scope, receive, send)
            return
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            if not started:
                started = True
                clock.reschedule(None)  # an answer may be as long as it likes
            await send(message)

        try:
            async with asyncio.timeout(None) as clock:
                body.when_complete = lambda: (
                    None if started else clock.reschedule(asyncio.get_running_loop().time() + self._timeout_s)
                )
                if not body.is_expected(scope):
                    body.when_complete()
                await self._app(scope, body.receive, noting)
        except problems.Problem as refused:  # of the body, past the routes
            if started:
                raise
            await problems.refuse(refused, scope, receive, send)
        except TimeoutError:
            if started or not clock.expired():
                raise
            took = problems.Problem(
                "timeout",
                f"No answer within {self._timeout_s:g} s, so the request was given up. Ask for less at once, "
                "or start a run for it",
            )
            await problems.refuse(took, scope, receive, send)

    def _max_body(self, path: str) -> int:
        return next(
            (maximum for start, maximum in self._larger.items() if path.startswith(start)),
            self._max_body_bytes,
        )


class _Body:
    """The body of a request while it comes in."""

    def __init__(self, receive: Receive, maximum: int) -> None:
        self._receive = receive
        self.maximum = maximum
        self._received = 0
        self._is_complete = False
        self.when_complete = _nothing

    def is_expected(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

    async def receive(self) -> Message:
        if self._is_complete:  # what comes now is that the client goes away
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), MAX_PAUSE_S)
        except TimeoutError:
            raise problems.Problem(
                "malformed", f"The body stopped for {MAX_PAUSE_S:g} s before its end. Send it again"
            ) from None
        self._received += len(message.get("body", b""))
        if self._received > self.maximum:
            raise _too_large(self.maximum)
        if not message.get("more_body", False):
            self._is_complete = True
            self.when_complete()
        return message


def _nothing() -> None:
    """Until somebody waits for the end of the body."""


def _too_large(maximum: int) -> problems.Problem:
    return problems.Problem(
        "too-large", f"The body is larger than {maximum} bytes, which is the maximum here", maximum=maximum
    )


def _check_head(scope: Scope, max_body: int) -> None:
    """Refuse by what is known before the body.

    Raises:
        Problem: Headers, address or the announced body are too long.
    """
    if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > MAX_ADDRESS_BYTES:
        raise problems.Problem(
            "address-too-long",
            f"The address is longer than {MAX_ADDRESS_BYTES} bytes. Send parameters in the body of a POST",
        )
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size > MAX_HEADER_BYTES or len(scope["headers"]) > MAX_HEADERS:
        raise problems.Problem(
            "headers-too-large",
            f"The headers are more than {MAX_HEADERS}, or longer than {MAX_HEADER_BYTES} bytes together",
        )
    announced = Headers(scope=scope).get("content-length")
    if announced is None:
        return
    if not announced.isascii() or not announced.isdigit():
        raise problems.Problem("malformed", "Content-Length is no whole number")
    if int(announced) > max_body:
        raise _too_large(max_body)


def _log(scope: Scope, status: int, sent: int, seconds: float) -> None:
    client = scope.get("client")
    caller = state_of(scope).get("caller")
    ACCESS.info(
        "request",
        extra={
            "request_id": request_id_of(scope),
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "bytes": sent,
            "milliseconds": round(seconds * 1000, 1),
            "client": client[0] if client else None,
            "owner": getattr(caller, "owner", None),
        },
    )
