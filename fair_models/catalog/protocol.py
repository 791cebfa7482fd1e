"""Where items live. Adapters move bytes; the rules stand above this protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pystac import Collection, Item

from fair_models.catalog.search.query import ItemPage, ItemSearch
from fair_models.types import CollectionId, Json

ItemKey = tuple[CollectionId, str]
"""Collection and item id."""


@dataclass(frozen=True)
class Change:
    """What one commit does: all of it or nothing.

    put: Items to write; one with the same id is replaced.
    remove: Items to take out.
    tombstones: What stays at the address of items that are taken out: found by `tombstones`, by nothing else.
    expect: For (collection, name) the id of the current item, or None where there must be none.
        The commit is a Conflict when the catalogue says otherwise (compare-and-set).
    seen: Items as they were read when the change was planned. A Conflict when one differs now, or is gone.
    needs: Items that must be there. A Conflict when one is not.
    unused: Items that no active item may derive from but those that go too. A Conflict when one does.
    free: Ids that no item may have, nor have had; for a bare name: no version may be there. A Conflict
        otherwise.
    as_found: Whether it copies what another catalogue has. Otherwise an item that is new here is a Conflict
        where a model of the other kind has its name (see `names`).
    """

    put: Sequence[Item] = ()
    remove: Sequence[ItemKey] = ()
    tombstones: Sequence[Item] = ()
    expect: Mapping[tuple[CollectionId, str], str | None] = field(default_factory=dict)
    seen: Sequence[Item] = ()
    needs: Sequence[ItemKey] = ()
    unused: Sequence[ItemKey] = ()
    free: Sequence[ItemKey] = ()
    as_found: bool = False


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
        after: Sequence[Any] | None = None,
        limit: int | None = None,
    ) -> Iterator[Item]:
        """Items that have all of what is asked for. `order="version"` is by name, then number.

        `after` and `limit` ask for a part: what comes after a place in the order (see `facts.place`), and no
        more than so many. An adapter holds no more than that in memory.
        """

    def find(self, search: ItemSearch) -> ItemPage:
        """A page of what a search finds, for whom it is made: hidden items are not there in any way.

        Raises:
            Invalid: The condition compares what cannot be compared, or the token is of another search.
        """

    def describe(self, collection: CollectionId) -> Json:
        """A collection as raw JSON with extent and summaries of what everybody sees, without its links."""

    def href(self, collection: CollectionId, item_id: str) -> str:
        """The absolute address that an item has or would have here; links between items use it."""

    def collection(self, collection: CollectionId) -> Collection:
        """The collection with its summaries and extent as they are now."""

    def derivatives(self, collection: CollectionId, item_id: str) -> list[Item]:
        """Items of any collection that derive from one, by a link or by a field that names it."""

    def holding(self, checksum: str) -> list[Item]:
        """Items of any collection with a file of this `file:checksum`, by collection and id."""

    def tombstones(self, collection: CollectionId, name: str | None = None) -> list[Item]:
        """What stays of deleted items, by name and number. An id that exists again has none."""

    def exclusive(self, collection: CollectionId, name: str) -> AbstractContextManager[None]:
        """Hold a name while what is published of it is changed: others who ask for it wait.

        Ends with the process, however that ends. Raises Unavailable when another holds it for too long.
        """

    def commit(self, change: Change) -> None:
        """Make a change: all of it or nothing.

        Raises:
            Conflict: `expect`, `seen`, `needs`, `unused` or `free` does not hold, or a new item has a name
                that a model of the other kind has. Nothing was changed.
            Unavailable: It cannot be written now. Nothing was changed.
            Unsettled: It counts, but is not in place yet: whoever reads or writes next goes on with it.
        """
