"""Items by conditions, in order, page by page: the same from every adapter of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from pystac import Item

from fair_models.catalog.items.facts import facts_of
from fair_models.catalog.protocol import Catalog
from fair_models.choices import Choice, Key, Page, first_page, walk
from fair_models.conditions import Facts, facts_of_item
from fair_models.types import CollectionId

CHUNK = 100
"""Items that are read at once."""


def page(catalog: Catalog, choice: Choice) -> Page[Item]:
    """One page of what a choice finds. What is added or deleted meanwhile moves nothing to another page.

    Ordered by name or id, no more is read than the page needs; otherwise everything is looked at, a chunk
    at a time.

    Raises:
        Invalid: The cursor is none of ours, or belongs to another choice.
    """
    after = choice.after()
    return first_page(choice, _entries(catalog, choice, after), is_sorted=choice.is_by_name)


def every(catalog: Catalog, choice: Choice) -> Iterator[Item]:
    """Everything that a choice finds from its cursor on, page by page."""
    return walk(choice, lambda each: page(catalog, each))


def _entries(catalog: Catalog, choice: Choice, after: Key | None) -> Iterator[tuple[Key, Facts, Item]]:
    for number, collection in enumerate(choice.collections):
        start = None
        if choice.is_by_name and after is not None:
            if number < after[0]:
                continue
            start = after[1:] if number == after[0] else None
        for item in _all(catalog, collection, choice, start):
            found = facts_of_item({"id": item.id, "properties": item.properties})
            key = choice.key(found)
            yield (number, *key) if choice.is_by_name else key, found, item


def _all(catalog: Catalog, collection: CollectionId, choice: Choice, after: Key | None) -> Iterator[Item]:
    """Items of a collection in their order, a chunk at a time, each chunk from a snapshot of its own."""
    by_name = choice.order == "name"
    while True:
        chunk = list(
            catalog.search(
                collection,
                deprecated=choice.deprecated,
                order="version" if by_name else "id",
                after=after,
                limit=CHUNK,
            )
        )
        yield from chunk
        if len(chunk) < CHUNK:
            return
        last = facts_of(collection, {"id": chunk[-1].id})
        after = (last.name, last.number, chunk[-1].id) if by_name else (chunk[-1].id,)
