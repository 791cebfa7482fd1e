"""Tiles that were downloaded: their bytes under their digest, and an index from addresses to digests.

Each entry is a file of its own that appears whole, so that processes may share the folder and a crash costs
one tile at most. All of it can be fetched again, so nothing is synced: bytes are compared with their digest
when they are read.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from fair_models.store.atomic import temporary_beside, translate_os_errors


@dataclass(frozen=True)
class CachedTile:
    """What lies at an address.

    digest: sha-256 in hex of its bytes; empty where the server has none.
    etag: What the server calls this state, if it does.
    asked: When that was so, in seconds since 1970.
    """

    digest: str
    etag: str
    asked: float

    @property
    def is_hole(self) -> bool:
        """Whether the server has nothing there."""
        return not self.digest

    def age_days(self) -> float:
        """Days since the server was asked."""
        return (time.time() - self.asked) / 86_400


class TileCache:
    """A folder of tiles.

    Args:
        folder: Made when the first tile is put.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, address: str) -> CachedTile | None:
        """What is known of an address; None where its bytes are not here."""
        try:
            found = CachedTile(**orjson.loads(self._entry(address).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None  # never asked, or not readable: it can be asked again
        return found if found.is_hole or self._data(found.digest).is_file() else None

    def read(self, digest: str) -> bytes | None:
        """The bytes of a digest; None where they are gone or others."""
        try:
            data = self._data(digest).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None

    def put(self, address: str, data: bytes | None, etag: str = "") -> CachedTile:
        """Keep what a server gave.

        Args:
            address: Whole address. Only its digest is kept, since it may hold a key.
            data: The bytes; None where it has none.
            etag: What it calls this state.

        Raises:
            Unavailable: The disk is full or not ours to write.
        """
        digest = hashlib.sha256(data).hexdigest() if data is not None else ""
        entry = CachedTile(digest, etag[:200], time.time())
        if data is not None:
            _write(self._data(digest), data)
        _write(self._entry(address), orjson.dumps(asdict(entry)))
        return entry

    def forget(self, address: str) -> None:
        """Know nothing of an address any more."""
        with suppress(OSError):
            self._entry(address).unlink(missing_ok=True)

    def _entry(self, address: str) -> Path:
        name = hashlib.sha256(address.encode()).hexdigest()
        return self._folder / "addresses" / name[:2] / f"{name}.json"

    def _data(self, digest: str) -> Path:
        return self._folder / "data" / digest[:2] / digest


def _write(path: Path, data: bytes) -> None:
    temporary = temporary_beside(path)
    with translate_os_errors(f"write {path}"):
        try:
            try:
                temporary.write_bytes(data)
            except FileNotFoundError:  # the first one of its folder
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_bytes(data)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
