"""Markdown of tables and headings, for cards and for the descriptions of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fair_models.numbers import shown


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with the columns of its first row; all rows have the same. Nothing where there is no row."""
    if not rows:
        return ""
    header, *lines = [
        f"| {' | '.join(map(cell, line))} |" for line in (rows[0], *(row.values() for row in rows))
    ]
    return "\n".join([header, f"|{'---|' * len(rows[0])}", *lines])


def fields(values: Mapping[str, Any], heading: str) -> str:
    """A table of names and their values."""
    return table([{heading: f"`{name}`", "Value": value} for name, value in values.items()])


def cell(value: Any) -> str:
    """A value that cannot break out of its cell."""
    if value is None or isinstance(value, float):
        return shown(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split()).replace("|", "\\|")
