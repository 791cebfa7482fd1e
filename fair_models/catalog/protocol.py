"""Where items live. Adapters move bytes; the rules stand above this protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pystac import Collection, Item

from fair_models.types import CollectionId

ItemKey = tuple[CollectionId, str]
"""Collection and item id."""


@dataclass(frozen=True)
class Change:
    """What one commit does: all of it or nothing.

    put: Items to write; one with the same id is replaced.
    remove: Items to take out.
    expect: For (collection, name) the id of the current item, or None where there must be none.
        The commit is a Conflict when the catalogue says otherwise (compare-and-set).
    """

    put: Sequence[Item] = ()
    remove: Sequence[ItemKey] = ()
    expect: Mapping[tuple[CollectionId, str], str | None] = field(default_factory=dict)


class Catalog(Protocol):
    """Items of the three collections.

    Items that come out have absolute asset and link hrefs; an adapter may store relative ones.
    Each call sees one snapshot: never half of a commit.
    """

    def get(self, collection: CollectionId, item_id: str) -> Item:
        """One item. Raises NotFound with the nearest ids."""

    def search(
        self,
        collection: CollectionId,
        *,
        name: str | None = None,
        deprecated: bool | None = None,
        tasks: Sequence[str] = (),
        keywords: Sequence[str] = (),
        order: Literal["id", "version", "created"] = "id",
    ) -> Iterator[Item]:
        """Items that have all of what is asked for. `order="version"` is by name, then number."""

    def href(self, collection: CollectionId, item_id: str) -> str:
        """The absolute address that an item has or would have here; links between items use it."""

    def collection(self, collection: CollectionId) -> Collection:
        """The collection with its summaries and extent as they are now."""

    def commit(self, change: Change) -> None:
        """Make a change. Raises Conflict when `expect` does not hold; then nothing was changed."""
