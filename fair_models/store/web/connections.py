"""Connections to machines that were judged, and that end in time."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

from fair_models.store.web import hrefs


class CheckedBackend(httpcore.SyncBackend):
    """Connects to addresses that were judged: the name is resolved once, so that nobody changes it after.

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
            hrefs.check_peer(host, address)
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
