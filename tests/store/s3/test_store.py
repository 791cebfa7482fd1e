"""The store in a bucket: what goes wrong on the way to it, and what only a bucket has."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydantic import ValidationError

from fair_models.errors import Conflict, Corrupted, Invalid, Unavailable
from fair_models.settings import Settings
from fair_models.store import locations
from fair_models.store.digests import checksum_bytes
from fair_models.store.download import download
from fair_models.store.local import LocalStore
from fair_models.store.locations import BucketKey
from fair_models.store.opening import open_store
from fair_models.store.s3.place import BucketPlace
from fair_models.store.s3.store import S3Store
from tests.store.faulty_proxy import Proxy, proxying

KEY = "local-models/roofs/v2/model-3f2a9c1b0d4e.onnx"
MIB = 2**20
PUBLIC = "https://data.example.org/fair"
SOON = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture(scope="session")
def proxy_of_session(s3_endpoint: str) -> Iterator[Proxy]:
    with proxying(s3_endpoint) as proxy:
        yield proxy


@pytest.fixture
def proxy(proxy_of_session: Proxy, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """All that stores ask for goes through it; boto3's clients of the tests were there before."""
    proxy_of_session.reset()
    return proxy_of_session


@pytest.fixture
def direct(s3_bucket: str) -> Any:
    """A client that sees what really lies there."""
    return boto3.client("s3")


@pytest.fixture
def store(
    direct: Any, proxy: Proxy, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> S3Store:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the waits between attempts
    return S3Store(
        BucketPlace.of(f"s3://{s3_bucket}/fair"), tmp_path / "cache", part_bytes=5 * MIB, attempts=3
    )


def content(size: int) -> bytes:
    return hashlib.shake_128(str(size).encode()).digest(size)


LARGE = content(6 * MIB)


def lying(direct: Any, bucket: str) -> dict[str, int]:
    """Sizes of all objects by key, and unfinished uploads as -1."""
    found = {each["Key"]: each["Size"] for each in direct.list_objects_v2(Bucket=bucket).get("Contents", [])}
    uploads = direct.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return found | {f"upload of {each['Key']}": -1 for each in uploads}


def test_a_large_file_goes_up_in_parts_and_comes_back_whole(
    store: S3Store, proxy: Proxy, direct: Any, s3_bucket: str, tmp_path: Path
) -> None:
    source = tmp_path / "weights"
    source.write_bytes(LARGE)
    stored = store.put(KEY, source)

    assert proxy.asked("partNumber=") == 2
    assert lying(direct, s3_bucket) == {f"fair/{KEY}": len(LARGE)}
    assert store.fetch(stored.href, stored.checksum).read_bytes() == LARGE
    assert store.put(KEY, source) == stored
    assert proxy.asked("partNumber=") == 2  # known without being sent again


def test_the_cache_is_read_where_its_bytes_are_right_and_only_there(store: S3Store, proxy: Proxy) -> None:
    stored = store.put(KEY, b"weights")
    path = store.fetch(stored.href, stored.checksum)
    store.fetch(stored.href, stored.checksum)
    assert proxy.asked("GET /") == 1

    path.chmod(0o644)
    path.write_bytes(b"Weights")
    assert store.fetch(stored.href, stored.checksum).read_bytes() == b"weights"
    assert proxy.asked("GET /") == 2


UP = ("drop", "drop-upload", "drop-answer", "throttle")


@pytest.mark.parametrize("fault", UP)
@pytest.mark.parametrize("where", ["HEAD /", "partNumber=2", "?uploadId="])
def test_what_passes_again_does_no_harm_to_a_put(
    store: S3Store, proxy: Proxy, direct: Any, s3_bucket: str, fault: str, where: str
) -> None:
    proxy.inject(fault, fault, where=where)
    stored = store.put(KEY, LARGE)

    assert proxy.left == 0
    objects = {key: size for key, size in lying(direct, s3_bucket).items() if size >= 0}
    assert objects == {f"fair/{KEY}": len(LARGE)}
    store.verify(stored.href, stored.checksum)


@pytest.mark.parametrize("where", ["POST /", "partNumber=2", "?uploadId="])
def test_a_put_that_goes_on_failing_leaves_nothing_that_is_seen(
    store: S3Store, proxy: Proxy, direct: Any, s3_bucket: str, where: str
) -> None:
    proxy.inject(*["drop-upload"] * 3, where=where)
    with pytest.raises(Unavailable, match=r"cannot be had from http.*Try again later"):
        store.put(KEY, LARGE)

    assert lying(direct, s3_bucket) == {}
    assert store.put(KEY, LARGE).size == len(LARGE)


@pytest.mark.parametrize("where", ["partNumber=1", "partNumber=2"])
def test_an_upload_that_was_changed_on_its_way_is_found_and_taken_away(
    store: S3Store, proxy: Proxy, direct: Any, s3_bucket: str, where: str
) -> None:
    proxy.inject("corrupt-upload", where=where)
    with pytest.raises(Unavailable, match=r"other bytes than were sent, and was taken away again: try again"):
        store.put(KEY, LARGE)

    assert lying(direct, s3_bucket) == {}
    stored = store.put(KEY, LARGE)
    store.verify(stored.href, stored.checksum)


def test_a_changed_upload_that_nobody_took_away_goes_with_the_next_put(
    store: S3Store, proxy: Proxy, direct: Any, s3_bucket: str
) -> None:
    proxy.inject("corrupt-upload", where="partNumber=1")
    proxy.inject(*["drop"] * 3, where="DELETE /")
    with pytest.raises(Unavailable):
        store.put(KEY, b"weights")
    assert lying(direct, s3_bucket) == {f"fair/{KEY}": 7}

    with pytest.raises(Unavailable, match="was taken away again: try again"):
        store.put(KEY, b"weights")
    store.verify(store.put(KEY, b"weights").href, checksum_bytes(b"weights"))


@pytest.mark.parametrize("fault", ["drop", "drop-answer", "drop-download", "throttle"])
def test_what_passes_again_does_no_harm_to_a_fetch(store: S3Store, proxy: Proxy, fault: str) -> None:
    stored = store.put(KEY, LARGE)
    proxy.inject(fault, fault, where="GET /")
    assert store.fetch(stored.href, stored.checksum).read_bytes() == LARGE
    assert proxy.left == 0


def test_a_download_that_breaks_off_goes_on_where_it_ended(store: S3Store, proxy: Proxy) -> None:
    stored = store.put(KEY, LARGE)
    proxy.inject("drop-download", where="GET /")
    before = proxy.bytes_down
    store.verify(stored.href, stored.checksum)
    assert proxy.bytes_down - before < 1.5 * len(LARGE)


@pytest.mark.parametrize("fault", ["drop", "drop-download", "throttle"])
def test_a_fetch_that_goes_on_failing_leaves_no_file(
    store: S3Store, proxy: Proxy, tmp_path: Path, fault: str
) -> None:
    stored = store.put(KEY, b"weights")
    proxy.inject(*[fault] * 100, where="GET /")
    with pytest.raises(Unavailable, match="Try again later"):
        store.fetch(stored.href, stored.checksum)
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [".lock"]


def test_bytes_that_were_changed_on_their_way_are_asked_for_again(store: S3Store, proxy: Proxy) -> None:
    stored = store.put(KEY, LARGE)
    proxy.inject("corrupt-download", where="GET /")
    assert store.fetch(stored.href, stored.checksum).read_bytes() == LARGE
    proxy.inject("corrupt-download", where="GET /")
    store.verify(stored.href, stored.checksum)
    assert proxy.left == 0


def test_bytes_that_are_changed_every_time_are_never_given(
    store: S3Store, proxy: Proxy, tmp_path: Path
) -> None:
    stored = store.put(KEY, b"weights")
    proxy.inject(*["corrupt-download"] * 100, where="GET /")
    for call in (store.fetch, store.verify):
        with pytest.raises(Corrupted, match="holds other bytes than its checksum says"):
            call(stored.href, stored.checksum)  # type: ignore[operator]
    with pytest.raises(Corrupted):  # the digest that was noted at the put is held against it too
        store.fetch(stored.href)
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [".lock"]


def test_a_conflict_is_seen_where_another_writer_is_faster(
    store: S3Store, proxy: Proxy, direct: Any, s3_bucket: str
) -> None:
    """Somebody writes the key after it was looked at and before the upload is complete."""
    proxy.before("?uploadId=", lambda: direct.put_object(Bucket=s3_bucket, Key=f"fair/{KEY}", Body=b"first"))
    with pytest.raises(Conflict, match="holds other bytes already"):
        store.put(KEY, b"other")
    assert direct.get_object(Bucket=s3_bucket, Key=f"fair/{KEY}")["Body"].read() == b"first"
    assert lying(direct, s3_bucket) == {f"fair/{KEY}": 5}

    proxy.before("?uploadId=", lambda: direct.put_object(Bucket=s3_bucket, Key="fair/a/b", Body=b"same"))
    assert store.put("a/b", b"same").size == 4
    assert lying(direct, s3_bucket) == {f"fair/{KEY}": 5, "fair/a/b": 4}


def test_a_source_that_changes_while_it_is_stored_is_not_stored(
    store: S3Store, proxy: Proxy, direct: Any, s3_bucket: str, tmp_path: Path
) -> None:
    source = tmp_path / "weights"
    source.write_bytes(LARGE)
    proxy.before("POST /", lambda: source.write_bytes(LARGE + b"more"))
    with pytest.raises(Unavailable, match="was changed while it was stored"):
        store.put(KEY, source)
    assert lying(direct, s3_bucket) == {}


def test_files_that_others_put_without_our_note_are_compared_by_reading_them(
    store: S3Store, direct: Any, s3_bucket: str
) -> None:
    direct.put_object(Bucket=s3_bucket, Key=f"fair/{KEY}", Body=b"weights")
    assert store.put(KEY, b"weights").checksum == checksum_bytes(b"weights")
    with pytest.raises(Conflict):
        store.put(KEY, b"WEIGHTS")
    assert store.fetch(f"s3://{s3_bucket}/fair/{KEY}").read_bytes() == b"weights"


def test_more_files_are_listed_than_a_page_has(store: S3Store, direct: Any, s3_bucket: str) -> None:
    keys = [f"datasets/town/v1/chip-{number:04}.tif" for number in range(1_050)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: direct.put_object(Bucket=s3_bucket, Key=f"fair/{key}", Body=b""), keys))
    direct.put_object(Bucket=s3_bucket, Key="fairy/not-ours", Body=b"")
    assert list(store.hrefs()) == [f"s3://{s3_bucket}/fair/{key}" for key in keys]


def _calls(store: S3Store, href: str) -> list[Callable[[], object]]:
    return [
        lambda: store.put(KEY, b"weights"),
        lambda: store.fetch(href),
        lambda: store.verify(href, checksum_bytes(b"weights")),
        lambda: store.exists(href),
        lambda: store.size(href),
        lambda: store.modified(href),
        lambda: store.delete(href),
        lambda: list(store.hrefs()),
        lambda: store.link(href, 60),
        lambda: store.unfinished(SOON),
    ]


def _said(calls: list[Callable[[], object]]) -> set[str]:
    """What the error of each call says: one of them all, told as something that may pass."""
    found = []
    for call in calls:
        with pytest.raises(Unavailable) as caught:
            call()
        found.append(str(caught.value))
    return set(found)


def test_whoever_is_denied_is_told_what_to_give(store: S3Store, proxy: Proxy, s3_bucket: str) -> None:
    proxy.inject(*["deny"] * 100)
    for said in _said(_calls(store, f"s3://{s3_bucket}/fair/{KEY}")):
        assert "is denied to the credentials of this machine" in said
        assert f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or give them the rights on {s3_bucket}" in said


def test_a_policy_of_the_bucket_that_denies_is_told(store: S3Store, direct: Any, s3_bucket: str) -> None:
    rule = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{s3_bucket}/*"}
    direct.put_bucket_policy(
        Bucket=s3_bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [rule]})
    )
    with pytest.raises(Unavailable, match="is denied to the credentials of this machine"):
        store.put(KEY, b"weights")


def test_a_missing_bucket_is_told_and_is_no_missing_file(store: S3Store, tmp_path: Path) -> None:
    gone = S3Store(BucketPlace.of("s3://nobodys-bucket/fair"), tmp_path, attempts=1)
    for said in _said(_calls(gone, f"s3://nobodys-bucket/fair/{KEY}")):
        assert "There is no bucket nobodys-bucket at http" in said
        assert "make it, or correct FAIR_STORE or AWS_ENDPOINT_URL" in said


def test_an_endpoint_where_nobody_answers_is_told(
    store: S3Store, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for said in _said(_calls(store, f"s3://{s3_bucket}/fair/{KEY}")):
        assert "cannot be had from http://127.0.0.1:9" in said
        assert "correct AWS_ENDPOINT_URL" in said


def test_an_endpoint_that_is_no_address_is_told(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "minio:9000")
    with pytest.raises(Unavailable, match=r"AWS_ENDPOINT_URL cannot be used .*: write https://host"):
        store.put(KEY, b"x")


def test_a_machine_without_credentials_is_told(
    store: S3Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Unavailable, match=r"cannot be had without credentials.*set AWS_ACCESS_KEY_ID"):
        store.put(KEY, b"x")


def test_errors_never_show_the_secret(
    store: S3Store, proxy: Proxy, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "hunter2-token")
    proxy.inject(*["deny", "drop", "drop", "drop"] * 20)
    for said in _said(_calls(store, f"s3://{s3_bucket}/fair/{KEY}")[:4]):
        assert "hunter2" not in said


def test_uploads_that_were_never_completed_are_found_and_abandoned(
    store: S3Store, direct: Any, s3_bucket: str
) -> None:
    for key in (f"fair/{KEY}", "elsewhere/x"):
        direct.create_multipart_upload(Bucket=s3_bucket, Key=key)
    found = store.unfinished(SOON)
    assert [name.partition("?")[0] for name in found] == [f"s3://{s3_bucket}/fair/{KEY}"]
    assert store.unfinished(datetime(2000, 1, 1, tzinfo=UTC)) == []

    assert store.abandon(found) == found
    assert store.abandon(found) == found
    assert lying(direct, s3_bucket) == {"upload of elsewhere/x": -1}


def test_public_files_are_named_by_their_address_and_found_by_both(
    store: S3Store, s3_bucket: str, tmp_path: Path
) -> None:
    public = S3Store(BucketPlace.of(f"s3://{s3_bucket}/fair/", f"{PUBLIC}/"), tmp_path / "public")
    stored = public.put(KEY, b"weights")
    private = f"s3://{s3_bucket}/fair/{KEY}"

    assert stored.href == f"{PUBLIC}/{KEY}"
    assert list(public.hrefs()) == [stored.href]
    for href in (stored.href, private):
        assert public.fetch(href, stored.checksum).read_bytes() == b"weights"
        assert public.link(href, 60) == stored.href
        assert public.exists(href)
    for href in (f"{PUBLIC}/../fair/{KEY}", f"{PUBLIC}/%2e%2e/x", f"{PUBLIC}x/{KEY}", f"{PUBLIC}/{KEY}?x"):
        assert not public.exists(href)
        with pytest.raises(Invalid):
            public.delete(href)
    public.delete(stored.href)
    assert not store.exists(private)


def test_nothing_beside_the_prefix_is_deleted_or_taken_for_ours(
    store: S3Store, direct: Any, s3_bucket: str
) -> None:
    direct.put_object(Bucket=s3_bucket, Key="fairy/x", Body=b"x")
    for href in (f"s3://{s3_bucket}/fairy/x", f"s3://{s3_bucket}/fair/../fairy/x", f"s3://{s3_bucket}/fair/"):
        with pytest.raises(Invalid, match="does not lie in the store"):
            store.delete(href)
    assert store.fetch(f"s3://{s3_bucket}/fairy/x").read_bytes() == b"x"
    assert list(store.hrefs()) == []


def test_other_buckets_are_judged_and_the_own_one_needs_no_entry(
    store: S3Store, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = store.put(KEY, b"weights").href
    monkeypatch.setenv("FAIR_STORE", f"s3://{s3_bucket}/fair")
    monkeypatch.setenv("FAIR_PUBLIC_STORE_URL", PUBLIC)
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["s3://allowed"]')

    assert locations.parse_bucket_key(own) == BucketKey(s3_bucket, f"fair/{KEY}")
    assert str(locations.parse_web(f"{PUBLIC}/{KEY}")) == f"{PUBLIC}/{KEY}"
    assert store.fetch(own).read_bytes() == b"weights"
    got = download(
        locations.parse_download(own),
        tmp_path / "got",
        largest_bytes=100,
        checksum=checksum_bytes(b"weights"),
    )
    assert (got.size, (tmp_path / "got").read_bytes()) == (7, b"weights")
    with pytest.raises(Invalid, match="more than 3 bytes"):
        download(locations.parse_download(own), tmp_path / "large", largest_bytes=3)
    for href in (f"s3://{s3_bucket}/fairy/x", f"s3://{s3_bucket}/x", "s3://another/x"):
        with pytest.raises(Invalid, match="is not one of FAIR_ALLOWED_HOSTS"):
            store.fetch(href)
    for href in ("https://data.example.org/other", f"{PUBLIC}/../other", f"{PUBLIC}/%2e%2e/other"):
        with pytest.raises(Invalid, match=r"data\.example\.org is not one of FAIR_ALLOWED_HOSTS"):
            locations.parse_web(href)


def test_an_address_of_a_bucket_never_climbs_into_another() -> None:
    for href in ("s3://allowed/../other/x", "s3://allowed/a/../../other/x", "s3://allowed/./x"):
        with pytest.raises(Invalid, match="is no file in a bucket"):
            locations.parse_bucket_key(href)


@pytest.mark.parametrize("seconds", [0, -1, 604_801])
def test_a_link_holds_for_a_week_at_most(store: S3Store, seconds: int) -> None:
    with pytest.raises(Invalid, match="give 1 to 604800"):
        store.link("s3://bucket/key", seconds)


def test_a_store_goes_to_another_process(store: S3Store) -> None:
    stored = store.put(KEY, b"weights")
    assert list(pickle.loads(pickle.dumps(store)).hrefs()) == [stored.href]


def test_the_settings_choose_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(**said: Any) -> Any:
        return open_store(Settings(home=tmp_path, **said))

    assert opened().root == tmp_path / "store"
    assert opened(store=str(tmp_path / "other")).root == tmp_path / "other"
    monkeypatch.chdir(tmp_path)
    assert opened(store="here").root == tmp_path / "here"
    assert isinstance(opened(), LocalStore)
    assert opened(store="s3://bucket").place == BucketPlace("bucket")
    assert opened(store="s3://bucket/a/b/", public_store_url=f"{PUBLIC}/").place == BucketPlace(
        "bucket", "a/b/", PUBLIC
    )
    for wrong in ("s3://", "s3://B/x", "s3://bucket/a//b", "s3://bucket/../x"):
        with pytest.raises(Invalid, match="is no place for files: write s3://bucket"):
            opened(store=wrong)
    with pytest.raises(Invalid, match="FAIR_PUBLIC_STORE_URL is the public address of a bucket"):
        opened(public_store_url=PUBLIC)
    for said in ({"store": "gs://bucket"}, {"public_store_url": "data.example.org"}):
        with pytest.raises(ValidationError):
            Settings(**said)


def test_child_processes_use_the_same_store(tmp_path: Path) -> None:
    assert "FAIR_STORE" not in Settings(home=tmp_path).environment()
    assert Settings(home=tmp_path, store="s3://bucket/x").environment()["FAIR_STORE"] == "s3://bucket/x"
