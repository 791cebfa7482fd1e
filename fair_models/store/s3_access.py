"""Files in buckets, with boto3 and the credentials that it finds: the extra `aws`.

Where the bucket lies (region, AWS_ENDPOINT_URL) and who asks for it are settings of the machine, never of a
request.
"""

from __future__ import annotations

from typing import Any

from fair_models.errors import Invalid, NotFound, Unavailable
from fair_models.store import hrefs
from fair_models.store.ranges import CHUNK_BYTES

_ABSENT = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
_FORBIDDEN = frozenset(
    {"401", "403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
)
_CHANGED = frozenset({"412", "PreconditionFailed"})


class S3Ranges:
    """A file in a bucket.

    Args:
        href: s3://bucket/key.

    Raises:
        Invalid: It may not be read, or boto3 is not installed.
        NotFound: Nothing lies there.
        Unavailable: The store does not answer.
    """

    def __init__(self, href: str) -> None:
        self._bucket, self._key = hrefs.s3_address(href)
        self.name = hrefs.shown(href)
        self._client = _client()
        self._etag: str | None = None
        self.size = 1
        self.start = self._ask(0, CHUNK_BYTES)
        """The first bytes: they say what kind of file it is."""

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`.

        Raises:
            Unavailable: The store does not answer, or has another file there by now.
        """
        return self.start[start:stop] if stop <= len(self.start) else self._ask(start, stop)

    def _ask(self, start: int, stop: int) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError

        same = {"IfMatch": self._etag} if self._etag else {}
        try:
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._key, Range=f"bytes={start}-{stop - 1}", **same
            )
            data = bytes(answer["Body"].read())
        except ClientError as error:
            raise self._told(error) from error
        except BotoCoreError as error:
            raise Unavailable(f"{self.name} cannot be had: {error}. Try again later") from error
        self._etag = answer["ETag"]
        self.size = int(str(answer["ContentRange"]).rpartition("/")[2])
        return data

    def _told(self, error: Any) -> Exception:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _ABSENT:
            return NotFound(f"{self.name} does not exist: correct the address")
        if code in _FORBIDDEN:
            return Invalid(f"{self.name} may not be read with the credentials of this machine ({code})")
        if code in _CHANGED:
            return Unavailable(f"{self.name} was changed while it was read: start again")
        return Unavailable(f"{self.name} cannot be had: {error}. Try again later")


def _client() -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise Invalid(
            "s3:// needs boto3, which is not installed on this machine: "
            "install fair-models[aws], or name an https address"
        ) from error
    patient = Config(connect_timeout=30, read_timeout=30, retries={"max_attempts": 5, "mode": "standard"})
    return boto3.session.Session().client("s3", config=patient)
