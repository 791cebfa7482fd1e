"""What an item came from: its parents by the links `derived_from`, theirs, and so on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from pystac import Item

from fair_models.catalog.items import tombstones, versions
from fair_models.catalog.items.lineage import DERIVED_FROM
from fair_models.catalog.protocol import Catalog
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId

_COLLECTIONS: tuple[CollectionId, ...] = (BASE_MODELS, LOCAL_MODELS, DATASETS)


@dataclass(frozen=True)
class Ancestor:
    """An item that another one came from.

    id: Its exact id; the link itself where it leads out of the catalogue.
    depth: 0 for parents, 1 for theirs, and so on.
    collection: None where it is not of this catalogue.
    title: What it is called. What became of it where it was deleted.
    is_repeated: Whether it was listed before, with its own ancestors.
    """

    id: str
    depth: int
    collection: CollectionId | None = None
    title: str = ""
    is_repeated: bool = False


def ancestors(catalog: Catalog, item: Item) -> list[Ancestor]:
    """All that an item came from, each followed by what that came from."""
    return list(_of(catalog, item, 0, set()))


def _of(catalog: Catalog, item: Item, depth: int, seen: set[tuple[str, str]]) -> Iterator[Ancestor]:
    for link in item.get_links(DERIVED_FROM):
        found = _led_to(catalog, str(link.href))
        if found is None:
            yield Ancestor(str(link.href), depth, title=link.title or "")
            continue
        if found in seen:
            yield Ancestor(found[1], depth, found[0], is_repeated=True)
            continue
        seen.add(found)
        parent = versions.exact(catalog, *found)
        yield Ancestor(found[1], depth, found[0], _title(catalog, found, parent))
        if parent is not None:
            yield from _of(catalog, parent, depth + 1, seen)


def _led_to(catalog: Catalog, href: str) -> tuple[CollectionId, str] | None:
    """Which item of the catalogue has an address."""
    name = PurePosixPath(urlsplit(href).path).name.removesuffix(".json")
    return next(((each, name) for each in _COLLECTIONS if catalog.href(each, name) == href), None)


def _title(catalog: Catalog, key: tuple[CollectionId, str], item: Item | None) -> str:
    if item is not None:
        return str(item.properties.get("title", ""))
    name, _ = versions.split_id(key[1])
    buried = next((each for each in catalog.tombstones(key[0], name) if each.id == key[1]), None)
    return tombstones.told(buried) if buried is not None else "is not in the catalogue"
