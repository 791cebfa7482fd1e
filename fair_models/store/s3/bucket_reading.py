"""Reading files in buckets: on from where it broke off, and kept on this machine under their digest."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from fair_models.errors import Corrupted, FairModelsError, Unavailable
from fair_models.store.atomic import temporary_beside, translate_os_errors
from fair_models.store.digests import PREFIX, hex_of, verify
from fair_models.store.locations import BucketKey
from fair_models.store.s3.boto import ATTEMPTS, open_client, translate_errors
from fair_models.store.web.ranges import CHUNK_BYTES

PIECE_BYTES = 1 << 20

_LONGEST_WAIT_S = 20.0
_TRIES = 3
"""How often a file is read whose bytes are not those of its digest: they may have been changed on the way."""


@dataclass(frozen=True)
class BucketFile:
    """A file in a bucket, as its server describes it.

    size: Bytes.
    modified: When it was written, UTC.
    etag: What the server calls this state.
    sha256: Hex digest that was noted when it was put; empty where none was.
    checksum: Base64 sha-256 over the digests of its parts, by the server; empty where it has none.
    """

    bucket: str
    key: str
    size: int
    modified: datetime
    etag: str
    sha256: str
    checksum: str

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"s3://{self.bucket}/{self.key}"


def find(client: Any, bucket: str, key: str) -> BucketFile:
    """What is known of a file, without reading it.

    Raises:
        NotFound: Nothing lies there.
        Unavailable: It cannot be asked for.
    """
    with translate_errors(f"s3://{bucket}/{key}", bucket):
        answer = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    return BucketFile(
        bucket,
        key,
        size=int(answer["ContentLength"]),
        modified=answer["LastModified"],
        etag=str(answer["ETag"]),
        sha256=str(answer.get("Metadata", {}).get("sha256", "")),
        checksum=str(answer.get("ChecksumSHA256", "")).partition("-")[0],
    )


def pieces(
    client: Any, found: BucketFile, attempts: int = ATTEMPTS, start: int = 0, stop: int | None = None
) -> Iterator[bytes]:
    """The bytes of a file. Where the connection breaks, the rest is asked for.

    Args:
        client: boto3's client.
        found: The file: bytes of another that took its place are never mixed in.
        attempts: How often in a row nothing may come.
        start: The first byte.
        stop: The byte after the last one. Default: the whole file.

    Raises:
        NotFound: It is gone.
        Unavailable: The server does not answer, breaks off again and again, or has another file there.
    """
    at, failures = start, 0
    end = found.size if stop is None else min(stop, found.size)
    while at < end:
        with translate_errors(found.name, found.bucket):
            body = client.get_object(
                Bucket=found.bucket, Key=found.key, IfMatch=found.etag, Range=f"bytes={at}-{end - 1}"
            )["Body"]
        try:
            with closing(body), translate_errors(found.name, found.bucket):
                for piece in body.iter_chunks(PIECE_BYTES):
                    at, failures = at + len(piece), 0
                    yield piece
        except Unavailable:
            failures += 1
            if failures >= attempts:
                raise
            time.sleep(random.random() * min(2.0**failures / 4, _LONGEST_WAIT_S))  # noqa: S311


def digest(client: Any, found: BucketFile, attempts: int = ATTEMPTS) -> str:
    """sha-256 in hex of a file's bytes, read where they lie."""
    hashed = hashlib.sha256()
    for piece in pieces(client, found, attempts):
        hashed.update(piece)
    return hashed.hexdigest()


def fetch(
    client: Any, found: BucketFile, checksum: str | None, cache: Path, attempts: int = ATTEMPTS
) -> Path:
    """A local file with the bytes of one in a bucket: the one in the cache, or read into it.

    Several processes that want the same file at once read it once.

    Args:
        client: boto3's client.
        found: The file.
        checksum: sha-256 multihash that its bytes must have. Default: the one that was noted when it was put.
        cache: Folder for what can be had again.
        attempts: How often in a row nothing may come.

    Raises:
        NotFound: It is gone.
        Corrupted: The bytes are not those of the checksum.
        Unavailable: The server does not answer, or the disk is full.
    """
    expected = hex_of(checksum) if checksum is not None else found.sha256
    state = expected or hashlib.sha256(f"{found.name} {found.etag}".encode()).hexdigest()
    path = cache / state[:2] / state / found.key.rpartition("/")[2]
    with translate_os_errors(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / ".lock", poll_interval=0.05):
            if not _is_there(path, expected):
                _download(client, found, expected, path, attempts)
    return path


def _is_there(path: Path, expected: str) -> bool:
    if not path.is_file():
        return False
    try:
        if expected:
            verify(path, PREFIX + expected)
    except Corrupted:
        return False
    return True


def _download(client: Any, found: BucketFile, expected: str, path: Path, attempts: int) -> None:
    for attempt in range(_TRIES):
        temporary = temporary_beside(path)
        try:
            got = _write(pieces(client, found, attempts), temporary)
            if got == (expected or got):
                temporary.chmod(0o444)
                temporary.replace(path)
                return
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        if attempt == _TRIES - 1:
            raise differs(found, got, expected)


def _write(bytes_of: Iterator[bytes], file: Path) -> str:
    hashed = hashlib.sha256()
    with file.open("xb") as opened:
        for piece in bytes_of:
            hashed.update(piece)
            opened.write(piece)
    return hashed.hexdigest()


def differs(found: BucketFile, got: str, expected: str) -> FairModelsError:
    """What is said of bytes that are not those of their digest."""
    return Corrupted(
        f"{found.name} holds other bytes than its checksum says (sha-256 {got[:12]}… instead of "
        f"{expected[:12]}…): put the right file back, or register what it belongs to again"
    )


class S3Ranges:
    """A file in a bucket.

    Args:
        file: Where it lies.

    Raises:
        Invalid: It may not be read with our credentials, or boto3 is not installed.
        NotFound: Nothing lies there.
        Unavailable: The store does not answer.
    """

    def __init__(self, file: BucketKey) -> None:
        self._bucket, self._key, self.name = file.bucket, file.key, file.shown
        self._client = open_client()
        self._etag: str | None = None
        self.size = 1
        self.start = self._ask(0, CHUNK_BYTES)
        """The first bytes: they say what kind of file it is."""

    @property
    def state(self) -> str:
        """What tells its content from what lay there before: size and ETag."""
        return f"{self.size} {self._etag or ''}"

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`.

        Raises:
            Unavailable: The store does not answer, or has another file there by now.
        """
        return self.start[start:stop] if stop <= len(self.start) else self._ask(start, stop)

    def _ask(self, start: int, stop: int) -> bytes:
        same = {"IfMatch": self._etag} if self._etag else {}
        for attempt in range(1, ATTEMPTS + 1):
            with translate_errors(self.name, self._bucket, ours=False):
                answer = self._client.get_object(
                    Bucket=self._bucket, Key=self._key, Range=f"bytes={start}-{stop - 1}", **same
                )
            try:
                with translate_errors(self.name, self._bucket, ours=False):
                    data = bytes(answer["Body"].read())
                break
            except Unavailable:  # it broke off; boto3 asks again only where no answer has begun
                if attempt == ATTEMPTS:
                    raise
        self._etag = answer["ETag"]
        self.size = int(str(answer["ContentRange"]).rpartition("/")[2])
        return data
