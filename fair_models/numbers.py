"""Numbers as people read them: one rule for tables, cards, the terminal and messages.

A measured number has at most three significant digits, with its 95 % interval in brackets where it has one:
0.742 [0.701, 0.778]. A number beside a bound that it is compared with has four, so that the two differ.
Counts and other whole numbers are written in full. Rows for programs keep every digit.
"""

from __future__ import annotations

NOT_MEASURED = "–"
"""What stands where nothing was measured."""


def shown(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits, e.g. "0.742", "12", "1,234"; a dash for None."""
    if not isinstance(value, float):
        return NOT_MEASURED if value is None else str(value)
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e+" in text else text


def compared(value: float | None) -> str:
    """A number beside its bound, with four significant digits."""
    return shown(value, digits=4)


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """A number and its interval in brackets, e.g. "0.742 [0.701, 0.778]"."""
    if value is None or low is None or high is None:
        return shown(value)
    return f"{shown(value)} [{shown(low)}, {shown(high)}]"


def duration(seconds: float) -> str:
    """A time, e.g. "12 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
