"""What a search asks of items, for whom, and a page of what it finds."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from fair_models.errors import Invalid
from fair_models.ownership import OWNER, PRIVATE, VISIBILITY
from fair_models.types import VERSION_SUFFIX, CollectionId, Json

LINK = re.compile(r"collections/(?P<collection>[^/?#]+)/items/(?P<id>[^/?#]+)")
"""How a page's documents name items of the same catalogue in their links."""


@dataclass(frozen=True)
class Viewer:
    """For whom items are looked up.

    owner: Account of somebody who sees their own private items too.
    names: Collection and name of items of others that they see as if they were their own.
    sees_all: Whether no item is hidden.
    """

    owner: str | None = None
    names: frozenset[tuple[CollectionId, str]] = frozenset()
    sees_all: bool = False

    def sees(self, collection: str | None, item_id: str, properties: Mapping[str, Any]) -> bool:
        """Whether an item with these properties is there for them."""
        if self.sees_all or not is_private(properties):
            return True
        if self.owner is not None and owner_of(properties) == self.owner:
            return True
        return (collection, re.sub(VERSION_SUFFIX, "", item_id)) in self.names


PUBLIC = Viewer()
"""Somebody who sees what everybody sees."""

EVERYTHING = Viewer(sees_all=True)


def is_private(properties: Mapping[str, Any]) -> bool:
    """Whether an item is there for its owner alone."""
    return properties.get(VISIBILITY) == PRIVATE


def owner_of(properties: Mapping[str, Any]) -> str | None:
    """The account that an item belongs to; None where none is named."""
    owner = properties.get(OWNER)
    return owner if isinstance(owner, str) else None


@dataclass(frozen=True)
class SortKey:
    """One field of an order: `id`, `collection`, `datetime`, or a property. Items without it come last."""

    field: str
    descending: bool = False


NEWEST_FIRST = (SortKey("datetime", descending=True),)


@dataclass(frozen=True)
class ItemSearch:
    """What is asked of items. All of it has to hold.

    collections: Where to look.
    ids: Only these; None for all.
    area: GeoJSON geometry in EPSG:4326 that an item's geometry has to touch. An item without is everywhere.
    start, end: Seconds since 1970, UTC, inclusive: an item's time or span has to touch what is between them.
    condition: CQL2 JSON, checked by `filters`.
    words: One of them has to be in id, title, description or keywords, as part of a word too, in any case.
    order: Fields, the most important first; equal items are ordered by collection and id.
    viewer: For whom.
    after: Where the page before ended: `ItemPage.next`.
    limit: Items of a page.
    """

    collections: Sequence[CollectionId]
    ids: Sequence[str] | None = None
    area: Json | None = None
    start: float | None = None
    end: float | None = None
    condition: Json | None = None
    words: Sequence[str] = ()
    order: Sequence[SortKey] = NEWEST_FIRST
    viewer: Viewer = PUBLIC
    after: str | None = None
    limit: int = 10

    @property
    def is_plain(self) -> bool:
        """Whether no item has to be looked into, so that counting costs little."""
        return self.area is None and self.condition is None and not self.words


@dataclass(frozen=True)
class ItemPage:
    """One page of what a search finds.

    items: Raw JSON. Assets have absolute addresses. Links to items of the same catalogue are
        "collections/COLLECTION/items/ID"; those to items that are hidden from the viewer are left out.
    next: What `ItemSearch.after` takes for the next page; None where this is the last.
    matched: How many items there are on all pages; None where counting would cost too much.
    """

    items: list[Json]
    next: str | None = None
    matched: int | None = None


_LARGEST = 1e308


def token(place: Sequence[Any]) -> str:
    """A place in an order as text that fits into an address."""
    return base64.urlsafe_b64encode(orjson.dumps(list(place))).rstrip(b"=").decode()


def place_of(written: str, width: int) -> list[Any]:
    """The place that a token says.

    Args:
        written: From `token`.
        width: How many values the order has.

    Raises:
        Invalid: It is none, or belongs to another order.
    """
    try:
        found = orjson.loads(
            base64.b64decode(written + "=" * (-len(written) % 4), altchars=b"-_", validate=True)
        )
    except (binascii.Error, ValueError):
        found = None
    if not isinstance(found, list) or len(found) != width or not all(_is_key(each) for each in found):
        raise Invalid(
            "The token is none of ours, or of another search. Follow the link `next` of a page as it is"
        )
    return [each if isinstance(each, str) else float(each) for each in found]


def _is_key(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" not in value
    return isinstance(value, int | float) and abs(value) <= _LARGEST
