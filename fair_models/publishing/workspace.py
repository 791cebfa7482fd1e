"""A folder for what is only needed while something is published."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fair_models import settings


@contextmanager
def work_folder(purpose: str) -> Iterator[Path]:
    """A new folder under the cache of this home; it is gone afterwards.

    Args:
        purpose: Start of its name, so that people know what a crash has left behind, e.g. "promote".
    """
    parent = settings.current().cache_folder / "work"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{purpose}-", dir=parent) as folder:
        yield Path(folder)
