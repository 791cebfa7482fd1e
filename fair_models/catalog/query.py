"""Items by conditions, in order, page by page, and what an item came from: the same from every adapter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from pystac import Item

from fair_models.catalog.items import tombstones, versions
from fair_models.catalog.items.item import RegistryItem
from fair_models.catalog.items.lineage import DERIVED_FROM
from fair_models.catalog.items.search_fields import search_fields_of
from fair_models.catalog.protocol import Catalog
from fair_models.choices import Choice, Key, Page, first_page, walk
from fair_models.conditions import Facts, facts_of_item
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId

CHUNK = 100
"""Items that are read at once."""

_COLLECTIONS: tuple[CollectionId, ...] = (BASE_MODELS, LOCAL_MODELS, DATASETS)


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
        last = search_fields_of(collection, {"id": chunk[-1].id})
        after = (last.name, last.number, chunk[-1].id) if by_name else (chunk[-1].id,)


@dataclass(frozen=True)
class Ancestor:
    """An item that another one came from.

    id: Its exact id; the link itself where it leads out of the catalogue.
    depth: 0 for parents, 1 for theirs, and so on.
    collection: None where it is not of this catalogue.
    title: What it is called. What became of it where it was deleted.
    is_deprecated: None where it is not in the catalogue.
    is_repeated: Whether it was listed before, with its own ancestors.
    """

    id: str
    depth: int
    collection: CollectionId | None = None
    title: str = ""
    is_repeated: bool = False
    is_deprecated: bool | None = None


def ancestors(catalog: Catalog, item: Item) -> list[Ancestor]:
    """All that an item came from, each followed by what that came from."""
    return list(_ancestors(catalog, item, 0, set()))


def _ancestors(catalog: Catalog, item: Item, depth: int, seen: set[tuple[str, str]]) -> Iterator[Ancestor]:
    for link in item.get_links(DERIVED_FROM):
        found = led_to(catalog, str(link.href))
        if found is None:
            yield Ancestor(str(link.href), depth, title=link.title or "")
            continue
        if found in seen:
            yield Ancestor(found[1], depth, found[0], is_repeated=True)
            continue
        seen.add(found)
        parent = versions.exact(catalog, *found)
        deprecated = RegistryItem(parent).is_deprecated if parent is not None else None
        yield Ancestor(found[1], depth, found[0], _title(catalog, found, parent), is_deprecated=deprecated)
        if parent is not None:
            yield from _ancestors(catalog, parent, depth + 1, seen)


def led_to(catalog: Catalog, href: str) -> tuple[CollectionId, str] | None:
    """Which item of the catalogue has, or would have, an address. None: the address is of another place."""
    name = PurePosixPath(urlsplit(href).path).name.removesuffix(".json")
    return next(((each, name) for each in _COLLECTIONS if catalog.href(each, name) == href), None)


def _title(catalog: Catalog, key: tuple[CollectionId, str], item: Item | None) -> str:
    if item is not None:
        return RegistryItem(item).title
    name, _ = versions.split_id(key[1])
    buried = next((each for each in catalog.tombstones(key[0], name) if each.id == key[1]), None)
    return tombstones.deletion(buried) if buried is not None else "is not in the catalogue"
