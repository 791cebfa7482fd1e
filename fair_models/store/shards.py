"""Shards of one piece of work in the registry's store, with a manifest of a line each.

A line is a file of its own, put when the shard lies there whole: processes on many machines add to the
manifest at the same time, and nothing that was put is ever changed. All of it goes when the work is complete.
What work that nobody finished leaves is found, and taken away, by the audit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import orjson

from fair_models.errors import Conflict, Corrupted, NotFound
from fair_models.store.digests import checksum_bytes, hex_of
from fair_models.store.protocol import Store, StoredFile
from fair_models.types import Json

FOLDER = "shards"
"""Where shards lie in the store."""

_LINE = ".json"


@dataclass(frozen=True)
class ShardLine:
    """One shard that is done.

    shard: Its number, from 0.
    href: Where its file lies.
    checksum: Digest of the file.
    size: Bytes.
    facts: What else is said of it.
    """

    shard: int
    href: str
    checksum: str
    size: int
    facts: Json


class ShardStore:
    """The shards of one piece of work. Threads and processes may share them.

    Args:
        store: Where they lie.
        digest: What the work is called by; other work, or the same over changed input, has another.
        ending: How the files of shards end, e.g. ".arrow".
    """

    def __init__(self, store: Store, digest: str, ending: str) -> None:
        self.digest = digest
        self._store, self._ending = store, ending
        self._prefix = f"{FOLDER}/{digest}/"
        self._known: dict[int, str] = {}

    def done(self) -> set[int]:
        """Numbers of the shards that have a line."""
        self._known = dict(_numbered(self._store.hrefs(self._prefix)))
        return set(self._known)

    def put(self, shard: int, data: bytes, facts: Json) -> None:
        """Store a shard. Where somebody else was faster, theirs stays.

        Raises:
            Unavailable: The store does not answer, or is full.
        """
        name = f"{self._prefix}shard-{shard:04d}"
        stored = self._put(f"{name}-{hex_of(checksum_bytes(data))[:12]}{self._ending}", data)
        line = {
            "shard": shard,
            "href": stored.href,
            "checksum": stored.checksum,
            "size": stored.size,
            **facts,
        }
        try:
            self._known[shard] = self._store.put(f"{name}{_LINE}", orjson.dumps(line)).href
        except Conflict:
            self.done()

    def _put(self, key: str, data: bytes) -> StoredFile:
        """Store bytes under a key that holds their digest: what lies there and differs is damaged."""
        try:
            return self._store.put(key, data)
        except Conflict:
            for href in list(self._store.hrefs(key)):
                self._store.delete(href)
            return self._store.put(key, data)

    def line(self, shard: int) -> ShardLine | None:
        """The line of a shard; None where there is none. One that cannot be read is taken away."""
        href = self._href(shard)
        if href is None:
            return None
        try:
            facts = orjson.loads(_bytes(self._store, href))
            own = {name: facts.pop(name) for name in ("shard", "href", "checksum", "size")}
            return ShardLine(**own, facts=facts)
        except (NotFound, Corrupted, ValueError, TypeError, KeyError, AttributeError):
            self.forget(shard)
            return None

    def data(self, line: ShardLine) -> bytes | None:
        """The bytes of a shard; None where they are not there. A damaged one is taken away."""
        try:
            return _bytes(self._store, line.href, line.checksum)
        except (NotFound, Corrupted):
            self.take_away(line)
            return None

    def take_away(self, line: ShardLine) -> None:
        """Take a shard away: its file, then its line."""
        self._store.delete(line.href)
        self.forget(line.shard)

    def forget(self, shard: int) -> None:
        """Take the line of a shard away."""
        href = self._known.pop(shard, None)
        if href is not None:
            self._store.delete(href)

    def clear(self) -> None:
        """Take all shards away, lines first: what is left of a shard without one is nobody's."""
        for href in sorted(self._store.hrefs(self._prefix), key=lambda href: not href.endswith(_LINE)):
            self._store.delete(href)

    def _href(self, shard: int) -> str | None:
        """Where the line of a shard lies."""
        if shard not in self._known:
            self.done()
        return self._known.get(shard)


def _numbered(hrefs: Iterator[str]) -> Iterator[tuple[int, str]]:
    for href in hrefs:
        name = PurePosixPath(href).name
        if name.endswith(_LINE):
            yield int(name.removeprefix("shard-").removesuffix(_LINE)), href


def _bytes(store: Store, href: str, checksum: str | None = None) -> bytes:
    """The bytes of a file of the store. A copy that was made for this machine goes: it is read once."""
    path = store.fetch(href, checksum)
    data = path.read_bytes()
    if href not in (str(path), path.as_uri()):
        Path(path).unlink(missing_ok=True)
    return data
