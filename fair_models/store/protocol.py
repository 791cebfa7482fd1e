"""Where bytes live. Paths contain a version, are written once and never overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class StoredFile:
    """One file of the store.

    href: Absolute address: a path, or s3://bucket/key.
    checksum: sha-256 multihash in hex ("1220" and 64 digits), as in `file:checksum`.
    size: Bytes.
    """

    href: str
    checksum: str
    size: int


class Store(Protocol):
    """A place for the bytes that the registry holds."""

    def put(self, key: str, source: Path | bytes) -> StoredFile:
        """Store bytes under `key`, e.g. "local-models/roofs/v2/model-3f2a9c1b0d4e.onnx".

        The same bytes again are no error; other bytes under a key that exists are a Conflict.
        Nobody ever sees a file that is only partly there.
        """

    def fetch(self, href: str, checksum: str | None = None) -> Path:
        """A local file with the bytes of `href`, compared with `checksum` where one is given.

        Raises:
            NotFound: Nothing lies there.
            Corrupted: The bytes are not those of the checksum.
        """

    def exists(self, href: str) -> bool:
        """Whether a file lies there."""

    def size(self, href: str) -> int:
        """Size of the file in bytes, without reading it."""

    def modified(self, href: str) -> datetime:
        """When the file was put, the last time where it was put again: aware, UTC. Raises NotFound."""

    def delete(self, href: str) -> None:
        """Take a file away. One that is not there is no error."""

    def hrefs(self, prefix: str = "") -> Iterator[str]:
        """Addresses of all files whose key starts with `prefix`."""
