"""A web server of this machine that answers as a test wants, well or badly."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

Answer = Callable[[BaseHTTPRequestHandler], None]


def send(
    request: BaseHTTPRequestHandler, body: bytes, status: int = 200, kind: str = "image/png", **headers: str
) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)


def break_off(request: BaseHTTPRequestHandler, body: bytes, promised: int) -> None:
    """Give the beginning of a body of `promised` bytes, and hang up."""
    request.send_response(200)
    request.send_header("Content-Length", str(promised))
    request.send_header("Connection", "close")
    request.end_headers()
    request.wfile.write(body)


class _Server(ThreadingHTTPServer):
    """One that says nothing where somebody hangs up in the middle of an answer."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class WebServer:
    """Files of a folder, and answers of any kind at paths of their own.

    asked: Paths that were asked for, in order.
    posted: What was sent with POST, in order.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.posted: list[bytes] = []
        self._server = _Server(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{path}"

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            request.send_header("Location", to)
            request.send_header("Content-Length", "0")
            request.end_headers()

        self.answers[f"/{path}"] = answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = unquote(urlsplit(self.path).path)
                server.asked.append(path)
                answer = server.answers.get(path)
                if answer is not None:
                    answer(self)
                    return
                file = server.folder / path.lstrip("/")
                content = file.read_bytes() if file.is_file() else b"not here"
                self.send_response(200 if file.is_file() else 404)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                server.posted.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        return Handler

    @contextmanager
    def running(self) -> Iterator[WebServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
