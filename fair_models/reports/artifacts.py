"""What a run shows beside its result: tables and cards, each under a key that clients ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows under a key; all have the same columns.

    description: Markdown that stands above the rows.
    """

    key: str
    rows: Sequence[Mapping[str, Any]]
    description: str


@dataclass(frozen=True)
class Card:
    """A text in Markdown under a key."""

    key: str
    markdown: str
    description: str


Artifact = Table | Card
