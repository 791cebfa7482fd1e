"""Large files elsewhere, read in parts: what was read lately is kept, so that nothing is asked for twice.

Our own and not fsspec's: there each opening has a cache of its own, and the one cache that could be shared
(`BlockCache`) asks for each block by itself. Here threads share one, and neighbours come in one request.
"""

from __future__ import annotations

import io
import re
import threading
from collections import OrderedDict
from typing import Protocol

from fair_models.errors import FairModelsError, Invalid, Unavailable
from fair_models.store.digests import checksum_bytes
from fair_models.store.locations import WebAddress
from fair_models.store.web.policy import Web

CHUNK_BYTES = 128 * 1024
"""What is asked for at least."""

KEPT_BYTES = 64 * 2**20
"""What is kept of one file."""

_MAX_CHUNKS = 16
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Ranges(Protocol):
    """A file whose bytes can be had in parts."""

    @property
    def name(self) -> str:
        """How messages call it."""

    @property
    def size(self) -> int:
        """Bytes in all."""

    @property
    def state(self) -> str:
        """What tells its content from what lay there before: size and ETag or date, where they are known."""

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`, which lies in the file."""


class WebRanges:
    """A file on the web.

    Args:
        web: Asks for the parts.
        address: Where it lies.

    Raises:
        Invalid: It leads to where nothing may be read, or the server gives no parts of files.
        NotFound: Nothing lies there.
        Unavailable: The server does not answer.
    """

    def __init__(self, web: Web, address: WebAddress) -> None:
        self.name = address.shown
        self._web, self._address = web, address
        self.state = ""
        self.size = 1
        self.start = self._ask(0, CHUNK_BYTES)
        """The first bytes: they say what kind of file it is."""

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`.

        Raises:
            Unavailable: The server does not answer, or has another file there by now.
        """
        return self.start[start:stop] if stop <= len(self.start) else self._ask(start, stop)

    def _ask(self, start: int, stop: int) -> bytes:
        part = ("Range", f"bytes={start}-{stop - 1}")
        answer = self._web.get(
            self._address, largest_bytes=stop - start, headers=[part], right=(206, 200), cut=True
        )
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", "").strip())
        if answer.status != 206 or found is None:
            if start == 0 and len(answer.body) < CHUNK_BYTES:  # small enough to have come whole
                self.size, self.state = len(answer.body), checksum_bytes(answer.body)
                return answer.body
            raise Invalid(
                f"{self.name} cannot be read in parts: its server does not know ranges; "
                "download it and name the file"
            )
        first, last, size = map(int, found.groups())
        state = f"{size} {answer.headers.get('etag') or answer.headers.get('last-modified', '')}"
        if self.state not in ("", state):
            raise Unavailable(f"{self.name} was changed while it was read: start again")
        self.state, self.size = state, size
        if first != start or last != min(stop, size) - 1 or len(answer.body) != last - first + 1:
            raise Unavailable(f"{self.name} came in other parts than asked for: try again later")
        return answer.body


class RangedFile:
    """A file in parts, as GDAL reads it through rasterio's opener. Threads may share one.

    Args:
        ranges: Where the bytes come from.
    """

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self.failure: FairModelsError | None = None
        """Why bytes could not be had: GDAL says only that it has none."""
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._next, self._run = -1, 1

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`, or to the end of the file."""
        stop = min(stop, self.ranges.size)
        if start >= stop:
            return b""
        first, last = start // CHUNK_BYTES, (stop - 1) // CHUNK_BYTES
        chunks = self._chunks(first, last)
        return b"".join(chunks)[start - first * CHUNK_BYTES : stop - first * CHUNK_BYTES]

    def check(self) -> None:
        """Say why bytes could not be had, if that was so."""
        if self.failure is not None:
            raise self.failure

    def open(self) -> io.RawIOBase:
        """The file, to be read from its beginning."""
        return _Handle(self)

    def _chunks(self, first: int, last: int) -> list[bytes]:
        with self._lock:
            found = {at: self._kept[at] for at in range(first, last + 1) if at in self._kept}
            for at in found:
                self._kept.move_to_end(at)
            missing = [at for at in range(first, last + 1) if at not in found]
            if missing:
                # Who reads on where the last request ended gets more at once, and more each time.
                self._run = min(2 * self._run, _MAX_CHUNKS) if missing[0] == self._next else 1
                until = max(missing[-1] + 1, missing[0] + self._run)
                self._next = until
        if missing:
            for at, chunk in self._fetched(missing[0], until).items():
                found[at] = chunk
        return [found[at] for at in range(first, last + 1)]

    def _fetched(self, first: int, until: int) -> dict[int, bytes]:
        try:
            data = self.ranges.read(first * CHUNK_BYTES, min(until * CHUNK_BYTES, self.ranges.size))
        except FairModelsError as error:
            self.failure = error
            raise
        chunks = {
            first + at: data[at * CHUNK_BYTES : (at + 1) * CHUNK_BYTES]
            for at in range(-(-len(data) // CHUNK_BYTES))
        }
        with self._lock:
            self._kept.update(chunks)
            while len(self._kept) * CHUNK_BYTES > KEPT_BYTES:
                self._kept.popitem(last=False)
        return chunks


class _Handle(io.RawIOBase):
    """A place in the file."""

    def __init__(self, file: RangedFile) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.ranges.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        stop = self._file.ranges.size if size < 0 else self._at + size
        try:
            data = self._file.read(self._at, stop)
        except FairModelsError:
            return b""  # kept as the file's failure: nothing may be raised through GDAL
        self._at += len(data)
        return data
