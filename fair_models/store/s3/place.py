"""Where the registry's bytes lie in a bucket: addresses from keys, and keys from addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fair_models.errors import Invalid

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class BucketPlace:
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
    def of(cls, address: str, public_url: str | None = None) -> BucketPlace:
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
