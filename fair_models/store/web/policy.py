"""Many requests to the same few hosts: connections stay open, nobody is asked too often, failures pass.

All under the rules of `hrefs`: each address, each redirect and each machine is judged before it is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import httpcore
import httpx

from fair_models import settings
from fair_models.errors import Invalid, Unavailable
from fair_models.store.web import hrefs, requests
from fair_models.store.web.connections import CheckedBackend
from fair_models.store.web.download import Patience
from fair_models.store.web.limits import Gate, Manners, asked_for_s

DOCUMENT_BYTES = 5_000_000
"""Largest description of a service or item that is read."""


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
class _Largest:
    """What is read of an answer at most, and with which statuses more is refused instead of left off."""

    bytes: int
    refused_with: frozenset[int]


@dataclass
class _Time(threading.local):
    """When the time of this thread's request is over."""

    over: float = field(default_factory=lambda: float("inf"))


class Web:
    """Asks web servers. Threads may share one; close it in the end.

    Args:
        manners: How often one host is asked. Default: as the settings say.
        patience: How long one request may take. Default: 30 s without a byte, 120 s in all.
    """

    def __init__(self, manners: Manners | None = None, patience: Patience | None = None) -> None:
        self.manners = manners or _manners()
        self._patience = patience or Patience(30.0, 120.0)
        self._time = _Time()
        self._gates: dict[str, Gate] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._pool = httpcore.ConnectionPool(
            ssl_context=requests.trust(),
            max_connections=None,
            keepalive_expiry=20.0,
            network_backend=CheckedBackend(lambda: self._time.over),
        )

    def get(
        self,
        href: str,
        *,
        largest_bytes: int,
        headers: Iterable[tuple[str, str]] = (),
        right: Iterable[int] = (200,),
        cut: bool = False,
    ) -> Answer:
        """Ask for an address, again where the server is busy or breaks off.

        Args:
            href: https address; http at hosts that the settings name.
            largest_bytes: What is read at most, whatever the server says of the size.
            headers: What is sent beside the usual headers.
            right: Which statuses are an answer.
            cut: Leave off what is too much, instead of refusing it.

        Raises:
            Invalid: The address, a redirect or a machine behind it is not allowed, or the answer is too large
                or not for us.
            NotFound: Nothing lies there.
            Unavailable: The server is busy, does not answer or breaks off, however often it is asked.
        """
        address, asked = hrefs.web_address(href), hrefs.shown(href)
        gate, right = self._gate(address.host), frozenset(right)
        for failures in range(1, self.manners.attempts + 1):
            wish: float | None = None
            try:
                with gate.turn(), requests.told(asked):
                    answer = self._once(
                        address,
                        asked,
                        _Largest(largest_bytes, right if not cut else frozenset()),
                        tuple(headers),
                    )
                wish = asked_for_s(answer.headers.get("retry-after", ""))
                requests.check_status(asked, answer.status, right)
                return answer
            except Unavailable:
                if failures == self.manners.attempts or self._closed.is_set():
                    raise
            wait_s = self.manners.wait_s(failures, wish)
            if wish is not None:
                gate.close_for(wait_s)
            if self._closed.wait(wait_s):
                break
        raise Unavailable(f"{asked} was not read: the work was ended")

    def pause(self, seconds: float) -> None:
        """Wait, unless the work is ended."""
        self._closed.wait(seconds)

    def close(self) -> None:
        """Close all connections; nobody waits for a further try."""
        self._closed.set()
        self._pool.close()

    def _once(
        self, address: httpx.URL, asked: str, largest: _Largest, headers: Iterable[tuple[str, str]]
    ) -> Answer:
        self._time.over = time.monotonic() + self._patience.whole
        for _ in range(requests.MOST_REDIRECTS + 1):
            with self._pool.stream(
                "GET",
                requests.request_url(address),
                headers=requests.headers(address, headers),
                extensions=requests.timeouts(self._patience.step),
            ) as response:
                onward = requests.onward(address, response)
                if onward is None:
                    requests.check_plain(asked, response)
                    return _answer(response, asked, largest)
            address = onward
        raise requests.too_many_redirects(asked, requests.MOST_REDIRECTS)

    def _gate(self, host: str) -> Gate:
        with self._lock:
            if host not in self._gates:
                self._gates[host] = Gate(self.manners)
            return self._gates[host]


def _answer(response: httpcore.Response, asked: str, largest: _Largest) -> Answer:
    pieces, size = [], 0
    for piece in response.iter_stream():
        size += len(piece)
        pieces.append(piece)
        if size > largest.bytes:
            if response.status in largest.refused_with:
                raise Invalid(
                    f"{asked} is refused: it has more than {largest.bytes} bytes; name a smaller file"
                )
            break
    found: dict[str, str] = {}
    for name, value in response.headers:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return Answer(response.status, found, b"".join(pieces)[: largest.bytes])


def _manners() -> Manners:
    found = settings.current()
    return Manners(found.requests_at_once, found.requests_per_second)
