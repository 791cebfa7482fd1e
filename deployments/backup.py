"""Brings the files of a backup into a bucket, one folder a day, and deletes old days.

`python -m deployments.backup upload FOLDER` reads BACKUP_TO (s3://bucket/prefix) and BACKUP_DAYS; keys,
region and endpoint are AWS's own variables. `python -m deployments.backup make-buckets NAME…` makes buckets
that keep versions. Runs inside the cluster and beside compose.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

_THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def upload(folder: Path, to: str, days: int, today: date | None = None) -> list[str]:
    """Put each file of a folder under the day's name, then delete the days that are too old.

    A file that was put today is replaced. Nothing is deleted where a file is missing or could not be put.

    Args:
        folder: Files to put; empty ones are an error, because a dump that failed leaves one.
        to: Bucket and prefix, for example "s3://fair-models-backups/databases".
        days: Days to keep, today among them; at least 1.
        today: Day in UTC; for tests.

    Returns:
        Keys that were put.

    Raises:
        SystemExit: There is nothing to put, or a file is empty.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    empty = [path.name for path in files if not path.stat().st_size]
    if not files or empty:
        raise SystemExit(
            f"No backup was made: {', '.join(empty) or folder} is empty. See the log of the dump."
        )
    bucket, _, prefix = to.removeprefix("s3://").partition("/")
    day = today or datetime.now(UTC).date()
    s3 = boto3.client("s3")
    start = f"{prefix}/" if prefix else ""
    put = [_put(s3, bucket, f"{start}{day.isoformat()}/{path.name}", path) for path in files]
    _forget(s3, bucket, start, day - timedelta(days=max(days, 1) - 1))
    return put


def make_buckets(names: Iterable[str]) -> None:
    """Make buckets that keep versions, where they do not exist yet."""
    s3 = boto3.client("s3")
    for name in names:
        try:
            s3.create_bucket(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _THERE:
                raise
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def _put(s3: Any, bucket: str, key: str, path: Path) -> str:
    """Put a file, of any size; the bucket compares each part that arrives with its digest."""
    s3.upload_file(str(path), bucket, key, ExtraArgs={"ChecksumAlgorithm": "SHA256"})
    arrived = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    if arrived != path.stat().st_size:
        raise SystemExit(f"s3://{bucket}/{key} has {arrived} of {path.stat().st_size} bytes. Back up again.")
    return key


def _forget(s3: Any, bucket: str, start: str, oldest: date) -> None:
    """Delete the folders of days before `oldest`. What is not in the folder of a day is left alone."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start)
    for key in [entry["Key"] for page in pages for entry in page.get("Contents", ())]:
        day = _day(key.removeprefix(start).partition("/")[0])
        if day is not None and day < oldest:
            s3.delete_object(Bucket=bucket, Key=key)


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def main(arguments: list[str]) -> None:
    """Do what the command line says."""
    match arguments:
        case ["upload", folder]:
            for key in upload(
                Path(folder), os.environ["BACKUP_TO"], int(os.environ.get("BACKUP_DAYS", "30"))
            ):
                sys.stdout.write(f"{key}\n")
        case ["make-buckets", _, *_]:
            make_buckets(arguments[1:])
        case _:
            raise SystemExit("python -m deployments.backup upload FOLDER | make-buckets NAME…")


if __name__ == "__main__":
    main(sys.argv[1:])
