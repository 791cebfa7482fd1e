"""Where the registry's bytes lie in a bucket: addresses from keys, and keys from addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fair_models.errors import Invalid, Unavailable
from fair_models.store.locations import BucketKey
from fair_models.store.s3.client import ATTEMPTS, open_client, translate_errors
from fair_models.store.web.ranges import CHUNK_BYTES

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class Place:
    """A bucket, or what lies under a prefix in it.

    bucket: Name of the bucket.
    prefix: What all keys begin with: empty, or parts that end with a slash, e.g. "fair/".
    public_url: https address under which the same files can be read by everyone, without a slash at its end;
        None where they cannot.
    """

    bucket: str
    prefix: str = ""
    public_url: str | None = None

    @classmethod
    def of(cls, address: str, public_url: str | None = None) -> Place:
        """The place of an address.

        Args:
            address: s3://bucket or s3://bucket/prefix.
            public_url: As the field.

        Raises:
            Invalid: It is no such address.
        """
        found = _ADDRESS.fullmatch(address)
        prefix = (found.group(2) or "").rstrip("/") if found else ""
        if found is None or (prefix and not _PLAIN.fullmatch(prefix)):
            raise Invalid(
                f"{address!r} is no place for files: write s3://bucket, or s3://bucket/prefix with letters, "
                "digits, '.', '_' and '-' between the slashes"
            )
        public = public_url.rstrip("/") if public_url else None
        return cls(found.group(1), f"{prefix}/" if prefix else "", public)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def href(self, key: str) -> str:
        """The address of a key: the public one where there is one, else s3://bucket/prefix/key."""
        if self.public_url is not None and _PLAIN.fullmatch(key):
            return f"{self.public_url}/{key}"
        return f"{self}{key}"

    def key_of(self, href: str) -> str | None:
        """The key that an address means, below the prefix; None where it lies elsewhere."""
        if href.startswith(str(self)):
            key = href.removeprefix(str(self))
            # A client could take "a/../b" for "b", and so leave the prefix.
            return key if key and not {"", ".", ".."} & set(key.split("/")) else None
        if self.public_url is not None and href.startswith(f"{self.public_url}/"):
            key = href.removeprefix(f"{self.public_url}/")
            return key if _PLAIN.fullmatch(key) else None
        return None


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
