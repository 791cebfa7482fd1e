"""Times and intervals as RFC 3339 and STAC write them."""

from __future__ import annotations

import re
from datetime import datetime

from fair_models.errors import Invalid

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(\.\d+)?(Z|z|[+-]\d\d:\d\d)", re.ASCII)
_OPEN = ("", "..")


def interval(text: str) -> tuple[float | None, float | None]:
    """Begin and end of "2026-01-01T00:00:00Z/..", in seconds since 1970; the same twice for one time.

    Raises:
        Invalid: It is no RFC 3339 time or interval, or ends before it begins.
    """
    parts = text.split("/")
    if len(parts) == 1:
        moment = seconds(parts[0])
        return moment, moment
    if len(parts) != 2 or all(part in _OPEN for part in parts):
        raise Invalid(f"datetime {text[:80]!r} is no interval: write BEGIN/END, one of which may be ..")
    start, end = (None if part in _OPEN else seconds(part) for part in parts)
    if start is not None and end is not None and start > end:
        raise Invalid(f"datetime {text[:80]!r} ends before it begins")
    return start, end


def seconds(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time. A leap second is the end of the second before it.

    Raises:
        Invalid: It is none.
    """
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError("it has another form")
        day, minute, second, fraction, zone = found.groups()
        if second == "60":
            second, fraction = "59", ".999999"
        written = f"{day}T{minute}:{second}{(fraction or '')[:7]}{zone.upper().replace('Z', '+00:00')}"
        return datetime.fromisoformat(written).timestamp()
    except (ValueError, OverflowError) as error:
        raise Invalid(
            f"datetime {text[:80]!r} is no RFC 3339 time: write it as 2026-01-01T00:00:00Z"
        ) from error
