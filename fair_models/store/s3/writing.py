"""Putting files into buckets: they appear whole, under a free key, with the bytes that were meant.

All go up in parts, small ones in one. Each part names its sha-256, which the server compares, and nothing
appears before all parts are there. What the server then says of the whole is compared once more: not every
server compares what it is sent.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fair_models.errors import Conflict, FairModelsError, NotFound, Unavailable
from fair_models.store.s3 import bucket_reading
from fair_models.store.s3.boto import ABSENT, TAKEN, code_of, translate_errors

PART_BYTES = 16 * 2**20
"""Bytes of a part; 5 MiB at least for S3."""

_MAX_PARTS = 10_000


@dataclass(frozen=True)
class Source:
    """What is put.

    sha256: Digest of all, in hex.
    parts: Digests of the parts.
    """

    content: Path | bytes
    size: int
    part_bytes: int
    sha256: str
    parts: tuple[bytes, ...]

    @classmethod
    def read(cls, content: Path | bytes, part_bytes: int = PART_BYTES) -> Source:
        """Take the digests of a file or of bytes."""
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        part_bytes = max(part_bytes, -(-size // _MAX_PARTS))
        whole, parts = hashlib.sha256(), []
        with _opened(content) as file:
            for part in _parts(file, part_bytes):
                whole.update(part)
                parts.append(hashlib.sha256(part).digest())
        return cls(content, size, part_bytes, whole.hexdigest(), tuple(parts))

    @property
    def checksum(self) -> str:
        """Base64 sha-256 over the digests of the parts, as S3 says it of the whole."""
        return _base64(hashlib.sha256(b"".join(self.parts)).digest())


def put(client: Any, bucket: str, key: str, source: Source) -> bool:
    """Upload, unless the same bytes lie there already.

    Args:
        client: boto3's client.
        bucket: Where to.
        key: The whole key.
        source: What.

    Returns:
        Whether it was there before.

    Raises:
        Conflict: Other bytes lie there.
        Unavailable: It cannot be had now, or the bytes came there changed. Nothing is there that was not.
    """
    if _lies_there(client, bucket, key, source):
        return True
    with translate_errors(f"s3://{bucket}/{key}", bucket):
        upload = client.create_multipart_upload(
            Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256", Metadata={"sha256": source.sha256}
        )["UploadId"]
    upload_of = {"Bucket": bucket, "Key": key, "UploadId": upload}
    with _aborted_in_vain(client, upload_of):
        sent = [_send(client, upload_of, number, part) for number, part in _numbered(source)]
        won = _complete(client, upload_of, sent)
    if not won:
        return _settle_race(client, bucket, key, source)
    _require_whole(client, bucket, key, source)
    return False


def _lies_there(client: Any, bucket: str, key: str, source: Source) -> bool:
    """Whether the same bytes lie under the key. Other ones are a conflict."""
    try:
        found = bucket_reading.find(client, bucket, key)
    except NotFound:
        return False
    if _is(client, found, source):
        return True
    if found.sha256 == source.sha256:  # it was put as this, and its bytes are not: an upload that was damaged
        raise _taken_away(client, found)
    raise Conflict(
        f"{key} holds other bytes already and stored files are never overwritten: "
        "store these under a new version"
    )


def _is(client: Any, found: bucket_reading.BucketFile, source: Source) -> bool:
    """Whether a file holds the same bytes: by what the server computed, else by reading it."""
    if found.size != source.size:
        return False
    return found.checksum == source.checksum or bucket_reading.digest(client, found) == source.sha256


def _settle_race(client: Any, bucket: str, key: str, source: Source) -> bool:
    """Somebody else put something there meanwhile: the same, or a conflict."""
    if _lies_there(client, bucket, key, source):
        return True
    raise Unavailable(f"s3://{bucket}/{key} is being written or taken away by somebody else: try again")


def _require_whole(client: Any, bucket: str, key: str, source: Source) -> None:
    found = bucket_reading.find(client, bucket, key)
    if not _is(client, found, source):
        raise _taken_away(client, found)


def _taken_away(client: Any, found: bucket_reading.BucketFile) -> FairModelsError:
    """Take a damaged upload away, if it still is that."""
    with translate_errors(found.name, found.bucket):
        client.delete_object(Bucket=found.bucket, Key=found.key, IfMatch=found.etag)
    return Unavailable(
        f"{found.name} came there with other bytes than were sent, and was taken away again: try again; "
        "if that goes on, look at what lies between this machine and the bucket"
    )


@contextmanager
def _aborted_in_vain(client: Any, upload_of: dict[str, str]) -> Iterator[None]:
    """Leave no parts behind that nobody will put together."""
    try:
        yield
    except BaseException:
        with suppress(Exception):  # the first error counts; the audit finds what stays
            client.abort_multipart_upload(**upload_of)
        raise


def _numbered(source: Source) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    with _opened(source.content) as file:
        parts = list(source.parts)
        for number, part in enumerate(_parts(file, source.part_bytes), start=1):
            digest = hashlib.sha256(part).digest()
            if number > len(parts) or digest != parts[number - 1]:
                raise Unavailable(f"{source.content!s:.200} was changed while it was stored: try again")
            yield number, (part, digest)


def _send(client: Any, upload_of: dict[str, str], number: int, part: tuple[bytes, bytes]) -> dict[str, Any]:
    name, checksum = f"s3://{upload_of['Bucket']}/{upload_of['Key']}", _base64(part[1])
    with translate_errors(name, upload_of["Bucket"]):
        answer = client.upload_part(
            **upload_of, PartNumber=number, Body=part[0], ChecksumSHA256=checksum, ChecksumAlgorithm="SHA256"
        )
    if answer.get("ChecksumSHA256", checksum) != checksum:
        raise Unavailable(f"{name} came there with other bytes than were sent, and was not stored: try again")
    return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}


def _complete(client: Any, upload_of: dict[str, str], sent: list[dict[str, Any]]) -> bool:
    """Let the file appear. False where the key is taken, maybe by this upload: its answer can get lost."""
    from botocore.exceptions import ClientError

    bucket = upload_of["Bucket"]
    with translate_errors(f"s3://{bucket}/{upload_of['Key']}", bucket):
        try:
            client.complete_multipart_upload(**upload_of, IfNoneMatch="*", MultipartUpload={"Parts": sent})
        except ClientError as error:
            if code_of(error) not in TAKEN | ABSENT:
                raise
            with suppress(Exception):  # gone, where this upload was the one; else the audit finds it
                client.abort_multipart_upload(**upload_of)
            return False
    return True


def _opened(content: Path | bytes) -> BinaryIO:
    return content.open("rb") if isinstance(content, Path) else io.BytesIO(content)


def _parts(file: BinaryIO, part_bytes: int) -> Iterator[bytes]:
    """The parts of a file: one at least, which is empty for an empty file."""
    part = file.read(part_bytes)
    yield part
    while part := file.read(part_bytes):
        yield part


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
