"""A training on a full disk says which folder is full."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from fair_models.settings import Settings
from fair_models.training.process import full_disk


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/data/x"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("write failed: No space left on device"),
    ],
)
def test_the_folders_are_named_whoever_tells_it(tmp_path: Path, error: Exception) -> None:
    outer = RuntimeError("Failed to write artifact")
    outer.__cause__ = error
    for each in (error, outer):
        said = full_disk.told(each, Settings(home=tmp_path))
        assert said is not None
        assert f"MiB in {tmp_path}" in said
        assert (" at /data/x." in said) == (getattr(error, "filename", None) == "/data/x")


def test_other_errors_are_not_about_the_disk(tmp_path: Path) -> None:
    error = OSError(errno.EACCES, "Permission denied")
    error.__context__ = error
    assert full_disk.told(error, Settings(home=tmp_path)) is None
