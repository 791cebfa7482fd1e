"""Backups go to a bucket that speaks S3."""

from datetime import date
from pathlib import Path

import boto3
import pytest

from deployments import backup
from tests.store.s3_server import s3_bucket, s3_endpoint

__all__ = ["s3_bucket", "s3_endpoint"]


def keys(bucket: str) -> list[str]:
    return sorted(
        each["Key"] for each in boto3.client("s3").list_objects_v2(Bucket=bucket).get("Contents", ())
    )


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    folder = tmp_path / "dumps"
    folder.mkdir()
    (folder / "catalog.dump").write_bytes(b"items")
    (folder / "zenml.sql").write_bytes(b"runs")
    return folder


def test_each_day_has_a_folder_and_old_days_go(s3_bucket: str, dumps: Path) -> None:
    boto3.client("s3").put_object(Bucket=s3_bucket, Key="databases/readme.txt", Body=b"stays")
    for day in (1, 2, 3, 4):
        backup.upload(dumps, f"s3://{s3_bucket}/databases", 2, date(2026, 3, day))
    assert keys(s3_bucket) == [
        "databases/2026-03-03/catalog.dump",
        "databases/2026-03-03/zenml.sql",
        "databases/2026-03-04/catalog.dump",
        "databases/2026-03-04/zenml.sql",
        "databases/readme.txt",
    ]
    body = boto3.client("s3").get_object(Bucket=s3_bucket, Key="databases/2026-03-04/catalog.dump")["Body"]
    assert body.read() == b"items"


def test_an_empty_dump_is_an_error_and_deletes_nothing(s3_bucket: str, dumps: Path) -> None:
    backup.upload(dumps, f"s3://{s3_bucket}", 1, date(2026, 3, 1))
    (dumps / "zenml.sql").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"zenml\.sql is empty"):
        backup.upload(dumps, f"s3://{s3_bucket}", 1, date(2026, 3, 2))
    assert keys(s3_bucket) == ["2026-03-01/catalog.dump", "2026-03-01/zenml.sql"]


def test_buckets_keep_versions_and_may_exist_already(s3_bucket: str) -> None:
    for _ in range(2):
        backup.main(["make-buckets", s3_bucket, f"{s3_bucket}-more"])
    for name in (s3_bucket, f"{s3_bucket}-more"):
        assert boto3.client("s3").get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
