"""Files that a killed process left unfinished: collected once they are nobody's, never before."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fair_models.store import leftovers
from fair_models.store.atomic import temporary_beside
from fair_models.store.local import LocalStore

KEY = "local-models/roofs/v1/model.onnx"
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def left(path: Path, hours: float) -> Path:
    """A file that was last written some hours ago, and not finished."""
    unfinished = temporary_beside(path)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    unfinished.write_bytes(b"half of ")
    age(unfinished, hours)
    return unfinished


def age(path: Path, hours: float) -> None:
    moment = (datetime.now(UTC) - hours * HOUR).timestamp()
    os.utime(path, (moment, moment))


def test_the_next_put_takes_old_unfinished_files_of_its_folder_away(store: LocalStore) -> None:
    target = store.root / KEY
    old, young = left(target, hours=2), left(target, hours=0)
    elsewhere = left(store.root / "local-models/roofs/v2/model.onnx", hours=2)

    store.put(KEY, b"whole")

    assert (old.exists(), young.exists(), elsewhere.exists()) == (False, True, True)


def test_files_that_are_finished_stay_however_old(store: LocalStore) -> None:
    href = store.put(KEY, b"whole").href
    age(Path(href), hours=1000)
    store.put("local-models/roofs/v1/weights.safetensors", b"whole")
    assert store.exists(href)
    assert leftovers.unfinished(store.root, datetime.now(UTC)) == []


def test_unfinished_files_and_folders_are_found_anywhere_below(tmp_path: Path) -> None:
    file = left(tmp_path / "a" / "b" / "file", hours=3)
    folder = temporary_beside(tmp_path / "folder")
    (folder / "inner").mkdir(parents=True)
    for path in (folder / "inner", folder):
        age(path, hours=3)

    found = leftovers.unfinished(tmp_path, datetime.now(UTC) - HOUR)

    assert found == sorted([file, folder])
    assert leftovers.take_away(found) == found
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b"]


def test_a_folder_in_which_somebody_still_writes_is_not_left(tmp_path: Path) -> None:
    folder = temporary_beside(tmp_path / "folder")
    folder.mkdir()
    (folder / "growing").write_bytes(b"now")
    age(folder, hours=3)
    assert leftovers.unfinished(tmp_path, datetime.now(UTC) - HOUR) == []


def test_a_folder_that_is_not_there_has_no_leftovers(tmp_path: Path) -> None:
    assert leftovers.unfinished(tmp_path / "nowhere", datetime.now(UTC)) == []
