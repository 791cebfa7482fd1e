"""What every store does. Each test runs with each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import boto3
import httpx
import pytest

from fair_models.errors import Conflict, Corrupted, Invalid, NotFound
from fair_models.store.digests import checksum_bytes
from fair_models.store.local import LocalStore
from fair_models.store.protocol import Store
from fair_models.store.reading import verified
from fair_models.store.s3.place import BucketPlace
from fair_models.store.s3.store import S3Store

KEY = "local-models/roofs/v2/model-3f2a9c1b0d4e.onnx"
FORK = get_context("fork")
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Given:
    """A store, and ways around it.

    open: The same store opened anew, with nothing in its cache.
    damage: Puts other bytes where a file lies.
    """

    store: Store
    open: Callable[[], Store]
    damage: Callable[[str, bytes], None]


def _local(tmp_path: Path) -> Given:
    def damage(href: str, data: bytes) -> None:
        Path(href).chmod(0o644)
        Path(href).write_bytes(data)

    def opened() -> Store:
        return LocalStore(tmp_path / "store")

    return Given(opened(), opened, damage)


def _s3(tmp_path: Path, bucket: str) -> Given:
    place = BucketPlace.of(f"s3://{bucket}/some/prefix/")
    caches = iter(range(100))

    def damage(href: str, data: bytes) -> None:
        boto3.client("s3").put_object(Bucket=bucket, Key=f"{place.prefix}{place.key_of(href)}", Body=data)

    def opened() -> Store:
        return S3Store(place, tmp_path / f"cache-{next(caches)}", attempts=2)

    return Given(opened(), opened, damage)


@pytest.fixture(params=["local", "s3"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Given:
    if request.param == "local":
        return _local(tmp_path)
    return _s3(tmp_path, request.getfixturevalue("s3_bucket"))


@pytest.fixture
def store(given: Given) -> Store:
    return given.store


@pytest.mark.parametrize("as_file", [True, False])
@pytest.mark.parametrize("content", [b"weights", b""])
def test_what_is_put_comes_back(store: Store, tmp_path: Path, as_file: bool, content: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    stored = store.put(KEY, source if as_file else content)

    assert stored.href.endswith(f"/{KEY}")
    assert (stored.checksum, stored.size) == (checksum_bytes(content), len(content))
    assert store.fetch(stored.href, stored.checksum).read_bytes() == content
    assert store.fetch(stored.href).read_bytes() == content
    store.verify(stored.href, stored.checksum)
    assert store.exists(stored.href)
    assert store.size(stored.href) == len(content)
    assert list(store.hrefs()) == [stored.href]
    assert source.read_bytes() == content


def test_what_is_put_is_found_by_whoever_opens_the_store_later(given: Given) -> None:
    stored = given.store.put(KEY, b"weights")
    again = given.open()
    assert list(again.hrefs()) == [stored.href]
    assert again.fetch(stored.href, stored.checksum).read_bytes() == b"weights"


def test_a_fetched_file_is_called_as_it_was_put_and_cannot_be_written(store: Store) -> None:
    path = store.fetch(store.put(KEY, b"weights").href)
    assert path.name == "model-3f2a9c1b0d4e.onnx"
    assert path.stat().st_mode & 0o777 == 0o444


def test_nothing_lies_in_a_store_before_something_is_put(store: Store) -> None:
    assert list(store.hrefs()) == []
    assert store.unfinished(datetime.now(UTC)) == []


def test_files_are_listed_in_order_by_what_their_keys_begin_with(store: Store) -> None:
    keys = ["a/roofs/v1/x", "a/roofs/v1/y", "a/roofs/v10/x", "a/roofs-red/v1/x", "b/roofs/v1/x"]
    hrefs = {key: store.put(key, key.encode()).href for key in keys}

    assert sorted(store.hrefs()) == sorted(hrefs.values())
    assert list(store.hrefs("a/roofs/v1/")) == [hrefs["a/roofs/v1/x"], hrefs["a/roofs/v1/y"]]
    assert list(store.hrefs("a/roofs/v1")) == [hrefs[key] for key in keys[:3]]
    assert list(store.hrefs("c/")) == []


def test_a_file_is_read_in_pieces_where_it_lies(store: Store) -> None:
    content = bytes(range(256)) * 10_000
    stored = store.put(KEY, content)
    assert b"".join(store.pieces(stored.href)) == content
    assert max(map(len, store.pieces(stored.href))) <= 1 << 20
    assert b"".join(store.pieces(stored.href, 5, 2_000_000)) == content[5:2_000_000]
    assert b"".join(store.pieces(stored.href, 2_559_990)) == content[-10:]
    assert list(store.pieces(store.put(f"{KEY}.none", b"").href)) == []
    state = store.state(stored.href)
    assert state.size == len(content)
    assert state.sha256 in (None, stored.checksum[4:])
    assert store.state(stored.href) == state
    with pytest.raises(NotFound):
        store.pieces(f"{stored.href}x")
    with pytest.raises(NotFound):
        store.state(f"{stored.href}x")


def test_a_file_is_passed_on_whole_only_where_it_is_the_right_one(given: Given) -> None:
    content = bytes(3 << 20)
    stored = given.store.put(KEY, content)
    digest = stored.checksum[4:]
    assert b"".join(verified(given.store, stored.href, digest, "It")) == content
    given.damage(stored.href, content[:-1] + b"x")
    passed: list[bytes] = []
    with pytest.raises(Corrupted, match="It holds other bytes"):
        passed.extend(verified(given.store, stored.href, digest, "It"))
    assert len(b"".join(passed)) < len(content)


def test_a_store_knows_its_own_files(store: Store, tmp_path: Path) -> None:
    stored = store.put(KEY, b"weights")
    assert store.holds(stored.href)
    assert store.holds(f"{stored.href}-not-there")
    folder = stored.href.removesuffix(f"/{KEY}")
    for other in (
        str(tmp_path / "x"),
        "/etc/passwd",
        "s3://other/x",
        f"{folder}/../x",
        "",
        "local:worker",
        "\0",
    ):
        assert not store.holds(other)


def test_the_same_bytes_again_are_no_error(store: Store) -> None:
    first = store.put(KEY, b"weights")
    assert store.put(KEY, b"weights") == first
    assert list(store.hrefs()) == [first.href]


@pytest.mark.parametrize("other", [b"longer than before", b"WEIGHTS", b""])
def test_other_bytes_under_a_key_are_a_conflict(given: Given, other: bytes) -> None:
    stored = given.store.put(KEY, b"weights")
    with pytest.raises(Conflict, match=r"model-3f2a9c1b0d4e\.onnx holds other bytes already .* new version"):
        given.store.put(KEY, other)
    assert given.open().fetch(stored.href, stored.checksum).read_bytes() == b"weights"
    assert list(given.store.hrefs()) == [stored.href]


def _put(store: Store, content: bytes, outcomes: Any) -> None:
    try:
        store.put(KEY, content)
        outcomes.put("stored")
    except Conflict:
        outcomes.put("conflict")


@pytest.mark.parametrize("same", [True, False])
def test_of_several_writers_of_one_key_one_wins(given: Given, same: bool) -> None:
    outcomes = FORK.Queue()
    contents = [(b"same" if same else f"{n}".encode()) * 300_000 for n in range(4)]
    writers = [FORK.Process(target=_put, args=(given.store, content, outcomes)) for content in contents]
    for writer in writers:
        writer.start()
    found = sorted(outcomes.get(timeout=60) for _ in writers)
    for writer in writers:
        writer.join()

    assert found == (["stored"] * 4 if same else ["conflict"] * 3 + ["stored"])
    (href,) = given.store.hrefs()
    assert given.store.fetch(href).read_bytes() in contents
    assert given.store.unfinished(datetime.now(UTC) + SECOND) == []


def test_a_key_that_leads_elsewhere_is_refused(store: Store) -> None:
    for bad in (
        *("", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a\\b"),
        *(".hidden", "a/.part", "a/", "a b", "ü"),
    ):
        with pytest.raises(Invalid, match="cannot be a key of the store"):
            store.put(bad, b"x")
    assert list(store.hrefs()) == []


def test_a_missing_source_is_not_found(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nothing is not a file"):
        store.put(KEY, tmp_path / "nothing")
    assert list(store.hrefs()) == []


def test_a_file_that_is_gone_is_not_found(given: Given) -> None:
    stored = given.store.put(KEY, b"weights")
    given.store.fetch(stored.href)
    given.store.delete(stored.href)

    calls: list[Callable[[], object]] = [
        lambda: given.store.fetch(stored.href, stored.checksum),
        lambda: given.store.verify(stored.href, stored.checksum),
        lambda: given.store.size(stored.href),
        lambda: given.store.modified(stored.href),
        lambda: given.store.link(stored.href, 60),
    ]
    for call in calls:
        with pytest.raises(NotFound, match="does not exist"):
            call()
    assert not given.store.exists(stored.href)


@pytest.mark.parametrize("other", [b"Weights", b"weight", b"weights and more"])
def test_damage_is_found_where_the_file_lies(given: Given, other: bytes) -> None:
    stored = given.store.put(KEY, b"weights")
    given.store.verify(stored.href, stored.checksum)
    given.damage(stored.href, other)

    with pytest.raises(Corrupted, match="holds other bytes than its checksum says"):
        given.store.verify(stored.href, stored.checksum)
    with pytest.raises(Corrupted, match="holds other bytes than its checksum says"):
        given.open().fetch(stored.href, stored.checksum)


def test_a_checksum_of_another_kind_is_refused(store: Store) -> None:
    stored = store.put(KEY, b"weights")
    for checksum in ("", "md5", "1220abc", stored.checksum[4:]):
        with pytest.raises(Invalid, match="not a sha-256 multihash"):
            store.fetch(stored.href, checksum)


def test_deleting_takes_the_file_alone_and_may_be_done_twice(store: Store) -> None:
    first, second = store.put("a/roofs/v1/x", b"1"), store.put("a/roofs/v2/x", b"2")
    store.delete(first.href)
    store.delete(first.href)
    assert list(store.hrefs()) == [second.href]


def test_a_key_is_free_again_once_its_file_was_deleted(given: Given) -> None:
    given.store.delete(given.store.put(KEY, b"weights").href)
    stored = given.store.put(KEY, b"others")
    assert given.store.fetch(stored.href, stored.checksum).read_bytes() == b"others"


def test_files_of_this_machine_can_be_read_but_not_deleted(store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "sp ace"
    outside.write_bytes(b"x")
    for href in (str(outside), outside.as_uri()):
        assert store.fetch(href, checksum_bytes(b"x")) == outside
        assert (store.exists(href), store.size(href)) == (True, 1)
        with pytest.raises(Invalid, match="does not lie in the store"):
            store.delete(href)
    assert outside.exists()


def test_addresses_that_are_none_of_a_store_are_refused(store: Store) -> None:
    for href in ("relative/file", "https://example.org/x", "ftp://host/x", "local:worker"):
        for call in (store.fetch, store.size, store.delete):
            with pytest.raises(Invalid):
                call(href)
        assert not store.exists(href)


def test_a_file_says_when_it_was_put_the_last_time(store: Store) -> None:
    before = datetime.now(UTC) - SECOND
    stored = store.put(KEY, b"chips")
    first = store.modified(stored.href)
    assert before <= first <= datetime.now(UTC) + SECOND
    assert first.tzinfo is not None

    store.put(KEY, b"chips")
    assert store.modified(stored.href) > first


def test_a_link_gives_the_file(store: Store) -> None:
    stored = store.put(KEY, b"weights")
    link = store.link(stored.href, seconds=60)
    parts = urlsplit(link)
    if parts.scheme == "file":
        assert Path(url2pathname(parts.path)).read_bytes() == b"weights"
    else:
        assert "X-Amz-Expires=60" in link
        assert httpx.get(link).content == b"weights"


def test_processes_that_fetch_at_once_get_the_whole_file(given: Given) -> None:
    stored = given.store.put(KEY, b"w" * 2_000_000)
    fresh = given.open()
    with FORK.Pool(3) as pool:
        sizes = pool.starmap(_fetched_size, [(fresh, stored.href, stored.checksum)] * 3)
    assert sizes == [2_000_000] * 3


def _fetched_size(store: Store, href: str, checksum: str) -> int:
    return len(store.fetch(href, checksum).read_bytes())
