"""Where bytes live. Paths contain a version, are written once and never overwritten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class StoredFile:
    """One file of the store.

    href: Absolute address: a path, s3://bucket/key, or the public https address of the same file.
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

    def verify(self, href: str, checksum: str) -> None:
        """Compare the bytes of `href`, read where they lie, with a checksum.

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

    def link(self, href: str, seconds: int) -> str:
        """An address that gives the file to a browser or a backend for some time.

        A bucket signs an https address; a public file keeps its own. A folder gives a file:// address, which
        holds for ever, and only on machines that see the folder.

        Raises:
            NotFound: Nothing lies there.
        """

    def unfinished(self, before: datetime) -> list[str]:
        """What interrupted puts left and nobody touched since `before`: names for people and `abandon`."""

    def abandon(self, unfinished: Iterable[str]) -> list[str]:
        """Take away what `unfinished` named. Returns those that are gone now."""
