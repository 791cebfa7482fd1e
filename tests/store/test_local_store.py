"""The store in a folder."""

import os
import resource
import signal
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from fair_models.errors import Conflict, Corrupted, Invalid, NotFound, Unavailable
from fair_models.settings import Settings
from fair_models.store.digests import checksum_bytes
from fair_models.store.local import LocalStore
from fair_models.store.naming import key
from fair_models.store.opening import open_store
from tests.children import in_child

KEY = "local-models/roofs/v2/model-3f2a9c1b0d4e.onnx"
FORK = get_context("fork")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("as_file", [True, False])
def test_what_is_put_comes_back(store: LocalStore, tmp_path: Path, as_file: bool) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"weights")
    stored = store.put(KEY, source if as_file else b"weights")

    assert stored.href == str(tmp_path / "store" / KEY)
    assert (stored.checksum, stored.size) == (checksum_bytes(b"weights"), 7)
    assert store.fetch(stored.href, stored.checksum).read_bytes() == b"weights"
    assert store.exists(stored.href)
    assert store.size(stored.href) == 7
    assert list(store.hrefs()) == list(store.hrefs("local-models/roofs/v2/")) == [stored.href]
    assert list(store.hrefs("base-models/")) == []
    assert source.read_bytes() == b"weights"


def test_nothing_is_made_before_something_is_put(tmp_path: Path) -> None:
    store = open_store(Settings(home=tmp_path / "home"))
    assert list(store.hrefs()) == []
    assert not store.exists(str(tmp_path / "home" / "store" / KEY))
    assert not (tmp_path / "home").exists()


def test_the_same_bytes_again_are_no_error(store: LocalStore) -> None:
    first = store.put(KEY, b"weights")
    inode = os.stat(first.href).st_ino
    assert store.put(KEY, b"weights") == first
    assert os.stat(first.href).st_ino == inode
    assert files(store.root) == [KEY]


@pytest.mark.parametrize("other", [b"longer than before", b"WEIGHTS"])
def test_other_bytes_under_a_key_are_a_conflict(store: LocalStore, other: bytes) -> None:
    stored = store.put(KEY, b"weights")
    with pytest.raises(Conflict, match=r"model-3f2a9c1b0d4e\.onnx holds other bytes already .* new version"):
        store.put(KEY, other)
    assert store.fetch(stored.href, stored.checksum).read_bytes() == b"weights"
    assert files(store.root) == [KEY]


def test_stored_files_are_read_only(store: LocalStore) -> None:
    assert os.stat(store.put(KEY, b"weights").href).st_mode & 0o777 == 0o444


def _put(root: Path, content: bytes, outcomes: "FORK.Queue[str]") -> None:  # type: ignore[name-defined]
    try:
        LocalStore(root).put(KEY, content)
        outcomes.put("stored")
    except Conflict:
        outcomes.put("conflict")


@pytest.mark.parametrize("same", [True, False])
def test_of_several_writers_of_one_key_one_wins(tmp_path: Path, same: bool) -> None:
    outcomes = FORK.Queue()
    contents = [(b"same" if same else f"{n}".encode()) * 300_000 for n in range(6)]
    writers = [FORK.Process(target=_put, args=(tmp_path, content, outcomes)) for content in contents]
    for writer in writers:
        writer.start()
    found = sorted(outcomes.get(timeout=60) for _ in writers)
    for writer in writers:
        writer.join()
    assert found == (["stored"] * 6 if same else ["conflict"] * 5 + ["stored"])
    assert (tmp_path / KEY).read_bytes() in contents
    assert files(tmp_path) == [KEY]


def test_a_file_that_is_not_finished_is_not_seen(store: LocalStore) -> None:
    """What a killed process leaves behind is neither listed nor in the way."""

    def die() -> str:
        os.link = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        store.put(KEY, b"weights")
        return "alive"

    assert in_child(die) == (signal.SIGKILL, "")
    assert len(files(store.root)) == 1
    assert list(store.hrefs()) == []
    assert not store.exists(str(store.root / KEY))
    assert store.fetch(store.put(KEY, b"weights").href).read_bytes() == b"weights"


def test_a_full_disk_leaves_nothing(store: LocalStore) -> None:
    def fill() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(Unavailable, match=r"Cannot store .*File too large.*free space"):
            store.put(KEY, b"x" * 5000)
        return "refused"

    assert in_child(fill) == (0, "refused")
    assert files(store.root) == []


def test_a_store_below_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="Cannot store"):
        LocalStore(tmp_path / "file" / "store").put(KEY, b"x")


def test_a_missing_source_is_not_found(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nothing is not a file"):
        store.put(KEY, tmp_path / "nothing")
    assert not store.root.exists()


@pytest.mark.parametrize(
    "bad",
    ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a\\b", ".hidden", "a/.part", "a/", "a b", "ü"],
)
def test_a_key_that_leads_elsewhere_is_refused(store: LocalStore, bad: str) -> None:
    with pytest.raises(Invalid, match="cannot be a key of the store"):
        store.put(bad, b"x")
    assert not store.root.exists()


def test_what_is_missing_or_damaged_is_told(store: LocalStore) -> None:
    stored = store.put(KEY, b"weights")
    path = Path(stored.href)
    path.chmod(0o644)
    path.write_bytes(b"Weights")
    with pytest.raises(Corrupted, match="holds other bytes than its checksum says"):
        store.fetch(stored.href, stored.checksum)
    path.unlink()
    for call in (store.fetch, store.size):
        with pytest.raises(NotFound, match="does not exist"):
            call(stored.href)


def test_files_outside_the_store_can_be_read_but_not_deleted(store: LocalStore, tmp_path: Path) -> None:
    outside = tmp_path / "sp ace"
    outside.write_bytes(b"x")
    assert store.fetch(str(outside)) == store.fetch(outside.as_uri()) == outside
    for href in (str(outside), str(store.root / ".." / "sp ace"), str(store.root)):
        with pytest.raises(Invalid, match="does not lie in the store"):
            store.delete(href)
    assert outside.exists()


@pytest.mark.parametrize("href", ["relative/file", "https://example.org/x", "s3://bucket/x", "local:worker"])
def test_addresses_that_are_no_local_files_are_refused(store: LocalStore, href: str) -> None:
    with pytest.raises(Invalid, match="not the address of a local file"):
        store.fetch(href)
    assert not store.exists(href)


def test_deleting_takes_the_file_and_its_empty_folders(store: LocalStore) -> None:
    first, second = store.put("a/roofs/v1/x", b"1"), store.put("a/roofs/v2/x", b"2")
    store.delete(first.href)
    store.delete(first.href)
    assert files(store.root) == ["a/roofs/v2/x"]
    assert not (store.root / "a" / "roofs" / "v1").exists()
    store.delete(second.href)
    assert list(store.root.iterdir()) == []


def test_a_key_holds_version_and_digest() -> None:
    checksum = "1220" + "0123456789abcdef" * 4
    assert key("local-models", "roofs", 2, Path("/x/model.onnx"), checksum) == (
        "local-models/roofs/v2/model-0123456789ab.onnx"
    )
    assert key("datasets", "a-b", 10, "Chips of März (1).zip", checksum) == (
        "datasets/a-b/v10/Chips-of-M-rz-1-0123456789ab.zip"
    )
    assert key("datasets", "a-b", 1, "..", checksum) == "datasets/a-b/v1/file-0123456789ab"
    with pytest.raises(Invalid):
        key("datasets", "../a", 1, "x", checksum)


def test_a_file_says_when_it_was_put_the_last_time(store: LocalStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    stored = store.put("datasets/town/v1/chips.zip", b"chips")
    assert before <= store.modified(stored.href) <= datetime.now(UTC) + timedelta(seconds=1)
    os.utime(stored.href, (0, 0))
    assert store.modified(stored.href) == datetime(1970, 1, 1, tzinfo=UTC)
    store.put("datasets/town/v1/chips.zip", b"chips")
    assert store.modified(stored.href) >= before
    with pytest.raises(NotFound):
        store.modified(f"{stored.href}x")
