"""Which bytes of a file a request asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_RANGES = 16
"""Of one request. More are answered by the whole file: nobody needs them, and each costs."""

_RANGE = re.compile(r"(?P<first>[0-9]{1,20})-(?P<last>[0-9]{1,20})?|-(?P<suffix>[0-9]{1,20})")

Span = tuple[int, int]
"""The first byte, and the one after the last."""


def asked(header: str | None, size: int) -> list[Span] | None:
    """The parts of a file that a header Range asks for, those that touch joined.

    Returns:
        In the order in which they were asked for, each within the file. Empty where none of them is in it
        (416). None where the whole file is to be sent: no range, another unit, or none that can be read.
    """
    unit, equals, listed = (header or "").partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    said = [part.strip() for part in listed.split(",") if part.strip()]
    found = [_RANGE.fullmatch(part) for part in said]
    if not found or len(found) > MAX_RANGES or any(each is None for each in found):
        return None
    spans = []
    for each in found:
        assert each is not None  # noqa: S101 - looked at above
        if each["suffix"] is not None:
            spans.append((max(0, size - int(each["suffix"])), size))
            continue
        first, last = int(each["first"]), each["last"]
        if last is not None and int(last) < first:
            return None
        spans.append((first, size if last is None else min(size, int(last) + 1)))
    return _joined([(start, stop) for start, stop in spans if start < stop])


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Spans without overlaps: nobody is sent the same bytes twice."""
    left = list(spans)
    joined: list[Span] = []
    while left:
        start, stop = left.pop(0)
        touching = [each for each in left if each[0] <= stop and start <= each[1]]
        if touching:
            left = [each for each in left if each not in touching]
            together = (start, stop), *touching
            left.insert(0, (min(each[0] for each in together), max(each[1] for each in together)))
        else:
            joined.append((start, stop))
    return joined
