"""Versions that a change of the catalogue is made from: as they were read, and edited copies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pystac import Item, Link

from fair_models.catalog.items.building import JSON_TYPE
from fair_models.types import Json

PREDECESSOR = "predecessor-version"
SUCCESSOR = "successor-version"
LATEST = "latest-version"
VERSION_LINKS = (PREDECESSOR, SUCCESSOR, LATEST)


@dataclass(frozen=True)
class Effect:
    """What a change does to one thing.

    target: Which, e.g. "local-models/roofs-v2".
    effect: What, e.g. "becomes deprecated".
    """

    target: str
    effect: str


class Edits:
    """Versions as they were read, and copies of those that a transition changes."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.read = list(items)
        self._copies: dict[str, Item] = {}

    def of(self, item: Item) -> Item:
        """The copy of a version, to be changed."""
        return self._copies.setdefault(item.id, item.clone())

    def changed(self) -> list[Item]:
        """Copies that differ from what was read."""
        return [copy for before, copy in self._pairs() if plain(before) != plain(copy)]

    def effects(self) -> tuple[Effect, ...]:
        """What differs, in words."""
        return tuple(
            Effect(label(before), sentence)
            for before, copy in self._pairs()
            for sentence in _differences(before, copy)
        )

    def _pairs(self) -> Iterator[tuple[Item, Item]]:
        return ((each, self._copies[each.id]) for each in self.read if each.id in self._copies)


def label(item: Item) -> str:
    """Which item, e.g. "local-models/roofs-v2"."""
    return f"{item.collection_id}/{item.id}"


def unpoint(item: Item, rel: str) -> None:
    """Have no link of a kind."""
    item.links = [each for each in item.links if each.rel != rel]


def point(item: Item, rel: str, href: str) -> None:
    """Have exactly one link of a kind."""
    if [each.href for each in item.get_links(rel)] != [href]:
        unpoint(item, rel)
        item.links.append(Link(rel, href, media_type=JSON_TYPE))


def _differences(before: Item, after: Item) -> Iterator[str]:
    if before.properties.get("deprecated", False) != after.properties["deprecated"]:
        yield "becomes deprecated" if after.properties["deprecated"] else "becomes active again"
    for rel in VERSION_LINKS:
        was, now = ([each.href for each in item.get_links(rel)] for item in (before, after))
        if was != now:
            named = re.findall(r"[a-z0-9-]+-v[1-9][0-9]*(?=\.json$|$)", now[0])[-1:] if now else []
            yield f"its {rel} leads to {(named or now)[0]}" if now else f"loses its {rel}"


def plain(item: Item) -> Json:
    """The item as JSON, with addresses as they are."""
    document: Json = item.to_dict(include_self_link=False, transform_hrefs=False)
    return document
