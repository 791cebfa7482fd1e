"""Digests as STAC's file extension writes them: sha-256 multihashes in hex."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from fair_models.errors import Corrupted, Invalid, NotFound

PREFIX = "1220"
"""Multihash of sha-256: code 0x12, length 0x20 (32 bytes)."""

_CHECKSUM = re.compile(rf"{PREFIX}[0-9a-f]{{64}}")


def checksum_bytes(data: bytes) -> str:
    """Multihash of bytes: "1220" and 64 lower-case hex digits."""
    return PREFIX + hashlib.sha256(data).hexdigest()


def checksum_file(path: Path) -> str:
    """Multihash of a file, read in pieces."""
    with path.open("rb") as file:
        return PREFIX + hashlib.file_digest(file, "sha256").hexdigest()


def hex_of(checksum: str) -> str:
    """The 64 hex digits of the sha-256 in a multihash.

    Raises:
        Invalid: The checksum is of another kind or no checksum.
    """
    if not _CHECKSUM.fullmatch(checksum.lower()):
        raise Invalid(
            f"{checksum!r} is not a sha-256 multihash: write {PREFIX} and the 64 hex digits of the sha-256"
        )
    return checksum.lower()[len(PREFIX) :]


def verify(path: Path, checksum: str) -> None:
    """Compare a file with its checksum.

    Raises:
        NotFound: There is no such file.
        Corrupted: The bytes are not those of the checksum.
        Invalid: The checksum is not a sha-256 multihash.
    """
    expected = hex_of(checksum)
    try:
        found = hex_of(checksum_file(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(
            f"{path} does not exist: put the file back, or register what it belongs to again"
        ) from error
    if found != expected:
        raise Corrupted(
            f"{path} holds other bytes than its checksum says (sha-256 {found[:12]}… instead of "
            f"{expected[:12]}…): put the right file back, or register what it belongs to again"
        )
