"""Says which folder is full, whoever's error tells that a disk is."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fair_models.settings import Settings

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_WORDS = ("disk is full", "no space left", "disk quota exceeded")
"""How databases and libraries say it that pass on no number."""

_MIB = 2**20


def told(error: BaseException, settings: Settings) -> str | None:
    """A sentence that names what is full. None where an error is about something else.

    Args:
        error: What was raised; what it was raised from is looked at too.
        settings: Where state is kept.
    """
    for each in _chain(error):
        full = isinstance(each, OSError) and each.errno in _FULL
        if full or any(word in str(each).lower() for word in _WORDS):
            named = each.filename if isinstance(each, OSError) else None
            return f"the disk is full{f' at {named}' if named else ''}. Free: {_room(settings)}"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        yield found
        seen.append(found)
        found = found.__cause__ or found.__context__


def _room(settings: Settings) -> str:
    """Where trainings write, and how much fits there still."""
    return ", ".join(
        f"{shutil.disk_usage(folder).free // _MIB} MiB in {folder}"
        for folder in dict.fromkeys((settings.home, settings.store_folder, Path(tempfile.gettempdir())))
        if folder.is_dir()
    )
