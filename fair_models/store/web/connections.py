"""Requests to machines that were checked, which end in time: redirects, statuses and errors."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore
import httpx

from fair_models import __version__
from fair_models.errors import Invalid, NotFound, Unavailable, reason_of
from fair_models.store import hosts, locations
from fair_models.store.locations import WebAddress

MAX_REDIRECTS = 5
GONE = frozenset({404, 410})
"""What a server says where nothing lies."""

USER_AGENT = f"fair-models/{__version__}"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({408, 425, 429})
_HEADERS = (
    ("User-Agent", USER_AGENT),
    ("Accept", "*/*"),
    ("Accept-Encoding", "identity"),  # the digest is that of the file as it lies there
)


@dataclass(frozen=True)
class Timeouts:
    """How long a request may take, in seconds.

    step_s: Each connecting, and each wait for the next bytes.
    total_s: All of it.
    """

    step_s: float = 30.0
    total_s: float = 3600.0


class CheckedBackend(httpcore.SyncBackend):
    """Connects to addresses that were checked: the name is resolved once, so that nobody changes it after.

    Args:
        deadline: When the time of the request is over that the calling thread waits for, by `time.monotonic`.
    """

    def __init__(self, deadline: Callable[[], float]) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a host that answers; all of them must be allowed."""
        addresses = _resolved(host, port)
        for address in addresses:
            hosts.check_peer(host, address)
        failed: Exception | None = None
        for address in addresses:
            left = _left(self._deadline(), timeout)
            try:
                stream = super().connect_tcp(address, port, left, local_address, socket_options)
                return _TimedStream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore.ConnectError(f"{host} has no address")


class _TimedStream(httpcore.NetworkStream):
    """A connection that ends with the time for the whole file, however the server spreads its bytes."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Callable[[], float]) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline(), timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline(), timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline(), timeout))
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float, timeout: float | None) -> float:
    """Seconds that the next step may take.

    Raises:
        ReadTimeout: The time for the whole file is over.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time for the whole file is over")
    return left if timeout is None else min(left, timeout)


def _resolved(host: str, port: int) -> list[str]:
    """IP addresses of a host, in the order of the system."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the host {host} is not known ({error})") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_busy(status: int) -> bool:
    """Whether a server that says this may say something else later."""
    return status in _BUSY or status >= 500


def onward(address: WebAddress, response: httpcore.Response) -> WebAddress | None:
    """Where a redirect leads, checked like the first address. None for an answer that is none.

    Raises:
        Invalid: Nothing may be read there.
    """
    place = header(response.headers, b"location")
    if response.status not in _REDIRECTS or not place:
        return None
    try:
        target = address.url.join(place)
    except (httpx.InvalidURL, ValueError) as error:
        raise Invalid(f"{address.shown} redirects to what is no address: {error}") from error
    try:
        return locations.parse_web(target)
    except Invalid as error:
        raise Invalid(f"{address.shown} redirects to where nothing may be read: {error}") from error


def too_many_redirects(asked: str, redirects: int) -> Invalid:
    """What is said of an address that leads on and on."""
    return Invalid(f"{asked} is refused: it redirects more than {redirects} times; name where the file lies")


def check_status(asked: str, status: int, right: Iterable[int] = (200,)) -> None:
    """Refuse an answer without what was asked for.

    Raises:
        NotFound: Nothing lies there.
        Unavailable: Not now.
        Invalid: Not for us.
    """
    if status in right:
        return
    if status in GONE:
        raise NotFound(f"{asked} does not exist (the server says {status}): correct the address")
    if is_busy(status):
        raise Unavailable(f"{asked} cannot be had now (the server says {status}): try again later")
    raise Invalid(f"{asked} is not given to everyone (the server says {status}): download it, name the file")


def check_plain(asked: str, response: httpcore.Response) -> None:
    """Refuse bytes that are packed.

    Raises:
        Invalid: They are.
    """
    coding = header(response.headers, b"content-encoding").lower()
    if coding not in {"", "identity"}:
        raise Invalid(
            f"{asked} comes packed ({coding}) although that was not asked for, so its digest would be "
            "another file's: download it and name the file"
        )


@contextmanager
def translate_errors(asked: str) -> Iterator[None]:
    """Errors of the network as errors of our family."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise Unavailable(f"{asked} is too slow: no answer in time; try again later") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise Unavailable(f"{asked} cannot be had: {reason_of(error)}. Try again later") from error
    except httpcore.UnsupportedProtocol as error:
        raise Invalid(f"{asked} cannot be read: {error}") from error


@cache
def trust() -> ssl.SSLContext:
    """Whom to believe who they are: SSL_CERT_FILE or SSL_CERT_DIR where set, else the usual authorities."""
    return httpx.create_ssl_context()


def request_url(address: WebAddress) -> httpcore.URL:
    """An address as httpcore takes it."""
    return httpcore.URL(
        scheme=address.url.raw_scheme,
        host=address.url.raw_host,
        port=address.url.port,
        target=address.url.raw_path,
    )


def headers(
    address: WebAddress, further: Iterable[tuple[str, str]] = ()
) -> list[tuple[bytes | str, bytes | str]]:
    """What is sent with every request, and what is sent with this one."""
    return [("Host", address.url.netloc), *_HEADERS, *further]


def timeouts(seconds: float) -> dict[str, dict[str, float]]:
    """How long each step of a request may take, as httpcore takes it."""
    return {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)}


def header(found: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """The first header of a name (in lower case); empty where there is none."""
    return next((value.decode("latin-1") for key, value in found if key.lower() == name), "")
