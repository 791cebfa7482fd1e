"""Versions of a name: their ids, and finding them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from pystac import Item

from fair_models import ownership
from fair_models.catalog import names
from fair_models.catalog.items import assets, edited, pins, tombstones
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Conflict, NotFound
from fair_models.types import VERSION_SUFFIX, CollectionId

_VERSION_LINKS = frozenset({"predecessor-version", "successor-version", "latest-version"})
_PLACE_LINKS = frozenset({"self", "root", "parent", "collection"})
_MADE_OF_OTHERS = frozenset({assets.LABEL_REPORT, assets.LABEL_PICTURE})
"""Files that are made of the others: other software may write other bytes that say the same."""

_CHANGING = frozenset(
    {
        "deprecated",
        tombstones.ARCHIVED,
        pins.FIELD,
        "created",
        "updated",
        "datetime",
        edited.EDITED,
        *ownership.FIELDS,
    }
)


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
        collection: One collection, or several.
        reference: A bare name (its current version) or an exact id ("banepa-roofs-v2"), after its collection
            where several have it ("local-models/banepa-roofs").

    Raises:
        NotFound: There is none; names the nearest, or says that all versions are deprecated.
        Conflict: Several collections have it; names them all.
    """
    places = [collection] if isinstance(collection, str) else list(collection)
    named, wanted = names.split_reference(reference)
    if named is not None and named not in places:
        raise NotFound(
            f"{reference} names an item of {named}, and here one of {' or '.join(places)} is meant"
        )
    found = known(catalog, places if named is None else [named], wanted)
    if len(found) > 1:
        raise Conflict(names.ambiguous(reference, [f"{item.collection_id}/{item.id}" for item in found]))
    if not found:
        raise _not_found(catalog, places if named is None else [named], wanted)
    return found[0]


def known(catalog: Catalog, places: Sequence[CollectionId], reference: str) -> list[Item]:
    """All that a reference without a collection may mean, at most one item of each collection."""
    name, number = split_id(reference)
    found = (
        exact(catalog, place, reference) if number else current(catalog, place, name) for place in places
    )
    return [item for item in found if item is not None]


def of_prediction(catalog: Catalog, item_id: str, href: str, checksum: str) -> Item:
    """The model that made a prediction, even where two collections have its id today.

    Args:
        catalog: Where to look.
        item_id: Exact id of the model, as the prediction has it.
        href: Where the model's item lay.
        checksum: Digest of the network that ran.

    Raises:
        NotFound: There is none; names the nearest.
        Conflict: Several collections have the id, and neither digest nor address says which made it.
    """
    found = known(catalog, names.MODELS, item_id)
    if len(found) > 1:
        ran = [each for each in found if checksum in _checksums(each)]
        there = [each for each in ran or found if _is_at(each, href)]
        found = ran if len(ran) == 1 else there or found
    if not found:
        raise _not_found(catalog, names.MODELS, item_id)
    if len(found) > 1:
        both = [f"{item.collection_id}/{item.id}" for item in found]
        raise Conflict(
            f"{' and '.join(both)} have the id of the model that made the prediction, and neither has the "
            "network that ran: delete the one that is wrong (fair-models audit names it)"
        )
    return found[0]


def _checksums(item: Item) -> set[str]:
    return {str(asset.extra_fields.get("file:checksum")) for asset in item.assets.values()}


def _is_at(item: Item, href: str) -> bool:
    """Whether an address is that of an item, wherever its catalogue lay then."""
    return item.get_self_href() == href or f"/{item.collection_id}/" in href


def next_number(catalog: Catalog, collection: CollectionId, name: str) -> int:
    """The number that the next version of a name gets: one more than the largest that there is or was."""
    last = newest(catalog, collection, name)
    gone = max((number_of(each) for each in catalog.tombstones(collection, name)), default=0)
    return 1 + max(gone, 0 if last is None else number_of(last))


def same(one: Item, other: Item) -> bool:
    """Whether two items say the same: all but times, place in the catalogue and links to other versions.

    Files are the same when their digests are, wherever they lie. What people changed of either of them after
    it was published does not count.
    """
    changed = frozenset(
        name
        for item in (one, other)
        if isinstance(names_of := item.properties.get(edited.EDITED), list)
        for name in names_of
    )
    return _content(one, changed) == _content(other, changed)


def newest(catalog: Catalog, collection: CollectionId, name: str) -> Item | None:
    """The version with the largest number. None where there is none."""
    last = None
    for last in catalog.search(collection, name=name, order="version"):  # noqa: B007 – the last one is meant
        pass
    return last


def number_of(item: Item) -> int:
    """The number that an item's id ends in; 0 where it ends in none."""
    return split_id(item.id)[1] or 0


def exact(catalog: Catalog, collection: CollectionId, item_id: str) -> Item | None:
    """The item of an id. None where there is none."""
    try:
        return catalog.get(collection, item_id)
    except NotFound:
        return None


def _content(item: Item, changed: frozenset[str]) -> tuple[Any, ...]:
    """What makes two items the same, see `same`."""
    document = item.to_dict(include_self_link=False, transform_hrefs=False)
    left_out = _CHANGING | changed
    properties = {key: value for key, value in document["properties"].items() if key not in left_out}
    files = {
        key: {**asset, "href": asset.get("file:checksum", asset["href"])}
        for key, asset in document["assets"].items()
        if key not in _MADE_OF_OTHERS
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
        for buried in catalog.tombstones(place, name):
            if buried.id == reference:
                return NotFound(f"{place}/{reference} {tombstones.deletion(buried)}")
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
