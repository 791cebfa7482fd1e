"""Zip archives that are sent while they are made: no temporary file, and no more memory than a piece."""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

LONGEST_NAME = 150
"""Characters of one part of a name."""

_EARLIEST, _LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC)
"""Times that zip archives can say."""

_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Member:
    """A file of an archive.

    name: Its place, with slashes; made safe with `safe_name`.
    size: Bytes.
    pieces: Gives them, as often as it is called.
    """

    name: str
    size: int
    pieces: Callable[[], Iterable[bytes]]


def stream(members: Sequence[Member], moment: datetime) -> Iterator[bytes]:
    """A zip archive, a piece at a time. The same members make the same bytes.

    Files are stored as they are: what the registry holds is compressed already, or random numbers.

    Args:
        members: Its files, in this order.
        moment: The time that all of them get.
    """
    sink = _Sink()
    when = min(max(moment.astimezone(UTC), _EARLIEST), _LATEST).timetuple()[:6]
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            info = zipfile.ZipInfo(member.name, when)
            info.external_attr = 0o100644 << 16
            info.create_system = 3  # Unix, wherever this runs
            info.file_size = member.size
            with archive.open(info, "w") as file:
                for piece in member.pieces():
                    file.write(piece)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()


def safe_name(name: str) -> str:
    """A name for a file that no system takes for a place elsewhere, or refuses."""
    text = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).strip(" .")
    stem, suffix = PurePosixPath(text).stem, PurePosixPath(text).suffix[:20]
    text = f"{stem[: LONGEST_NAME - len(suffix)]}{suffix}" or "file"
    return f"_{text}" if _RESERVED.fullmatch(text) else text


class _Sink(io.RawIOBase):
    """Takes what is written, until it is taken from here. It cannot be sought in, like a connection."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._held.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        held, self._held = self._held, []
        return b"".join(held)
