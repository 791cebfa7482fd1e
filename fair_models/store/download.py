"""Files from the web and buckets, where `locations` allows it. Each redirect is checked too."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpcore

from fair_models.errors import Corrupted, Invalid
from fair_models.store.atomic import sync_file, sync_folder, temporary_beside, translate_os_errors
from fair_models.store.digests import PREFIX, hex_of
from fair_models.store.locations import BucketKey, Download
from fair_models.store.protocol import StoredFile
from fair_models.store.s3 import bucket_reading
from fair_models.store.s3.boto import open_client
from fair_models.store.web import connections
from fair_models.store.web.connections import CheckedBackend, Timeouts

_HEADERS = (("Connection", "close"),)
"""The next request is checked and connected anew."""


def download(
    place: Download,
    destination: Path,
    *,
    largest_bytes: int,
    checksum: str | None = None,
    redirects: int = connections.MAX_REDIRECTS,
    timeouts: Timeouts | None = None,
) -> StoredFile:
    """Get a file. It appears whole, with the bytes of its checksum, or not at all.

    Args:
        place: Where it lies.
        destination: Where it goes; replaced where it exists. Its folder is made.
        largest_bytes: What is read at most, whatever the server says of the size.
        checksum: sha-256 multihash that its bytes must have.
        redirects: How many are followed at most. Each is checked like the address.
        timeouts: How long it may take.

    Returns:
        The file as it lies there, with its checksum and size.

    Raises:
        Invalid: A redirect or a machine behind the address is not allowed, or the file is too large.
        NotFound: Nothing lies there.
        Corrupted: The bytes are not those of the checksum.
        Unavailable: The server does not answer, breaks off or is too slow; or the disk is full.
    """
    expected = hex_of(checksum) if checksum is not None else None
    timeouts = timeouts or Timeouts()
    temporary = temporary_beside(destination)
    try:
        with translate_os_errors(f"write {destination}"):
            destination.parent.mkdir(parents=True, exist_ok=True)
            with _answer(place, redirects, timeouts) as pieces:
                found, size = _write(pieces, temporary, largest_bytes, place.shown)
        if expected not in (None, found):
            raise Corrupted(
                f"{place.shown} holds other bytes than its checksum says (sha-256 {found[:12]}… "
                f"instead of {str(expected)[:12]}…): correct the item, or put the right file there"
            )
        with translate_os_errors(f"write {destination}"):
            sync_file(temporary)
            temporary.replace(destination)
            sync_folder(destination.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return StoredFile(str(destination), PREFIX + found, size)


def _write(pieces: Iterable[bytes], file: Path, largest_bytes: int, asked: str) -> tuple[str, int]:
    """Write while hashing. Returns the sha-256 in hex and the size."""
    digest, size = hashlib.sha256(), 0
    with file.open("xb") as opened:
        for piece in pieces:
            size += len(piece)
            if size > largest_bytes:
                raise Invalid(
                    f"{asked} is refused: it has more than {largest_bytes} bytes; name a smaller file"
                )
            digest.update(piece)
            opened.write(piece)
    return digest.hexdigest(), size


@contextmanager
def _answer(place: Download, redirects: int, timeouts: Timeouts) -> Iterator[Iterator[bytes]]:
    """The bytes that an address gives, at its end or that of its redirects."""
    if isinstance(place, BucketKey):
        client = open_client()
        yield bucket_reading.pieces(client, bucket_reading.find(client, place.bucket, place.key))
        return
    address, asked = place, place.shown
    deadline = time.monotonic() + timeouts.total_s
    backend = CheckedBackend(lambda: deadline)
    with (
        connections.translate_errors(asked),
        httpcore.ConnectionPool(ssl_context=connections.trust(), network_backend=backend) as pool,
    ):
        for _ in range(redirects + 1):
            with pool.stream(
                "GET",
                connections.request_url(address),
                headers=connections.headers(address, _HEADERS),
                extensions=connections.timeouts(timeouts.step_s),
            ) as response:
                onward = connections.onward(address, response)
                if onward is None:
                    connections.check_status(asked, response.status)
                    connections.check_plain(asked, response)
                    yield response.iter_stream()
                    return
            address = onward
    raise connections.too_many_redirects(asked, redirects)
