"""A store in a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from fair_models.errors import Conflict, Invalid, NotFound
from fair_models.store import leftovers
from fair_models.store.atomic import UNFINISHED, sync_file, sync_folder, temporary_beside, translate_os_errors
from fair_models.store.digests import checksum_file, verify
from fair_models.store.naming import checked_key
from fair_models.store.protocol import FileState, StoredFile

STALE = timedelta(hours=1)
"""An unfinished file that was left alone for so long is nobody's: the next put into its folder removes it."""

PIECE_BYTES = 1 << 20
"""Read at once by who reads a file piece by piece."""


class LocalStore:
    """Files under one folder, each written once and read-only afterwards.

    Args:
        root: The folder. It is made when something is first put.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()

    def put(self, key: str, source: Path | bytes) -> StoredFile:
        """Store bytes under `key`. The same bytes again are no error.

        Raises:
            Conflict: Other bytes lie under the key already.
            NotFound: The source does not exist.
            Invalid: The key could lead out of the store.
            Unavailable: The disk is full, read-only or not ours to write. Nothing was stored.
        """
        target = self.root / checked_key(key)
        if isinstance(source, Path) and not source.is_file():
            raise NotFound(f"{source} is not a file: nothing was stored under {key}")
        with translate_os_errors(f"store {key} in {self.root}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            leftovers.take_away(leftovers.unfinished(target.parent, datetime.now(UTC) - STALE, deep=False))
            temporary = temporary_beside(target)
            try:
                _copy(source, temporary)
                return self._publish(temporary, target, key)
            finally:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)

    def _publish(self, temporary: Path, target: Path, key: str) -> StoredFile:
        """Give the finished file its name, unless the name is taken."""
        checksum, size = checksum_file(temporary), temporary.stat().st_size
        try:
            os.link(temporary, target)  # fails where the name exists: of several writers one wins
        except FileExistsError as error:
            if target.stat().st_size != size or checksum_file(target) != checksum:
                raise Conflict(
                    f"{key} holds other bytes already and stored files are never overwritten: "
                    "store these under a new version"
                ) from error
            with suppress(OSError):  # of another owner; only the audit's patience with it depends on its age
                os.utime(target)
        else:
            sync_folder(target.parent)
        return StoredFile(str(target), checksum, size)

    def fetch(self, href: str, checksum: str | None = None) -> Path:
        """The local file of `href`, compared with `checksum` where one is given.

        Raises:
            NotFound: Nothing lies there.
            Corrupted: The bytes are not those of the checksum.
            Invalid: The href is not one of a local file.
        """
        path = _local_path(href)
        if not path.is_file():
            raise NotFound(f"{href} does not exist: put the file back, or register what it belongs to again")
        if checksum is not None:
            verify(path, checksum)
        return path

    def verify(self, href: str, checksum: str) -> None:
        """Compare a file with its checksum. Raises as `fetch` does."""
        self.fetch(href, checksum)

    def exists(self, href: str) -> bool:
        """Whether a file lies there. False for addresses that are not of this machine."""
        try:
            return _local_path(href).is_file()
        except Invalid:
            return False

    def size(self, href: str) -> int:
        """Size of the file in bytes, without reading it."""
        return self.fetch(href).stat().st_size

    def modified(self, href: str) -> datetime:
        """When the file was put, the last time where it was put again: aware, UTC.

        Raises:
            NotFound: Nothing lies there.
            Invalid: The href is not one of a local file.
        """
        return datetime.fromtimestamp(self.fetch(href).stat().st_mtime, UTC)

    def holds(self, href: str) -> bool:
        """Whether an address leads into the folder of this store, links on the way included."""
        try:
            return self.root in _local_path(href).resolve().parents
        except (Invalid, OSError, ValueError, RuntimeError):
            return False

    def state(self, href: str) -> FileState:
        """What is known of a file without reading it. Raises as `fetch` does."""
        found = self.fetch(href).stat()
        return FileState(found.st_size, None, f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}")

    def pieces(self, href: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes of a file from `start` to before `stop`, a piece at a time. Raises as `fetch` does."""
        path = self.fetch(href)
        with translate_os_errors(f"read {path}"):
            file = path.open("rb")
        return _pieces(file, start, path.stat().st_size if stop is None else stop)

    def delete(self, href: str) -> None:
        """Take a file away, and the folders that it leaves empty. One that is not there is no error.

        Raises:
            Invalid: The file is none of this store.
            Unavailable: The folder cannot be changed.
        """
        path = Path(os.path.normpath(_local_path(href)))
        if self.root not in path.parents:
            raise Invalid(
                f"{href} does not lie in the store {self.root}: only stored files can be deleted here"
            )
        with translate_os_errors(f"delete {path}"):
            path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self.root:
                break
            with suppress(OSError):  # not empty, or gone already
                folder.rmdir()

    def hrefs(self, prefix: str = "") -> Iterator[str]:
        """Addresses of all files whose key starts with `prefix`, in order. Unfinished files are left out."""
        folder = self.root / prefix.rpartition("/")[0]
        for path in sorted(folder.rglob("*")):
            unfinished = path.name.startswith(".") and path.name.endswith(UNFINISHED)
            if (
                path.is_file()
                and not unfinished
                and path.relative_to(self.root).as_posix().startswith(prefix)
            ):
                yield str(path)

    def link(self, href: str, seconds: int, headers: Mapping[str, str] | None = None) -> str:
        """The file:// address of a file, for programs that see the folder. It does not end.

        Raises:
            NotFound: Nothing lies there.
            Invalid: The href is not one of a local file.
        """
        return self.fetch(href).resolve().as_uri()

    def unfinished(self, before: datetime) -> list[str]:
        """Files that killed processes began to write and that nobody touched since `before`."""
        return [str(path) for path in leftovers.unfinished(self.root, before)]

    def abandon(self, unfinished: Iterable[str]) -> list[str]:
        """Take away what `unfinished` named. Returns those that are gone now."""
        return [str(path) for path in leftovers.take_away(map(Path, unfinished))]


def _pieces(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = stop - start
        while left > 0 and (piece := file.read(min(PIECE_BYTES, left))):
            left -= len(piece)
            yield piece


def _copy(source: Path | bytes, temporary: Path) -> None:
    if isinstance(source, Path):
        shutil.copyfile(source, temporary)
    else:
        temporary.write_bytes(source)
    temporary.chmod(0o444)
    sync_file(temporary)


def _local_path(href: str) -> Path:
    """The file that an href means: an absolute path, or a file URL."""
    if href.startswith("file://"):
        return Path(unquote(urlsplit(href).path))
    if not Path(href).is_absolute():
        raise Invalid(f"{href} is not the address of a local file: the local store reads absolute paths")
    return Path(href)
