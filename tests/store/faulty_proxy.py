"""A proxy before a server that does harm on the way, as often as a test wants."""

from __future__ import annotations

import http.client
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

Fault = str
"""What happens to a request:

drop            nothing is passed on, and the connection breaks
drop-upload     half of the body is read, then the connection breaks
drop-answer     the server does what was asked, and its answer gets lost
drop-download   the answer breaks off in the middle of its body
throttle        503 SlowDown
deny            403 AccessDenied
corrupt-upload  a byte of the body is changed on its way
corrupt-download  a byte of the answer's body is changed on its way
"""

_ANSWERS = {"throttle": (503, "SlowDown"), "deny": (403, "AccessDenied")}
_HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass
class Proxy:
    """What passes, and what happens to it.

    seen: Method and path of every request, in order.
    bytes_down: Bytes of the bodies that were answered.
    """

    target: str
    seen: list[str] = field(default_factory=list)
    address: str = ""
    bytes_down: int = 0
    _rules: list[tuple[str, list[Fault]]] = field(default_factory=list)
    _before: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    def inject(self, *faults: Fault, where: str = "") -> None:
        """Do harm to the next requests whose "METHOD path?query" holds some text, one fault each."""
        self._rules.append((where, list(faults)))

    def before(self, where: str, act: Callable[[], object]) -> None:
        """Do something once, before the next request that holds some text is passed on."""
        self._before.append((where, act))

    def reset(self) -> None:
        """Forget all of it."""
        self.seen.clear()
        self._rules.clear()
        self._before.clear()

    @property
    def left(self) -> int:
        """Faults that no request met yet."""
        return sum(len(faults) for _, faults in self._rules)

    def asked(self, where: str) -> int:
        """How many requests held some text."""
        return sum(where in request for request in self.seen)

    def fault(self, request: str) -> Fault:
        self.seen.append(request)
        for entry in [each for each in self._before if each[0] in request]:
            self._before.remove(entry)
            entry[1]()
        for where, faults in self._rules:
            if faults and where in request:
                return faults.pop(0)
        return ""


@contextmanager
def proxying(target: str) -> Iterator[Proxy]:
    """A proxy that ends with the block."""
    proxy = Proxy(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    server.daemon_threads = True
    proxy.address = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            fault = proxy.fault(f"{self.command} {self.path}")
            length = int(self.headers.get("Content-Length") or 0)
            if fault in {"drop", "drop-upload"}:
                self.rfile.read(length // 2 if fault == "drop-upload" else 0)
                self._break()
                return
            body = self.rfile.read(length)
            if fault in _ANSWERS:
                self._refuse(*_ANSWERS[fault])
                return
            if fault == "corrupt-upload":
                body = _changed(body)
            status, headers, answer = _ask(proxy.target, self, body)
            if fault == "drop-answer":
                self._break()
                return
            self._send(fault, status, headers, answer)

        def _send(self, fault: Fault, status: int, headers: list[tuple[str, str]], answer: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            if not any(name.lower() == "content-length" for name, _ in headers):
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if fault == "corrupt-download":
                answer = _changed(answer)
            if fault == "drop-download":
                proxy.bytes_down += len(answer) // 2
                self.wfile.write(answer[: len(answer) // 2])
                self.wfile.flush()
                self.close_connection = True  # what was sent arrives; nothing follows it
                return
            proxy.bytes_down += len(answer)
            self.wfile.write(answer)

        def _refuse(self, status: int, code: str) -> None:
            body = f"<Error><Code>{code}</Code><Message>by the test</Message></Error>".encode()
            self.send_response_only(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _break(self) -> None:
            """Reset the connection, as a machine does that dies."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, ValueError, OSError):
                return

        def finish(self) -> None:
            try:
                super().finish()
            except (ConnectionError, ValueError, OSError):
                return

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815

    return Handler


def _ask(
    target: str, request: BaseHTTPRequestHandler, body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    parts = urlsplit(target)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    headers = {k: v for k, v in request.headers.items() if k.lower() not in {*_HOP, "expect"}}
    try:
        connection.request(request.command, request.path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


def _changed(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body
