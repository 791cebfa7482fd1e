"""Bytes that no item names any more."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Sequence

from pystac import Item

from fair_models.catalog.items import assets
from fair_models.catalog.items.collections import COLLECTIONS
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Invalid
from fair_models.store.protocol import Store

logger = logging.getLogger(__name__)

KEY = re.compile(rf"(?:^|/)(({'|'.join(COLLECTIONS)})/([^/]+)/v[0-9]+/[^/]+)$")
"""How addresses of stored files end: the key, the collection in it, and the name."""


def key_of(href: str) -> str:
    """What stays of an address when the store moves, or gets a public address: its key.

    Files are told apart by it, so that none is taken for unnamed because items call it by another address.

    Args:
        href: The address. One that does not end with a key of the registry is its own.
    """
    found = KEY.search(href)
    return found.group(1) if found else href


def referenced(catalog: Catalog, but: Collection[tuple[str | None, str]] = ()) -> set[str]:
    """Addresses of all files that items name.

    Args:
        catalog: Its items.
        but: Items that do not count, by collection and id.
    """
    return {
        assets.address(asset)
        for collection in COLLECTIONS
        for item in catalog.search(collection)
        if (item.collection_id, item.id) not in but
        for asset in item.assets.values()
    }


def unnamed(catalog: Catalog, store: Store, hrefs: Iterable[str], without: Sequence[Item] = ()) -> list[str]:
    """Those of some files that lie in the store and that no item names.

    Args:
        catalog: Who may name them.
        store: Where they lie. Files elsewhere are left out.
        hrefs: The files that are asked about.
        without: Items that do not count, because they are about to go.
    """
    asked = {key_of(href): href for href in hrefs}
    if not asked:
        return []
    kept = set(map(key_of, referenced(catalog, {(item.collection_id, item.id) for item in without})))
    return sorted(href for key, href in asked.items() if key not in kept and store.exists(href))


def collect(catalog: Catalog, store: Store, hrefs: Iterable[str]) -> list[str]:
    """Delete those of some files that no item names.

    Returns:
        Those that were deleted.
    """
    gone = []
    for href in unnamed(catalog, store, hrefs):
        try:
            store.delete(href)
            gone.append(href)
        except Invalid:  # an item named it, but it is none of the store's
            logger.warning("%s lies outside of the store and was left there", href)
    return gone
