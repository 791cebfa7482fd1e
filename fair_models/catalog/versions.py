"""Versions of a name: finding them, and publishing the next one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

from pystac import Item, Link

from fair_models.catalog import profiles
from fair_models.catalog.building import JSON_TYPE, link
from fair_models.catalog.protocol import Catalog, Change
from fair_models.errors import Conflict, InvalidItem, NotFound
from fair_models.types import VERSION_SUFFIX, CollectionId, Json

PREDECESSOR = "predecessor-version"
SUCCESSOR = "successor-version"
LATEST = "latest-version"

_VERSION_LINKS = frozenset({PREDECESSOR, SUCCESSOR, LATEST})
_PLACE_LINKS = frozenset({"self", "root", "parent", "collection"})
_CHANGING = frozenset({"deprecated", "created", "updated", "datetime"})


def item_id(name: str, number: int) -> str:
    """The exact id of a version, e.g. "banepa-roofs-v2"."""
    return f"{name}-v{number}"


def split_id(item_id: str) -> tuple[str, int | None]:
    """Name and number of an id: ("banepa-roofs", 2); the number is None where the id does not end in one."""
    found = re.search(VERSION_SUFFIX, item_id)
    return (item_id[: found.start()], int(found.group()[2:])) if found else (item_id, None)


def current(catalog: Catalog, collection: CollectionId, name: str) -> Item | None:
    """The version that a bare name means: the one that is not deprecated. None where there is none.

    Raises:
        Conflict: Several are active, which a catalogue written by fair-models never has.
    """
    active = list(catalog.search(collection, name=name, deprecated=False, order="version"))
    if len(active) > 1:
        found = ", ".join(item.id for item in active)
        raise Conflict(f"{collection}/{name} has {len(active)} active versions ({found}); name one exactly")
    return active[0] if active else None


def resolve(catalog: Catalog, collection: CollectionId | Sequence[CollectionId], reference: str) -> Item:
    """The item that a reference means.

    Args:
        catalog: Where to look.
        collection: One collection, or several that are asked in this order: the first that knows it wins.
        reference: A bare name (its current version) or an exact id ("banepa-roofs-v2").

    Raises:
        NotFound: There is none; names the nearest, or says that all versions are deprecated.
    """
    places = [collection] if isinstance(collection, str) else list(collection)
    name, number = split_id(reference)
    for place in places:
        found = _exact(catalog, place, reference) if number else current(catalog, place, name)
        if found is not None:
            return found
    raise _not_found(catalog, places, reference)


def next_number(catalog: Catalog, collection: CollectionId, name: str) -> int:
    """The number that the next version of a name gets: one more than the largest there is."""
    newest = _newest(catalog, collection, name)
    return 1 if newest is None else _number(newest) + 1


def publish(catalog: Catalog, item: Item) -> Item:
    """Put a new version in and take the place of the current one, in one commit.

    The current version becomes deprecated and stays as it is otherwise, its number too. The versions next to
    the new one by number get links to it, and it to them. `latest-version` is right wherever it is carried:
    on the new version and on the one before; from older ones `successor-version` leads there. So a publish
    rewrites two old items, however many there are, and a few more where the new one is not the newest.

    Publishing the same item again changes nothing, whether it is still the current one or not.

    Args:
        catalog: Where to publish.
        item: The version, as one of the builders makes it. Its id ends in its number.

    Returns:
        The item as the catalogue has it.

    Raises:
        InvalidItem: It breaks its profile or an official schema. Nothing was changed.
        Conflict: The version exists with other content, or somebody else published meanwhile.
    """
    collection, name, number = _address(item)
    there = _exact(catalog, collection, item.id)
    if there is not None:
        if _content(there) == _content(item):
            return there
        free = next_number(catalog, collection, name)
        raise Conflict(
            f"{collection}/{item.id} exists already with other content, and a version never changes: "
            f"publish it as {item_id(name, free)}"
        )
    new = item.clone()
    new.properties["deprecated"] = False
    profiles.validate(_raw(new))
    replaced = current(catalog, collection, name)
    changed = _linked(catalog, new, replaced, number)
    expected = replaced.id if replaced is not None else None
    catalog.commit(Change(put=[new, *changed], expect={(collection, name): expected}))
    return catalog.get(collection, item.id)


def same(one: Item, other: Item) -> bool:
    """Whether two items say the same: all but times, place in the catalogue and links to other versions.

    Files are the same when their digests are, wherever they lie.
    """
    return _content(one) == _content(other)


def _linked(catalog: Catalog, new: Item, replaced: Item | None, number: int) -> list[Item]:
    """Link the new version with those next to it. Returns the old items that changed."""
    collection, name, _ = _address(new)
    here = catalog.href(collection, new.id)
    around = _around(catalog, collection, name, replaced, number)
    before, after = around.before, around.after
    _point(new, LATEST, here)
    carriers = {
        each.id for each in ((before,) if after is None else (before, after, replaced)) if each is not None
    }
    for old in around.items.values():
        _unpoint(old, LATEST)
        if old.id in carriers:
            _point(old, LATEST, here)
    if before is not None:
        _point(new, PREDECESSOR, catalog.href(collection, before.id))
        _point(before, SUCCESSOR, here)
    if after is not None:
        _point(new, SUCCESSOR, catalog.href(collection, after.id))
        _point(after, PREDECESSOR, here)
    if replaced is not None:
        around.items[replaced.id].properties["deprecated"] = True
    return list(around.items.values())


@dataclass(frozen=True)
class _Around:
    """Old items that a new version changes: its neighbours by number, and those with `latest-version`."""

    before: Item | None
    after: Item | None
    items: dict[str, Item]


def _around(
    catalog: Catalog, collection: CollectionId, name: str, replaced: Item | None, number: int
) -> _Around:
    """What a new version changes.

    Mostly it follows the newest one, which is current: then that is its neighbour, and the only other item
    with `latest-version` is the one before that. Otherwise all versions of the name are looked through.
    """
    if replaced is not None and _number(replaced) < number and not replaced.get_links(SUCCESSOR):
        former = _predecessor(catalog, collection, replaced)
        return _Around(replaced, None, {each.id: each for each in (replaced, former) if each is not None})
    versions = {item.id: item for item in catalog.search(collection, name=name, order="version")}
    below = [item for item in versions.values() if _number(item) < number]
    above = [item for item in versions.values() if _number(item) > number]
    before, after = (below[-1] if below else None), (above[0] if above else None)
    touched = {each.id for each in (replaced, before, after) if each is not None}
    touched |= {item.id for item in versions.values() if item.get_links(LATEST)}
    return _Around(before, after, {each: versions[each] for each in versions if each in touched})


def _predecessor(catalog: Catalog, collection: CollectionId, item: Item) -> Item | None:
    name, _ = split_id(item.id)
    ids = [re.findall(rf"{re.escape(name)}-v[1-9][0-9]*", link.href) for link in item.get_links(PREDECESSOR)]
    return _exact(catalog, collection, ids[0][-1]) if ids and ids[0] else None


def _newest(catalog: Catalog, collection: CollectionId, name: str) -> Item | None:
    newest = None
    for newest in catalog.search(collection, name=name, order="version"):  # noqa: B007 – the last one is meant
        pass
    return newest


def _address(item: Item) -> tuple[CollectionId, str, int]:
    name, number = split_id(item.id)
    if number is None:
        raise InvalidItem(item.id, ["id: ends in no version; write it as name-v1"])
    return cast(CollectionId, item.collection_id), name, number


def _number(item: Item) -> int:
    return split_id(item.id)[1] or 0


def _exact(catalog: Catalog, collection: CollectionId, item_id: str) -> Item | None:
    try:
        return catalog.get(collection, item_id)
    except NotFound:
        return None


def _unpoint(item: Item, rel: str) -> None:
    item.links = [each for each in item.links if each.rel != rel]


def _point(item: Item, rel: str, href: str) -> None:
    """Have exactly one link of a kind."""
    _unpoint(item, rel)
    item.links.append(Link(rel, href, media_type=JSON_TYPE))


def _raw(item: Item) -> Json:
    """The item as JSON, with the link to its collection that an adapter makes when it stores it."""
    document: Json = item.to_dict(include_self_link=False, transform_hrefs=False)
    if not any(each["rel"] == "collection" for each in document["links"]):
        document["links"].append(link("collection", "../collection.json", media_type="application/json"))
    return document


def _content(item: Item) -> tuple[Any, ...]:
    """What makes two items the same: all but times, place in the catalogue and links to other versions.

    Files are the same when their digests are, wherever they lie.
    """
    document = item.to_dict(include_self_link=False, transform_hrefs=False)
    properties = {key: value for key, value in document["properties"].items() if key not in _CHANGING}
    files = {
        key: {**asset, "href": asset.get("file:checksum", asset["href"])}
        for key, asset in document["assets"].items()
    }
    other = sorted(
        (each["rel"], each["href"])
        for each in document["links"]
        if each["rel"] not in _VERSION_LINKS | _PLACE_LINKS
    )
    return properties, files, other, document["geometry"], document["collection"]


def _not_found(catalog: Catalog, places: Sequence[CollectionId], reference: str) -> NotFound:
    name, number = split_id(reference)
    where = " or ".join(places)
    for place in places:
        versions = [item.id for item in catalog.search(place, name=name, order="version")]
        if versions and number is None:
            return NotFound(
                f"{place}/{name} has no active version, all are deprecated; name one exactly: {versions[-1]}"
            )
        if versions:
            return NotFound(f"{place} has no {reference}; of {name} there are {', '.join(versions[-5:])}")
    known = sorted({split_id(item.id)[0] for place in places for item in catalog.search(place)})
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "fair-models list shows what there is"
    return NotFound(f"There is no {reference} in {where}; {hint}")
