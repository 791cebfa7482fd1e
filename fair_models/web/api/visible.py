"""The catalogue as somebody sees it: what is private and of others is not there, nor does it show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Literal

from pystac import Collection, Item

from fair_models.catalog import query
from fair_models.catalog.items import lineage, tombstones, versions
from fair_models.catalog.items.search_fields import place
from fair_models.catalog.protocol import Catalog, Change
from fair_models.catalog.search.query import ItemPage, ItemSearch
from fair_models.errors import NotFound
from fair_models.types import CollectionId, Json
from fair_models.web.callers import Caller


class VisibleCatalog:
    """What one caller sees of a catalogue.

    Args:
        catalog: The whole catalogue.
        caller: Who looks.
    """

    def __init__(self, catalog: Catalog, caller: Caller) -> None:
        self._all = catalog
        self.caller = caller

    def get(self, collection: CollectionId, item_id: str) -> Item:
        """One item, as `shown`. Raises NotFound, which names nothing that is hidden."""
        try:
            found = self._all.get(collection, item_id)
        except NotFound:
            found = None
        if found is None or not self.caller.may_see(found):
            raise self._not_found(collection, item_id)
        return self.shown(found)

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
        """Items that have all of what is asked for, and are there for the caller."""
        left = limit
        while True:
            chunk = list(
                self._all.search(
                    collection,
                    name=name,
                    deprecated=deprecated,
                    tasks=tasks,
                    keywords=keywords,
                    order=order,
                    after=after,
                    limit=left,
                )
            )
            seen = [item for item in chunk if self.caller.may_see(item)]
            yield from seen
            if left is None or len(chunk) < left or len(seen) == left:
                return
            last = chunk[-1]
            after = place(collection, {"id": last.id, "properties": last.properties}, order)
            left -= len(seen)

    def find(self, search: ItemSearch) -> ItemPage:
        """A page of what a search finds, for the caller, whoever it names."""
        return self._all.find(replace(search, viewer=self.caller.viewer))

    def describe(self, collection: CollectionId) -> Json:
        """A collection with what everybody sees of it."""
        return self._all.describe(collection)

    def href(self, collection: CollectionId, item_id: str) -> str:
        """The address that an item has or would have."""
        return self._all.href(collection, item_id)

    def collection(self, collection: CollectionId) -> Collection:
        """The collection, with extent and summaries of what everybody sees."""
        found = self._all.collection(collection)
        found.links = [
            link
            for link in found.links
            if link.rel != "item" or not self._leads_to_hidden(link.get_absolute_href() or "")
        ]
        return found

    def derivatives(self, collection: CollectionId, item_id: str) -> list[Item]:
        """Items that derive from one."""
        return [item for item in self._all.derivatives(collection, item_id) if self.caller.may_see(item)]

    def holding(self, checksum: str) -> list[Item]:
        """Items with a file of this digest."""
        return [item for item in self._all.holding(checksum) if self.caller.may_see(item)]

    def tombstones(self, collection: CollectionId, name: str | None = None) -> list[Item]:
        """What stays of deleted items."""
        return [item for item in self._all.tombstones(collection, name) if self.caller.may_see(item)]

    def exclusive(self, collection: CollectionId, name: str) -> AbstractContextManager[None]:
        """Hold a name while what is published of it is changed."""
        return self._all.exclusive(collection, name)

    def commit(self, change: Change) -> None:
        """Make a change. Raises as the catalogue does."""
        self._all.commit(change)

    def shown(self, item: Item) -> Item:
        """An item without what names others that are hidden: links, and fields of what it derives from."""
        hidden = [
            collection
            for collection, field in lineage.PARENT_FIELDS.items()
            if (parent := item.properties.get(field)) and self._is_hidden(collection, str(parent))
        ]
        links = [link for link in item.links if not self._leads_to_hidden(str(link.href))]
        if not hidden and len(links) == len(item.links):
            return item
        copy = item.clone()
        copy.links = [link for link in copy.links if not self._leads_to_hidden(str(link.href))]
        for collection in hidden:
            copy.properties.pop(lineage.PARENT_FIELDS[collection])
        return copy

    def _leads_to_hidden(self, href: str) -> bool:
        found = query.led_to(self._all, href)
        return found is not None and self._is_hidden(*found)

    def _is_hidden(self, collection: CollectionId, item_id: str) -> bool:
        name, _ = versions.split_id(item_id)
        found = versions.exact(self._all, collection, item_id) or next(
            (each for each in self._all.tombstones(collection, name) if each.id == item_id), None
        )
        return found is not None and not self.caller.may_see(found)

    def _not_found(self, collection: CollectionId, item_id: str) -> NotFound:
        name, _ = versions.split_id(item_id)
        for buried in self.tombstones(collection, name):
            if buried.id == item_id:
                return NotFound(f"{collection}/{item_id} {tombstones.deletion(buried)}")
        known = [each.id for each in self.search(collection, name=name, order="version")]
        hint = f"of {name} there are {', '.join(known[-5:])}" if known else "nothing there has this name"
        return NotFound(f"{collection} has no item {item_id}: {hint}")
