"""Files in buckets, read in parts, as GDAL reads them."""

from __future__ import annotations

from fair_models.errors import Unavailable
from fair_models.store.s3.client import ATTEMPTS, open_client, told
from fair_models.store.web import hrefs
from fair_models.store.web.ranges import CHUNK_BYTES


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
            with told(self.name, self._bucket, ours=False):
                answer = self._client.get_object(
                    Bucket=self._bucket, Key=self._key, Range=f"bytes={start}-{stop - 1}", **same
                )
            try:
                with told(self.name, self._bucket, ours=False):
                    data = bytes(answer["Body"].read())
                break
            except Unavailable:  # it broke off; boto3 asks again only where no answer has begun
                if attempt == ATTEMPTS:
                    raise
        self._etag = answer["ETag"]
        self.size = int(str(answer["ContentRange"]).rpartition("/")[2])
        return data
