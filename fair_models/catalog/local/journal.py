"""Several files changed as one.

All new contents lie synced in `.journal` before the first file changes; a seal says that they are complete.
From then on the change is made, whatever happens: files are renamed into place, and whoever finds a sealed
journal finishes that. A journal without a seal never counted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fair_models.store.atomic import encode_json, sync_folder, write_synced

JOURNAL = ".journal"
_PLAN, _SEAL = "plan.json", "seal.json"


@dataclass(frozen=True)
class Step:
    """One file of a change.

    path: The file, relative to the catalogue's folder.
    content: Its new bytes; None takes it away.
    """

    path: str
    content: bytes | None


def is_pending(root: Path) -> bool:
    """Whether a change is being made, or was interrupted."""
    return (root / JOURNAL / _PLAN).exists() or (root / JOURNAL / _SEAL).exists()


def is_sealed(root: Path) -> bool:
    """Whether a change counts that may not be in place yet."""
    return (root / JOURNAL / _SEAL).is_file()


def stage(root: Path, steps: Sequence[Step]) -> None:
    """Write all new contents beside the catalogue, and make the folders that they will need.

    Raises:
        OSError: There is no room, or no permission. Nothing was changed.
    """
    journal = root / JOURNAL
    new_folders = {
        folder for folder in (journal, *(_top(root, step) for step in steps)) if not folder.exists()
    }
    journal.mkdir(exist_ok=True)
    try:
        plan = [
            {"path": step.path, "staged": None if step.content is None else str(n)}
            for n, step in enumerate(steps)
        ]
        write_synced(journal / _PLAN, encode_json(plan))
        for n, step in enumerate(steps):
            folder = (root / step.path).parent
            if step.content is not None:
                folder.mkdir(parents=True, exist_ok=True)
                write_synced(journal / str(n), step.content)
            if folder.is_dir() and not os.access(folder, os.W_OK):
                raise PermissionError(13, "no permission to write", str(folder))
        if new_folders:
            sync_folder(root)
    except BaseException:
        with suppress(OSError):
            _discard(root)
        raise


def _top(root: Path, step: Step) -> Path:
    return root / PurePosixPath(step.path).parts[0]


def seal(root: Path) -> None:
    """Make the staged change count, from now on and for good."""
    journal = root / JOURNAL
    sync_folder(journal)
    (journal / _PLAN).rename(journal / _SEAL)
    sync_folder(journal)


def apply(root: Path) -> None:
    """Put the files of a sealed change in place, in their order. Doing it again does no harm."""
    journal = root / JOURNAL
    folders: dict[Path, None] = {}
    for step in json.loads((journal / _SEAL).read_bytes()):
        target = root / step["path"]
        if step["staged"] is None:
            _remove(target)
        elif (staged := journal / step["staged"]).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(target)
        folders[target.parent] = None
    for folder in folders:
        if folder.is_dir():
            sync_folder(folder)


def clear(root: Path) -> None:
    """Forget a change that is in place.

    Nobody waits for the disk here: were the seal to come back, its files are in place, and the next change
    syncs the journal before it touches any.
    """
    (root / JOURNAL / _SEAL).unlink(missing_ok=True)


def recover(root: Path) -> bool:
    """Finish or forget what was interrupted. Only for the holder of the lock.

    Returns:
        Whether files may have changed.
    """
    if not is_pending(root):
        return False
    if not is_sealed(root):
        _discard(root)
        return False
    apply(root)
    clear(root)
    return True


def _discard(root: Path) -> None:
    """Take away a plan without a seal, what was staged for it, and the folders that were made for it."""
    journal = root / JOURNAL
    with suppress(FileNotFoundError, ValueError):  # ValueError: the plan itself was not finished
        for step in json.loads((journal / _PLAN).read_bytes()):
            _remove_empty(root / PurePosixPath(step["path"]).parent)
    for staged in journal.iterdir():
        if staged.name != _PLAN:
            staged.unlink()
    (journal / _PLAN).unlink(missing_ok=True)


def _remove(target: Path) -> None:
    target.unlink(missing_ok=True)
    _remove_empty(target.parent)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # it holds something, or is not there
        folder.rmdir()
