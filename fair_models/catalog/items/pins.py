"""A pin keeps a version from being deleted: why, by whom, and since when."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pystac import Item

from fair_models.types import Json

FIELD = "fair:pinned"
"""Property of an item that is pinned."""


@dataclass(frozen=True)
class Pin:
    """Why a version is kept.

    reason: Why, in a sentence.
    by: Who said so.
    at: When, as RFC 3339, e.g. "2026-11-21T08:30:00Z".
    """

    reason: str
    by: str
    at: str

    @property
    def sentence(self) -> str:
        """In words, e.g. "pinned by ana since 2026-11-21T08:30:00Z: the flood of May"."""
        return f"pinned by {self.by} since {self.at}: {self.reason}"

    def to_json(self) -> Json:
        """As it stands in items and in ZenML."""
        return asdict(self)


def of(item: Item) -> Pin | None:
    """The pin of an item. None where it has none."""
    said = item.properties.get(FIELD)
    return read(said) if said else None


def read(said: object) -> Pin:
    """A pin as it was written. What is no pin of ours still pins: somebody meant it."""
    known = said if isinstance(said, dict) else {}
    return Pin(*(str(known.get(key, "not said")) for key in ("reason", "by", "at")))
