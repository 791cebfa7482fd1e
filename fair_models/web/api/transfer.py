"""Answers that are sent piece by piece: read in threads, ended when the client goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress

import anyio
from anyio import to_thread
from anyio.lowlevel import RunVar
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

AT_ONCE = 64
"""Pieces that are read at the same time. Further ones wait; other requests have threads of their own."""

_limiters: RunVar[anyio.CapacityLimiter] = RunVar("_limiters")


class PieceResponse(Response):
    """An answer whose body comes from an iterator that blocks.

    What fails before the first piece is told as a problem. What fails later cuts the connection, so that half
    an answer never looks like a whole one.

    Args:
        pieces: The body. It is closed when all of it is sent, it fails, or the client goes away.
        headers: Content-Length among them where the size is known.
        status_code: 200 or 206.
    """

    def __init__(self, pieces: Iterator[bytes], headers: Mapping[str, str], status_code: int = 200) -> None:
        self._pieces = pieces
        self.status_code = status_code
        self.background = None
        self.media_type = None
        self.body = b""
        self.raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        gone = asyncio.create_task(_disconnect(receive))
        try:
            await self._send(send, gone)
        finally:
            gone.cancel()
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(_close, self._pieces, limiter=_limiter())

    async def _send(self, send: Send, gone: asyncio.Task[None]) -> None:
        piece = await self._next()
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while piece is not None and not gone.done():
            following = asyncio.create_task(self._next())
            try:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            finally:
                with anyio.CancelScope(shield=True):  # a generator cannot be closed while it runs
                    await asyncio.wait([following])
                    failure = following.exception()
            if failure is not None:
                raise failure
            piece = following.result()
        if not gone.done():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _next(self) -> bytes | None:
        """The next piece that is not empty; None after the last."""
        while True:
            piece = await to_thread.run_sync(next, self._pieces, None, limiter=_limiter())
            if piece is None or piece:
                return piece


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _close(pieces: Iterator[bytes]) -> None:
    if isinstance(pieces, Generator):
        with suppress(ValueError):  # it never ran to its first piece
            pieces.close()


def _limiter() -> anyio.CapacityLimiter:
    """That of this event loop."""
    try:
        return _limiters.get()
    except LookupError:
        made = anyio.CapacityLimiter(AT_ONCE)
        _limiters.set(made)
        return made
