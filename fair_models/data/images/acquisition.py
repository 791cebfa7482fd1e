"""When imagery was taken, as files and the documents beside them say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

Period = tuple[datetime, datetime]
"""First and last time, in UTC."""

_FORM = "%Y:%m:%d %H:%M:%S"
_STARTS = ("EXIF_DateTimeOriginal", "TIFFTAG_DATETIME", "EXIF_DateTime")
_END = "ACQUISITION_END"
"""Tag of the last time in chips that we write: TIFF and EXIF know one time alone."""


def of_tags(tags: Mapping[str, str]) -> Period | None:
    """The time in the tags of TIFF and EXIF ("2023:05:14 09:31:00"). They name no time zone, UTC is taken.

    A time that is missing or malformed is as good as none.
    """
    start = next((time for tag in _STARTS if (time := _parsed(tags.get(tag, ""))) is not None), None)
    end = _parsed(tags.get(_END, ""))
    return None if start is None else (start, start if end is None else max(start, end))


def as_tags(period: Period) -> dict[str, str]:
    """The tags that `of_tags` reads a period from."""
    start, end = (f"{time.astimezone(UTC):{_FORM}}" for time in period)
    return {"TIFFTAG_DATETIME": start} | ({_END: end} if end != start else {})


def of_texts(start: Any, end: Any = None) -> Period | None:
    """A period of one or two times as ISO 8601 has them, without a zone in UTC; None where there is none."""
    times = sorted(time for text in (start, end) if (time := _of_text(text)) is not None)
    return (times[0], times[-1]) if times else None


def together(periods: Iterable[Period | None]) -> Period | None:
    """From the first to the last time of several periods; None where none is known."""
    known = [each for each in periods if each is not None]
    return (min(start for start, _ in known), max(end for _, end in known)) if known else None


def _parsed(text: str) -> datetime | None:
    with suppress(ValueError):
        return datetime.strptime(text.strip(), _FORM).replace(tzinfo=UTC)
    return None


def _of_text(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    with suppress(ValueError, OverflowError):
        time = datetime.fromisoformat(text.strip())
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    return None
