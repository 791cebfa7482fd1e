"""Archives whose bytes depend on their content alone, and that cannot do harm when unpacked."""

from __future__ import annotations

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fair_models.errors import Corrupted, Invalid, NotFound
from fair_models.store.atomic import (
    atomic_folder,
    sync_file,
    sync_folder,
    temporary_beside,
    translate_os_errors,
)

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can say."""

BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
)
"""What zipfile raises over an archive that is cut off, changed, encrypted, or packed in an unknown way."""

_PIECE = 1 << 20


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may hold at most.

    files: Number of files.
    total_bytes: Bytes of all files together, unpacked.
    """

    files: int = 200_000
    total_bytes: int = 50 * 2**30


def pack(files: Mapping[str, Path], destination: Path, *, compress: bool = False) -> None:
    """Write a zip archive. The same names and bytes always give the same archive.

    Args:
        files: Name in the archive ("input/OAM-1-2-19.tif") to the file.
        destination: The archive; replaced where it exists.
        compress: Deflate the files. Stored ones, the default, have the same bytes with every version of zlib.

    Raises:
        Invalid: A name could lead out of the folder that it is unpacked into, or two differ in case only.
        NotFound: A file does not exist.
        Unavailable: The disk is full, read-only or not ours to write. Nothing was changed.
    """
    _check_names(str(destination), list(files))
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        raise NotFound(f"{destination.name} cannot be packed: {', '.join(missing)} is not a file")
    with translate_os_errors(f"write {destination}"):
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(destination)
        try:
            _write(files, temporary, zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED)
            sync_file(temporary)
            temporary.replace(destination)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(destination.parent)


def _write(files: Mapping[str, Path], destination: Path, compression: int) -> None:
    with zipfile.ZipFile(destination, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = compression
            entry.create_system = 3  # Unix, whatever the system: the mode below is then read as one
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.file_size = files[name].stat().st_size  # lets zipfile choose zip64 by size
            with files[name].open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, _PIECE)


def checks(archive: Path) -> dict[str, tuple[int, int]]:
    """Size in bytes and CRC-32 of each file in a zip archive, by name: equal ones are equal files.

    Raises:
        NotFound: There is no such archive.
        Corrupted: It is no zip archive, or damaged.
    """
    if not archive.is_file():
        raise NotFound(f"Archive {archive} does not exist: fetch it again")
    try:
        with zipfile.ZipFile(archive) as opened:
            files = [entry for entry in opened.infolist() if not entry.is_dir()]
            return {entry.filename: (entry.file_size, entry.CRC) for entry in files}
    except BROKEN as error:
        raise Corrupted(f"Archive {archive} cannot be read ({error}): fetch or make it again") from error


def unpack(
    archive: Path, folder: Path, limits: ArchiveLimits | None = None, only: Collection[str] | None = None
) -> None:
    """Unpack a zip archive into a new or empty folder. The folder appears whole or not at all.

    Args:
        archive: The archive.
        folder: Where its files go.
        limits: What it may hold at most; counted while unpacking, whatever the archive says of itself.
        only: Names of the files that are wanted. Default: all.

    Raises:
        NotFound: There is no such archive.
        Invalid: It holds links, names that lead elsewhere, or more than the limits allow.
        Corrupted: It is no zip archive, or damaged.
        Conflict: The folder exists and holds something.
        Unavailable: The disk is full, read-only or not ours to write.
    """
    limits = limits or ArchiveLimits()
    if not archive.is_file():
        raise NotFound(f"Archive {archive} does not exist: fetch it again")
    try:
        with zipfile.ZipFile(archive) as opened, atomic_folder(folder) as temporary:
            _check_entries(archive, opened.infolist(), limits)
            _extract(archive, opened, temporary, limits, only)
    except BROKEN as error:
        raise Corrupted(f"Archive {archive} cannot be read ({error}): fetch or make it again") from error


def _check_entries(archive: Path, entries: list[zipfile.ZipInfo], limits: ArchiveLimits) -> None:
    if len(entries) > limits.files:
        raise Invalid(
            f"Archive {archive} is refused: it holds {len(entries)} files, at most {limits.files} may be"
        )
    for entry in entries:
        mode = entry.external_attr >> 16
        if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise Invalid(f"Archive {archive} is refused: {entry.filename!r} is a link or device, not a file")
        if entry.flag_bits & 0x1:
            raise Invalid(f"Archive {archive} is refused: {entry.filename!r} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Invalid(
                f"Archive {archive} is refused: {entry.filename!r} is neither stored nor deflated; "
                "pack it again with a common zip program"
            )
    _check_names(str(archive), [entry.filename for entry in entries if not entry.is_dir()])
    declared = sum(entry.file_size for entry in entries)
    if declared > limits.total_bytes:
        raise Invalid(
            f"Archive {archive} is refused: {declared} bytes unpacked, at most {limits.total_bytes} may be"
        )


def _extract(
    path: Path,
    archive: zipfile.ZipFile,
    folder: Path,
    limits: ArchiveLimits,
    only: Collection[str] | None,
) -> None:
    left = limits.total_bytes
    for entry in archive.infolist():
        if entry.is_dir() or (only is not None and entry.filename not in only):
            continue
        target = folder / entry.filename
        with translate_os_errors(f"unpack {path}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, target.open("xb") as out:
                while piece := source.read(_PIECE):
                    left -= len(piece)
                    if left < 0:
                        raise Invalid(
                            f"Archive {path} is refused: it unpacks to more than {limits.total_bytes} bytes"
                        )
                    out.write(piece)


def _check_names(archive: str, names: list[str]) -> None:
    """Refuse names that lead elsewhere, and names that fall together where case does not count."""
    bad = [name for name in names if not _is_plain(name)]
    if bad:
        raise Invalid(
            f"Archive {archive} is refused: {', '.join(map(repr, bad[:5]))} leads out of its folder"
        )
    folded = {name.casefold() for name in names}
    if len(folded) != len(names):
        raise Invalid(f"Archive {archive} is refused: two of its names are the same, or differ in case only")
    folders = {str(parent) for name in folded for parent in PurePosixPath(name).parents}
    if both := sorted(folded & folders):
        raise Invalid(f"Archive {archive} is refused: {both[0]!r} is a file and a folder in it")


def _is_plain(name: str) -> bool:
    path = PurePosixPath(name)
    plain = bool(name) and str(path) == name and not path.is_absolute() and ".." not in path.parts
    return plain and not any(character in name for character in "\\:\x00")
