"""Work folders: gone afterwards, and those of killed processes gone with the next."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from fair_models.errors import Unavailable
from fair_models.publishing.workspace import folders_left, work_folder
from tests.children import in_child

SPAWN = multiprocessing.get_context("spawn")


def everything(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "cache" / "work").iterdir() if path.name != ".lock")


def test_a_work_folder_is_gone_afterwards(home: Path) -> None:
    with work_folder("promote") as folder:
        (folder / "weights").write_bytes(b"x")
        assert folders_left() == [folder]
    assert everything(home) == []


def test_it_is_gone_after_an_error_too(home: Path) -> None:
    with pytest.raises(ZeroDivisionError), work_folder("promote"):
        raise ZeroDivisionError
    assert everything(home) == []


def test_the_folder_of_a_killed_process_goes_with_the_next_one(home: Path) -> None:
    def die() -> str:
        with work_folder("promote") as folder:
            (folder / "weights").write_bytes(b"x")
            (folder / "weights").chmod(0o444)
            os.kill(os.getpid(), signal.SIGKILL)
        return "alive"

    assert in_child(die)[0] == signal.SIGKILL
    assert len(folders_left()) == 1

    with work_folder("register") as folder:
        assert folders_left() == [folder]
    assert everything(home) == []


def _work_until(home: str, begun: Event, end: Event) -> None:
    os.environ["FAIR_HOME"] = home
    with work_folder("ingest") as folder:
        (folder / "chips").write_bytes(b"x")
        begun.set()
        end.wait()
        assert (folder / "chips").exists()


def test_the_folder_of_a_process_that_works_stays(home: Path) -> None:
    begun, end = SPAWN.Event(), SPAWN.Event()
    other = SPAWN.Process(target=_work_until, args=(str(home), begun, end))
    other.start()
    assert begun.wait(60)

    with work_folder("promote") as mine:
        (theirs,) = set(folders_left()) - {mine}
        assert (theirs / "chips").exists()
    end.set()
    other.join()
    assert other.exitcode == 0
    assert everything(home) == []


def test_two_folders_of_one_process_do_not_take_each_other_away() -> None:
    with work_folder("promote") as one, work_folder("promote") as other:
        assert folders_left() == sorted([one, other])


def test_a_folder_without_a_lock_is_left_to_the_audit(home: Path) -> None:
    kept = home / "cache" / "work" / "promote-x"
    kept.mkdir(parents=True)
    with work_folder("promote"):
        pass
    assert folders_left() == [kept]


def test_a_disk_that_is_full_meanwhile_is_told_with_the_folder(home: Path) -> None:
    told = rf"Cannot work in {home}/cache/work: No space .* free space"
    with pytest.raises(Unavailable, match=told), work_folder("promote"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(FileNotFoundError), work_folder("promote"):
        raise FileNotFoundError(errno.ENOENT, "of somebody's chips")


def test_a_home_that_cannot_be_written_is_told(home: Path) -> None:
    home.write_text("a file in the way")
    told = f"Cannot work in {home}/cache/work: Not a directory"
    with pytest.raises(Unavailable, match=told), work_folder("promote"):
        pass
