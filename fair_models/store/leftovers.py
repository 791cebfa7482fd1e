"""Unfinished files and folders that a killed process left behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from fair_models.store.atomic import UNFINISHED


def unfinished(folder: Path, before: datetime, *, deep: bool = True) -> list[Path]:
    """What somebody began to write and left: nothing in it was changed since a time.

    A process that writes changes its file all the while, so that one of long ago is nobody's.

    Args:
        folder: Where to look. It may be missing.
        before: Only what was last changed before this time, aware.
        deep: Whether to look into folders too.
    """
    paths = folder.rglob(f".*{UNFINISHED}") if deep else folder.glob(f".*{UNFINISHED}")
    return sorted(path for path in paths if _changed(path) < before) if folder.is_dir() else []


def take_away(paths: Iterable[Path]) -> list[Path]:
    """Remove files and folders. Returns those that are gone now."""
    return [path for path in paths if _taken(path)]


def _taken(path: Path) -> bool:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return not path.exists()


def _changed(path: Path) -> datetime:
    """When a file, or anything in a folder, was last changed."""
    try:
        newest = max(each.lstat().st_mtime for each in _with_content(path))
    except OSError:  # somebody works on it
        return datetime.now(UTC)
    return datetime.fromtimestamp(newest, UTC)


def _with_content(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        yield from path.rglob("*")
