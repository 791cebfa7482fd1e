"""A service of tiles on this machine, with whatever can go wrong, and a file that is given in parts."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from fair_models.data.images import tiles
from fair_models.inference.imagery.areas import Area, read
from fair_models.types import Array
from tests.store.web_server import Answer, WebServer, break_off, send

TILE_PX = 256


def png(pixels: Array) -> bytes:
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, -1))).save(buffer, "PNG")
    return buffer.getvalue()


class TileServer(WebServer):
    """Tiles cut from one picture whose top left tile is `corner`.

    most_at_once: Most requests that were answered at the same time.
    """

    def __init__(self, folder: Path, pixels: Array, corner: tiles.Tile, port: int = 0) -> None:
        super().__init__(folder, port)
        self.pixels, self.corner = pixels, corner
        self.most_at_once = 0
        self.agents: set[str] = set()
        self._now = 0
        self._lock = threading.Lock()
        self.hold: Callable[[], None] = lambda: None
        self.rows, self.columns = (side // TILE_PX for side in pixels.shape[1:])
        for tile in self.all():
            self.answers[self.path(tile)] = self.good(tile)

    def all(self) -> list[tiles.Tile]:
        return [
            tiles.Tile(self.corner.x + column, self.corner.y + row, self.corner.z)
            for row in range(self.rows)
            for column in range(self.columns)
        ]

    def path(self, tile: tiles.Tile) -> str:
        return f"/{tile.z}/{tile.x}/{tile.y}.png"

    def picture(self, tile: tiles.Tile) -> bytes:
        top, left = (tile.y - self.corner.y) * TILE_PX, (tile.x - self.corner.x) * TILE_PX
        return png(self.pixels[:, top : top + TILE_PX, left : left + TILE_PX])

    def good(self, tile: tiles.Tile) -> Answer:
        body = self.picture(tile)

        def answer(request: BaseHTTPRequestHandler) -> None:
            with self.counted(request):
                self.hold()
                send(request, body, ETag=f'"{tile.x}-{tile.y}"')

        return answer

    def first_then(self, tile: tiles.Tile, *first: Answer, then: Answer | None = None) -> None:
        """Answer badly some times, then as ever."""
        waiting, last = list(first), then or self.good(tile)

        def answer(request: BaseHTTPRequestHandler) -> None:
            (waiting.pop(0) if waiting else last)(request)

        self.answers[self.path(tile)] = answer

    @contextmanager
    def counted(self, request: BaseHTTPRequestHandler) -> Iterator[None]:
        with self._lock:
            self.agents.add(request.headers.get("User-Agent", ""))
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1

    def area(self, inset: float = 0.0) -> Area:
        """The picture's box, made smaller by parts of a tile."""
        west, north = tiles.lonlat(self.corner.x + inset, self.corner.y + inset, self.corner.z)
        east, south = tiles.lonlat(
            self.corner.x + self.columns - inset, self.corner.y + self.rows - inset, self.corner.z
        )
        return read(f"{west:.12f},{south:.12f},{east:.12f},{north:.12f}")


def failing(status: int, **headers: str) -> Answer:
    return lambda request: send(request, b"not now", status, "text/plain", **headers)


def page(request: BaseHTTPRequestHandler) -> None:
    """What many servers send, with status 200, where they should have said no."""
    send(request, b"<html><body>Limit reached</body></html>", kind="text/html")


def broken_off(request: BaseHTTPRequestHandler) -> None:
    """Fewer bytes than were told, and the connection is gone."""
    break_off(request, b"\x89PNG", promised=5000)


def in_parts(body: bytes, asked: list[tuple[int, int]], **headers: str) -> Answer:
    """A file whose server knows ranges; `asked` notes first and last byte of each request."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if found is None:
            send(request, body, kind="image/tiff", **headers)
            return
        first, last = int(found.group(1)), min(int(found.group(2)), len(body) - 1)
        asked.append((first, last))
        told = {"Content_Range": f"bytes {first}-{last}/{len(body)}", **headers}
        send(request, body[first : last + 1], 206, "image/tiff", **told)

    return answer
