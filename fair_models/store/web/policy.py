"""Many requests to the same few hosts: connections stay open, no host is asked too often, failures pass.

Each redirect and each machine is checked before it is asked. Retries are our own and not stamina's: `close`
ends a wait at once, and a host that sends Retry-After holds back all threads (stamina 26 does neither).
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore
import orjson

from fair_models import settings
from fair_models.errors import Invalid, Unavailable
from fair_models.store.locations import WebAddress
from fair_models.store.web import connections
from fair_models.store.web.connections import CheckedBackend, Timeouts

logger = logging.getLogger(__name__)

DOCUMENT_BYTES = 5_000_000
"""Largest description of a service or item that is read."""

_SEE_OTHER = 303
"""The redirect that is followed with GET, whatever was sent first."""

_NEW_CONNECTION = "connection.connect_tcp.started"
"""What httpcore traces where no open connection is left for a request."""


@dataclass(frozen=True)
class Answer:
    """What a server gave.

    status: HTTP status.
    headers: By name in lower case; the first of each.
    body: The bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class _Request:
    """What is asked of a server.

    method: GET or POST.
    headers: What is sent beside the usual headers.
    content: What is sent with it.
    right: Which statuses are an answer.
    largest_bytes: What is read of an answer at most.
    cut: Leave off what is too much, instead of refusing it.
    """

    method: str
    headers: tuple[tuple[str, str], ...]
    content: bytes
    right: frozenset[int]
    largest_bytes: int
    cut: bool = False


@dataclass
class _Time(threading.local):
    """When the time of this thread's request is over."""

    over: float = field(default_factory=lambda: float("inf"))


class Web:
    """Asks web servers. Threads may share one; close it in the end.

    Args:
        retries: How often one host is asked. Default: as the settings say.
        timeouts: How long one request may take. Default: 30 s without a byte, 120 s in all.
    """

    def __init__(self, retries: RetryPolicy | None = None, timeouts: Timeouts | None = None) -> None:
        self.retries = retries or retry_policy()
        self._timeouts = timeouts or Timeouts(30.0, 120.0)
        self._time = _Time()
        self._limiters: dict[str, RateLimiter] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._pool = httpcore.ConnectionPool(
            ssl_context=connections.trust(),
            max_connections=None,
            keepalive_expiry=20.0,
            network_backend=CheckedBackend(lambda: self._time.over),
        )

    def get(
        self,
        address: WebAddress,
        *,
        largest_bytes: int,
        headers: Iterable[tuple[str, str]] = (),
        right: Iterable[int] = (200,),
        cut: bool = False,
    ) -> Answer:
        """Ask for an address, again where the server is busy or breaks off.

        Args:
            address: What is asked for.
            largest_bytes: What is read at most, whatever the server says of the size.
            headers: What is sent beside the usual headers.
            right: Which statuses are an answer.
            cut: Leave off what is too much, instead of refusing it.

        Raises:
            Invalid: A redirect or a machine behind the address is not allowed, or the answer is too large
                or not for us.
            NotFound: Nothing lies there.
            Unavailable: The server is busy, does not answer or breaks off, however often it is asked. The
                last status that it gave is named, if it gave one.
        """
        request = _Request("GET", tuple(headers), b"", frozenset(right), largest_bytes, cut)
        return self._answered(address, request)

    def post(
        self, address: WebAddress, document: Any, *, largest_bytes: int, right: Iterable[int] = (200,)
    ) -> Answer:
        """Send a JSON document, again where the server is busy or breaks off: it may take it twice.

        Args:
            address: Where it is sent.
            document: What is sent.
            largest_bytes: What is read of the answer at most.
            right: Which statuses are an answer.

        Raises:
            As `get` does.
        """
        headers = (("Content-Type", "application/json"), ("Accept", "application/json"))
        request = _Request("POST", headers, orjson.dumps(document), frozenset(right), largest_bytes)
        return self._answered(address, request)

    def pause(self, seconds: float) -> None:
        """Wait, unless the work is ended."""
        self._closed.wait(seconds)

    def close(self) -> None:
        """Close all connections; nobody waits for a further try."""
        self._closed.set()
        self._pool.close()

    def _answered(self, address: WebAddress, request: _Request) -> Answer:
        asked, limiter = address.shown, self._limiter(address.url.host)
        busy: Unavailable | None = None
        for failures in range(1, self.retries.attempts + 1):
            retry_after: float | None = None
            try:
                with limiter.turn(), connections.translate_errors(asked):
                    answer = self._once(address, asked, request)
            except Unavailable as error:
                failed = error
            else:
                retry_after = retry_after_s(answer.headers.get("retry-after", ""))
                try:
                    connections.check_status(asked, answer.status, request.right)
                except Unavailable as error:
                    failed = busy = error
                else:
                    return answer
            if failures == self.retries.attempts or self._closed.is_set():
                raise busy or failed
            wait_s = self.retries.wait_s(failures, retry_after)
            if self.retries.tells:
                again = failures + 1, self.retries.attempts
                logger.warning("%s. It is asked again in %.0f s (%d of %d)", failed, wait_s, *again)
            if retry_after is not None:
                limiter.hold_for(wait_s)
            if self._closed.wait(wait_s):
                break
        raise Unavailable(f"{asked} was not read: the work was ended")

    def _once(self, address: WebAddress, asked: str, request: _Request) -> Answer:
        self._time.over = time.monotonic() + self._timeouts.total_s
        for _ in range(connections.MAX_REDIRECTS + 1):
            with self._response(address, request) as response:
                onward = connections.onward(address, response)
                if onward is None:
                    connections.check_plain(asked, response)
                    return _answer(response, asked, request)
            address = onward
            if response.status == _SEE_OTHER:
                request = replace(request, method="GET", content=b"")
        raise connections.too_many_redirects(asked, connections.MAX_REDIRECTS)

    @contextmanager
    def _response(self, address: WebAddress, request: _Request) -> Iterator[httpcore.Response]:
        """The answer to one request.

        Servers close connections that were kept open, often just as the next request is sent. That says
        nothing about the server, so the request goes out again, at the latest over a new connection.
        """
        with ExitStack() as stack:
            response: httpcore.Response | None = None
            while response is None:
                steps: list[str] = []
                try:
                    response = stack.enter_context(
                        self._pool.stream(
                            request.method,
                            connections.request_url(address),
                            headers=connections.headers(address, request.headers),
                            content=request.content or None,
                            extensions={
                                **connections.timeouts(self._timeouts.step_s),
                                "trace": lambda step, _, steps=steps: steps.append(step),
                            },
                        )
                    )
                except (httpcore.NetworkError, httpcore.RemoteProtocolError):
                    if _NEW_CONNECTION in steps:
                        raise
            yield response

    def _limiter(self, host: str) -> RateLimiter:
        with self._lock:
            if host not in self._limiters:
                self._limiters[host] = RateLimiter(self.retries)
            return self._limiters[host]


def _answer(response: httpcore.Response, asked: str, request: _Request) -> Answer:
    pieces, size = [], 0
    for piece in response.iter_stream():
        size += len(piece)
        pieces.append(piece)
        if size > request.largest_bytes:
            if response.status in request.right and not request.cut:
                raise Invalid(
                    f"{asked} is refused: it has more than {request.largest_bytes} bytes; name a smaller file"
                )
            break
    found: dict[str, str] = {}
    for name, value in response.headers:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return Answer(response.status, found, b"".join(pieces)[: request.largest_bytes])


def retry_policy(shared_by: int = 1) -> RetryPolicy:
    """How often one host is asked, as the settings say.

    Args:
        shared_by: How many processes ask it at the same time. The settings hold for all of them together,
            where there are no more processes than requests at a time.
    """
    found = settings.current()
    return RetryPolicy(max(1, found.requests_at_once // shared_by), found.requests_per_second / shared_by)


@dataclass(frozen=True)
class RetryPolicy:
    """How often one host is asked.

    at_once: Requests at the same time, 1 or more.
    per_second: Requests that begin in one second, on average; more than 0.
    attempts: How often one thing is asked for in all, 1 or more.
    first_wait_s: Wait after the first failure, in seconds; it doubles with each further one.
    longest_wait_s: Longest wait, also where the server asks for a longer one (Retry-After).
    tells: Whether people are told of each wait, as of one that is long.
    """

    at_once: int = 4
    per_second: float = 50.0
    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    tells: bool = False

    def wait_s(self, failures: int, retry_after: float | None) -> float:
        """Seconds until the next try: what the server asks for, or twice as long as before, spread a little.

        Args:
            failures: How often it failed so far, 1 or more.
            retry_after: Seconds that the server asks for (Retry-After), if it does.
        """
        own = self.first_wait_s * 2.0 ** (failures - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        return min(self.longest_wait_s, own if retry_after is None else max(own, retry_after))


class RateLimiter:
    """Lets requests to one host through, so many at a time and so many in a second."""

    def __init__(self, retries: RetryPolicy) -> None:
        self._places = threading.BoundedSemaphore(retries.at_once)
        self._step = 1.0 / retries.per_second
        self._lock = threading.Lock()
        self._next = 0.0
        self._held_until = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One's turn; it comes when those before are done."""
        with self._places:
            while (left := self._left()) > 0:
                time.sleep(left)
            yield

    def hold_for(self, seconds: float) -> None:
        """Let nobody through for some time: the host asked for it."""
        with self._lock:
            self._held_until = max(self._held_until, time.monotonic() + seconds)

    def _left(self) -> float:
        """Seconds to wait before asking again for a turn; 0 takes one."""
        with self._lock:
            now = time.monotonic()
            left = max(self._next, self._held_until) - now
            if left <= 0:
                self._next = max(self._next + self._step, now)
            return left


def retry_after_s(retry_after: str) -> float | None:
    """Seconds that a Retry-After header asks for, in seconds or as a date; None for what is neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
