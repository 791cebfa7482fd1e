"""Where bytes live. Paths contain a version, are written once and never overwritten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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


@dataclass(frozen=True)
class FileState:
    """What is known of a stored file without reading it.

    size: Bytes.
    sha256: Hex digest that the store noted when it was put; None where it notes none.
    state: What tells these bytes from others that lay there before or after.
    """

    size: int
    sha256: str | None
    state: str


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

    def holds(self, href: str) -> bool:
        """Whether an address is that of a file of this store, whether it is there or not.

        Everything else that the store can read, such as other files of this machine, is nothing to hand out.
        """

    def state(self, href: str) -> FileState:
        """What is known of a file without reading it. Raises NotFound."""

    def pieces(self, href: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes of a file from `start` to before `stop`, read where they lie, a piece at a time.

        They are compared with nothing, see `reading.verified`.

        Raises:
            NotFound: Nothing lies there: at the call, before the first piece is asked for.
        """

    def delete(self, href: str) -> None:
        """Take a file away. One that is not there is no error."""

    def hrefs(self, prefix: str = "") -> Iterator[str]:
        """Addresses of all files whose key starts with `prefix`."""

    def link(self, href: str, seconds: int, headers: Mapping[str, str] | None = None) -> str:
        """An address that gives the file to a browser or a backend for some time.

        A bucket signs an https address; a public file keeps its own. A folder gives a file:// address, which
        holds for ever, and only on machines that see the folder.

        Args:
            href: The file.
            seconds: How long the address holds.
            headers: Content-Type and Content-Disposition that a signed address answers with.

        Raises:
            NotFound: Nothing lies there.
        """

    def unfinished(self, before: datetime) -> list[str]:
        """What interrupted puts left and nobody touched since `before`: names for people and `abandon`."""

    def abandon(self, unfinished: Iterable[str]) -> list[str]:
        """Take away what `unfinished` named. Returns those that are gone now."""
