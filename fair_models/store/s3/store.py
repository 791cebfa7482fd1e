"""A store in a bucket: Amazon's, or of any server that speaks S3."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fair_models.errors import Invalid, NotFound, Unavailable
from fair_models.store import locations
from fair_models.store.digests import PREFIX, hex_of
from fair_models.store.local import LocalStore
from fair_models.store.naming import checked_key
from fair_models.store.protocol import FileState, StoredFile
from fair_models.store.s3 import bucket_reading, writing
from fair_models.store.s3.boto import ATTEMPTS, no_bucket, open_client, translate_errors
from fair_models.store.s3.place import BucketPlace

LONGEST_LINK_S = 7 * 86_400
"""Seconds for which S3 signs an address at most."""

_PUT_AGAIN = "put-again"
"""Tag of a file: when it was put again, since a file that is there is never written anew."""


class S3Store:
    """Files in a bucket, each written once.

    Files of this machine and of other buckets can be read too, under the rules of `locations`; only those
    below the prefix are listed and deleted. Processes may share one; each has its own connections.

    Args:
        place: The bucket, the prefix, and the public address of the files.
        cache: Folder for local copies, by digest. Everything in it can be read again.
        part_bytes: Bytes that are sent at once, 5 MiB at least.
        attempts: How often a request is made at most.
    """

    def __init__(
        self,
        place: BucketPlace,
        cache: Path,
        *,
        part_bytes: int = writing.PART_BYTES,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.place = place
        self._cache, self._part_bytes, self._attempts = cache, part_bytes, attempts
        self._here = LocalStore(cache)
        self._clients: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_clients": {}}

    def put(self, key: str, source: Path | bytes) -> StoredFile:
        """Store bytes under `key`. The same bytes again are no error.

        Raises:
            Conflict: Other bytes lie under the key already.
            NotFound: The source does not exist.
            Invalid: The key could lead out of the store.
            Unavailable: The bucket is missing, denied or does not answer, or the bytes came there changed.
                Nothing was stored.
        """
        whole_key = f"{self.place.prefix}{checked_key(key)}"
        if isinstance(source, Path) and not source.is_file():
            raise NotFound(f"{source} is not a file: nothing was stored under {key}")
        read = writing.Source.read(source, self._part_bytes)
        if writing.put(self._client, self.place.bucket, whole_key, read):
            self._note_put_again(whole_key)
        return StoredFile(self.place.href(key), PREFIX + read.sha256, read.size)

    def fetch(self, href: str, checksum: str | None = None) -> Path:
        """A local copy of `href`, compared with `checksum` or with the digest that was noted at the put.

        Raises:
            NotFound: Nothing lies there.
            Corrupted: The bytes are not those of the checksum.
            Invalid: The href is none that may be read.
            Unavailable: The bucket is missing, denied or does not answer, or the disk is full.
        """
        if _is_here(href):
            return self._here.fetch(href, checksum)
        return bucket_reading.fetch(self._client, self._find(href), checksum, self._cache, self._attempts)

    def verify(self, href: str, checksum: str) -> None:
        """Read a file where it lies and compare it with its checksum. Nothing is kept.

        Raises:
            NotFound: Nothing lies there.
            Corrupted: The bytes are not those of the checksum.
            Invalid: The href is none that may be read.
            Unavailable: The bucket is missing, denied or does not answer.
        """
        if _is_here(href):
            return self._here.verify(href, checksum)
        found, expected = self._find(href), hex_of(checksum)
        got = bucket_reading.digest(self._client, found, self._attempts)
        if got != expected:  # changed on its way, or where it lies
            got = bucket_reading.digest(self._client, found, self._attempts)
        if got != expected:
            raise bucket_reading.differs(found, got, expected)
        return None

    def exists(self, href: str) -> bool:
        """Whether a file lies there. False for addresses that may not be read.

        Raises:
            Unavailable: The bucket is missing, denied or does not answer.
        """
        if _is_here(href):
            return self._here.exists(href)
        try:
            self._find(href)
        except (Invalid, NotFound):
            return False
        return True

    def size(self, href: str) -> int:
        """Size of the file in bytes, without reading it. Raises as `fetch` does."""
        return self._here.size(href) if _is_here(href) else self._find(href).size

    def modified(self, href: str) -> datetime:
        """When the file was put, the last time where it was put again: aware, UTC. Raises as `fetch` does."""
        if _is_here(href):
            return self._here.modified(href)
        found = self._find(href)
        return max(found.modified, self._put_again(found) or found.modified).astimezone(UTC)

    def holds(self, href: str) -> bool:
        """Whether an address is one below the prefix of this store."""
        return self.place.key_of(href) is not None

    def state(self, href: str) -> FileState:
        """What is known of a file without reading it. Raises as `fetch` does."""
        if _is_here(href):
            return self._here.state(href)
        found = self._find(href)
        return FileState(found.size, found.sha256 or None, found.etag)

    def pieces(self, href: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes of a file from `start` to before `stop`, a piece at a time. Raises as `fetch` does.

        Where the connection breaks, the rest is asked for.
        """
        if _is_here(href):
            return self._here.pieces(href, start, stop)
        return bucket_reading.pieces(self._client, self._find(href), self._attempts, start, stop)

    def delete(self, href: str) -> None:
        """Take a file away. One that is not there is no error.

        Raises:
            Invalid: The file is none of this store.
            Unavailable: The bucket is missing, denied or does not answer.
        """
        key = self.place.key_of(href)
        if key is None:
            raise Invalid(
                f"{locations.shown(href)} does not lie in the store {self.place}: "
                "only stored files can be deleted here"
            )
        with self._translate_errors(href):
            self._client.delete_object(Bucket=self.place.bucket, Key=f"{self.place.prefix}{key}")

    def hrefs(self, prefix: str = "") -> Iterator[str]:
        """Addresses of all files whose key starts with `prefix`, in order. Unfinished ones are not there yet.

        Raises:
            Unavailable: The bucket is missing, denied or does not answer.
        """
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.place.bucket, Prefix=f"{self.place.prefix}{prefix}"
        )
        with self._translate_errors(str(self.place)):
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield self.place.href(entry["Key"].removeprefix(self.place.prefix))

    def link(self, href: str, seconds: int, headers: Mapping[str, str] | None = None) -> str:
        """An https address that gives the file to whoever has it, for some time.

        Files with a public address keep that one: it needs no signature and does not end.

        Args:
            href: The file.
            seconds: How long the address holds, from 1 to 604,800 (a week). It ends sooner where the
                credentials of this machine do.
            headers: Content-Type and Content-Disposition that a signed address answers with.

        Raises:
            NotFound: Nothing lies there.
            Invalid: The href is none that may be read, or the time is too long.
            Unavailable: The bucket is missing, denied or does not answer.
        """
        if not 1 <= seconds <= LONGEST_LINK_S:
            raise Invalid(f"A link cannot hold for {seconds} s: give 1 to {LONGEST_LINK_S}")
        if _is_here(href):
            return self._here.link(href, seconds)
        found, key = self._find(href), self.place.key_of(href)
        if key is not None and locations.is_web(self.place.href(key)):
            return self.place.href(key)
        with self._translate_errors(href):
            answered = {f"Response{name.replace('-', '')}": value for name, value in (headers or {}).items()}
            signed = self._client.generate_presigned_url(
                "get_object",
                Params={"Bucket": found.bucket, "Key": found.key, **answered},
                ExpiresIn=seconds,
            )
        return str(signed)

    def unfinished(self, before: datetime) -> list[str]:
        """Uploads that began before a time and were never completed, for `abandon`.

        Raises:
            Unavailable: The bucket is missing, denied or does not answer.
        """
        return sorted(name for name, began in self._uploads() if began < before)

    def abandon(self, unfinished: Iterable[str]) -> list[str]:
        """Take away what `unfinished` named. Returns those that are gone now."""
        gone = []
        for name in unfinished:
            address, _, upload = name.partition("?uploadId=")
            key = address.removeprefix(f"s3://{self.place.bucket}/")
            with suppress(NotFound), self._translate_errors(name):
                self._client.abort_multipart_upload(Bucket=self.place.bucket, Key=key, UploadId=upload)
            gone.append(name)
        return gone

    def _uploads(self) -> Iterator[tuple[str, datetime]]:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.place.bucket, Prefix=self.place.prefix
        )
        with self._translate_errors(str(self.place)):
            for page in pages:
                for entry in page.get("Uploads", ()):
                    name = f"s3://{self.place.bucket}/{entry['Key']}?uploadId={entry['UploadId']}"
                    yield name, entry["Initiated"]

    @property
    def _client(self) -> Any:
        process = os.getpid()
        if process not in self._clients:
            self._clients[process] = open_client(self._attempts)
        return self._clients[process]

    def _find(self, href: str) -> bucket_reading.BucketFile:
        """What is known of a file, in this bucket or in another that may be read."""
        key = self.place.key_of(href)
        if key is not None:
            bucket, whole_key = self.place.bucket, f"{self.place.prefix}{key}"
        else:
            file = locations.parse_bucket_key(href)
            bucket, whole_key = file.bucket, file.key
        try:
            return bucket_reading.find(self._client, bucket, whole_key)
        except NotFound:
            self._require_bucket(bucket)
            raise NotFound(
                f"{locations.shown(href)} does not exist: "
                "put the file back, or register what it belongs to again"
            ) from None

    def _require_bucket(self, bucket: str) -> None:
        """Tell a missing bucket from a missing file: both are only 'not found' when a file is asked for."""
        try:
            with translate_errors(f"s3://{bucket}", bucket):
                self._client.head_bucket(Bucket=bucket)
        except NotFound as error:
            raise no_bucket(bucket) from error

    def _note_put_again(self, key: str) -> None:
        tags = {"TagSet": [{"Key": _PUT_AGAIN, "Value": datetime.now(UTC).isoformat()}]}
        # Not every server has tags: only the audit's patience with the file depends on it.
        with suppress(NotFound, Unavailable), self._translate_errors(key):
            self._client.put_object_tagging(Bucket=self.place.bucket, Key=key, Tagging=tags)

    def _put_again(self, found: bucket_reading.BucketFile) -> datetime | None:
        with suppress(NotFound, Unavailable, ValueError), self._translate_errors(found.name):
            answer = self._client.get_object_tagging(Bucket=found.bucket, Key=found.key)
            said = {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}
            return datetime.fromisoformat(said[_PUT_AGAIN]) if _PUT_AGAIN in said else None
        return None

    @contextmanager
    def _translate_errors(self, name: str) -> Iterator[None]:
        with translate_errors(locations.shown(name), self.place.bucket):
            yield


def _is_here(href: str) -> bool:
    """Whether an address is one of a file of this machine."""
    return locations.scheme_of(href) in {"", "file"}
