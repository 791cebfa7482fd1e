"""Files and folders that are there whole or not at all."""

import json
import resource
import signal
from datetime import datetime
from pathlib import Path

import pytest

from fair_models.errors import Conflict, Invalid, Unavailable
from fair_models.store.atomic import atomic_folder, write_bytes, write_json
from tests.children import in_child


def test_a_file_is_written_with_its_folders_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_bytes(path, b"first")
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_json_keeps_the_order_of_its_keys_and_its_letters(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    value = {"b": 1, "a": {"ü": [None, True, 0.1, "नेपाल"]}, "t": (1, 2)}
    write_json(path, value)
    assert path.read_text(encoding="utf-8").startswith('{\n  "b": 1,\n  "a": {\n    "ü"')
    assert json.loads(path.read_bytes()) == {**value, "t": [1, 2]}


@pytest.mark.parametrize(
    "value", [float("nan"), float("-inf"), datetime(2026, 1, 1), {1}, 2**64, "\ud800", b"x"]
)
def test_what_is_not_json_is_refused_and_the_old_file_stays(tmp_path: Path, value: object) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"old": True})
    with pytest.raises(Invalid, match="cannot be written as JSON"):
        write_json(path, {"new": value})
    assert json.loads(path.read_bytes()) == {"old": True}


def test_a_path_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match=r"Cannot write .*free space and the permissions"):
        write_bytes(tmp_path / "file" / "below", b"")


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def fill() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(Unavailable, match="File too large"):
            write_bytes(path, b"new" * 1000)
        return "refused"

    assert in_child(fill) == (0, "refused")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "results"
    with atomic_folder(target) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("content")
        assert not target.exists()
        assert folder.parent == target.parent
    assert (target / "deep" / "file").read_text() == "content"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_folder(tmp_path / "results") as folder:
            (folder / "file").write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    with atomic_folder(tmp_path / "results") as folder:
        (folder / "file").write_text("content")
    assert (tmp_path / "results" / "file").exists()


def test_a_folder_that_holds_something_is_a_conflict(tmp_path: Path) -> None:
    write_bytes(tmp_path / "results" / "old", b"")
    with (
        pytest.raises(Conflict, match="exists already and is not empty"),
        atomic_folder(tmp_path / "results"),
    ):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["results", "old"]


def test_of_two_who_make_the_same_the_first_is_kept(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "code", existing="keep") as slow:
        (slow / "file").write_text("slow")
        with atomic_folder(tmp_path / "code", existing="keep") as fast:
            (fast / "file").write_text("fast")
    assert (tmp_path / "code" / "file").read_text() == "fast"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(Unavailable, match="Cannot make the folder"),
        atomic_folder(tmp_path / "file" / "below"),
    ):
        pass
