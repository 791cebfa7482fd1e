"""Changes of what is published: each is planned from what the catalogue says, then made in one commit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from pystac import Item

from fair_models.catalog import validation
from fair_models.catalog.changes.edits import (
    LATEST,
    PREDECESSOR,
    SUCCESSOR,
    Edits,
    Effect,
    label,
    plain,
    point,
    unpoint,
)
from fair_models.catalog.items import edited, pins, tombstones, versions
from fair_models.catalog.items.building import link, timestamp
from fair_models.catalog.items.pins import Pin
from fair_models.catalog.items.tombstones import ARCHIVED
from fair_models.catalog.items.versions import current, exact, item_id, next_number, number_of, split_id
from fair_models.catalog.protocol import Catalog, Change, ItemKey
from fair_models.errors import Conflict, InvalidItem
from fair_models.types import CollectionId, Json


@dataclass(frozen=True)
class Transition:
    """A planned change of the catalogue. One without effects changes nothing."""

    change: Change
    effects: tuple[Effect, ...] = ()


NOTHING = Transition(Change())


def publish(catalog: Catalog, item: Item, needs: Sequence[ItemKey] = ()) -> Item:
    """Put a new version in and take the place of the current one, in one commit: see `publishing`.

    Returns:
        The item as the catalogue has it.
    """
    planned = publishing(catalog, item, needs)
    if planned.effects:
        catalog.commit(planned.change)
    return catalog.get(cast(CollectionId, item.collection_id), item.id)


def publishing(catalog: Catalog, item: Item, needs: Sequence[ItemKey] = ()) -> Transition:
    """A new version comes in and takes the place of the current one.

    The current version becomes deprecated and stays as it is otherwise, its number too. The versions next to
    the new one by number get links to it, and it to them. `latest-version` is right wherever it is carried:
    on the new version and on the one before; from older ones `successor-version` leads there. So a publish
    rewrites two old items, however many there are, and a few more where the new one is not the newest.

    Publishing the same item again changes nothing, whether it is still the current one or not.

    Args:
        catalog: Where to publish.
        item: The version, as one of the builders makes it. Its id ends in its number.
        needs: Items that it derives from; they must still be there at the time of the commit.

    Raises:
        InvalidItem: It breaks its profile or an official schema.
        Conflict: The version exists with other content, or existed and was deleted.
    """
    collection, name, number = _address(item)
    there = exact(catalog, collection, item.id)
    if there is not None:
        if versions.same(there, item):
            return NOTHING
        free = next_number(catalog, collection, name)
        raise Conflict(
            f"{collection}/{item.id} exists already with other content, and a version never changes: "
            f"publish it as {item_id(name, free)}"
        )
    _refuse_deleted(catalog, collection, item.id)
    new = item.clone()
    new.properties["deprecated"] = False
    validation.validate(_raw(new))
    replaced = current(catalog, collection, name)
    edits = _linked(catalog, new, replaced, number)
    expect = {(collection, name): replaced.id if replaced is not None else None}
    change = Change(
        put=[new, *edits.changed()],
        expect=expect,
        seen=edits.read,
        needs=needs,
        free=[(collection, new.id)] if edits.read else [(collection, new.id), (collection, name)],
    )
    return Transition(change, (Effect(label(new), "comes in as the active version"), *edits.effects()))


def rolling_back(catalog: Catalog, item: Item) -> Transition:
    """A published version becomes the active one again. No number changes.

    Args:
        catalog: Where it is published.
        item: The version. Where it is active, nothing changes.
    """
    collection, name, _ = _address(item)
    edits = Edits(catalog.search(collection, name=name, order="version"))
    here = catalog.href(collection, item.id)
    for each in edits.read:
        copy = edits.of(each)
        if each.id == item.id:
            copy.properties["deprecated"] = False
            copy.properties.pop(ARCHIVED, None)
            point(copy, LATEST, here)
        else:
            copy.properties["deprecated"] = True
            copy.properties.pop(ARCHIVED, None)
            if copy.get_links(LATEST):
                point(copy, LATEST, here)
    _keep_latest_near(edits, edits.read)
    return _over_versions(catalog, collection, name, edits)


def archiving(catalog: Catalog, items: Sequence[Item], moment: datetime) -> Transition:
    """Published versions of one name become deprecated. Links and bytes stay as they are.

    Args:
        catalog: Where they are published.
        items: The versions. Those that are deprecated already do not change.
        moment: When it happens.
    """
    collection, name, _ = _address(items[0])
    edits = Edits(items)
    for each in edits.read:
        if not each.properties.get("deprecated"):
            copy = edits.of(each)
            copy.properties |= {"deprecated": True, ARCHIVED: timestamp(moment)}
    return _over_versions(catalog, collection, name, edits)


def deleting(
    catalog: Catalog, items: Sequence[Item], moment: datetime, *, reason: str = "", forced: bool = False
) -> Transition:
    """Versions of one name go out, each leaving a tombstone; their neighbours are joined.

    Args:
        catalog: Where they are published.
        items: The versions.
        moment: When it happens.
        reason: Why, kept in the tombstones.
        forced: Whether they go although active items derive from them.

    Raises:
        Conflict: Active items derive from them; they are named. Never where forced.
    """
    collection, name, _ = _address(items[0])
    gone = {each.id for each in items}
    derived = {each.id: _derived(catalog, collection, each) for each in items}
    if not forced:
        _refuse_derived(collection, derived, {f"{collection}/{each}" for each in gone})
    edits = Edits(catalog.search(collection, name=name, order="version"))
    left = [each for each in edits.read if each.id not in gone]
    places = {catalog.href(collection, each) for each in gone}
    for before, each, after in zip([None, *left], left, [*left[1:], None], strict=False):
        copy = edits.of(each)
        if any(link.href in places for link in copy.get_links(LATEST)):
            unpoint(copy, LATEST)
        for rel, neighbour in ((PREDECESSOR, before), (SUCCESSOR, after)):
            if any(link.href in places for link in copy.get_links(rel)):
                unpoint(copy, rel)
                if neighbour is not None:
                    point(copy, rel, catalog.href(collection, neighbour.id))
    _keep_latest_near(edits, left)
    made = [tombstones.of(each, moment, reason, derived[each.id]) for each in items]
    planned = _over_versions(catalog, collection, name, edits)
    change = Change(
        put=planned.change.put,
        remove=[(collection, each) for each in sorted(gone)],
        expect=planned.change.expect,
        seen=edits.read,
        tombstones=made,
        unused=() if forced else [(collection, each) for each in sorted(gone)],
    )
    out = (Effect(f"{collection}/{each.id}", "goes out, a tombstone stays") for each in items)
    return Transition(change, (*out, *planned.effects))


def pinning(item: Item, pin: Pin | None) -> Change:
    """A published version is pinned, or its pin is taken off.

    Args:
        item: The version as it was read.
        pin: Why it is kept. None: it is no more.
    """
    copy = item.clone()
    copy.properties.pop(pins.FIELD, None)
    if pin is not None:
        copy.properties[pins.FIELD] = pin.to_json()
    validation.validate(_raw(copy))
    return Change(put=[copy], seen=[item])


def describing(item: Item, values: Mapping[str, Any], moment: datetime) -> Change:
    """What people read of a published version becomes another.

    Args:
        item: The version as it was read.
        values: Those of `edited.FIELDS` that change; None takes one out.
        moment: When it happens.

    Raises:
        InvalidItem: It would break its profile.
    """
    copy = item.clone()
    for name, value in values.items():
        copy.properties.pop(name, None)
        if value is not None:
            copy.properties[name] = value
    known = copy.properties.get(edited.EDITED, [])
    copy.properties |= {
        edited.EDITED: sorted({*known, *values}),
        "updated": timestamp(moment),
    }
    validation.validate(_raw(copy))
    return Change(put=[copy], seen=[item])


def _derived(catalog: Catalog, collection: CollectionId, item: Item) -> dict[str, bool]:
    """Items that derive from one, and whether each is active."""
    found = catalog.derivatives(collection, item.id)
    return {label(each): not each.properties.get("deprecated") for each in found}


def _refuse_derived(collection: CollectionId, derived: dict[str, dict[str, bool]], gone: set[str]) -> None:
    """What goes at the same time stands in nobody's way."""
    active = {
        one: [label for label, is_active in labels.items() if is_active and label not in gone]
        for one, labels in derived.items()
    }
    using = {one: labels for one, labels in active.items() if labels}
    if using:
        named = "; ".join(
            f"from {collection}/{one} derive {', '.join(labels)}" for one, labels in using.items()
        )
        raise Conflict(
            f"Nothing was deleted: {named}. Archive or delete these first, or force it: "
            "a tombstone then keeps the lineage readable"
        )


def _over_versions(catalog: Catalog, collection: CollectionId, name: str, edits: Edits) -> Transition:
    """The change that writes what was edited, as long as the current version is still the same."""
    changed = edits.changed()
    if not changed and not edits.read:
        return NOTHING
    now = current(catalog, collection, name)
    expect = {(collection, name): now.id if now is not None else None}
    return Transition(Change(put=changed, expect=expect, seen=edits.read), edits.effects())


def _keep_latest_near(edits: Edits, known: Sequence[Item]) -> None:
    """Where the newest version is active, `latest-version` is said by it and by the one before alone.

    The next publish looks at these two, not at all versions: see `_around`.
    """
    if known and not edits.of(known[-1]).properties.get("deprecated"):
        for each in known[:-2]:
            unpoint(edits.of(each), LATEST)


def _linked(catalog: Catalog, new: Item, replaced: Item | None, number: int) -> Edits:
    """Link the new version with those next to it. Returns the old items, edited."""
    collection, name, _ = _address(new)
    here = catalog.href(collection, new.id)
    around = _around(catalog, collection, name, replaced, number)
    edits = Edits(around.items)
    before, after = around.before, around.after
    point(new, LATEST, here)
    carriers = {
        each.id for each in ((before,) if after is None else (before, after, replaced)) if each is not None
    }
    for old in edits.read:
        copy = edits.of(old)
        copy.properties.pop(ARCHIVED, None)
        unpoint(copy, LATEST)
        if old.id in carriers:
            point(copy, LATEST, here)
    if before is not None:
        point(new, PREDECESSOR, catalog.href(collection, before.id))
        point(edits.of(before), SUCCESSOR, here)
    if after is not None:
        point(new, SUCCESSOR, catalog.href(collection, after.id))
        point(edits.of(after), PREDECESSOR, here)
    if replaced is not None:
        edits.of(replaced).properties["deprecated"] = True
    return edits


@dataclass(frozen=True)
class _Around:
    """Old items that a new version changes: its neighbours by number, and those with `latest-version`."""

    before: Item | None
    after: Item | None
    items: list[Item]


def _around(
    catalog: Catalog, collection: CollectionId, name: str, replaced: Item | None, number: int
) -> _Around:
    """What a new version changes.

    Mostly it follows the newest one, which is current: then that is its neighbour, and the only other item
    with `latest-version` is the one before that. Otherwise all versions of the name are looked through.
    """
    if replaced is not None and number_of(replaced) < number and not replaced.get_links(SUCCESSOR):
        former = _predecessor(catalog, collection, replaced)
        return _Around(replaced, None, [each for each in (replaced, former) if each is not None])
    known = [
        each for each in catalog.search(collection, name=name, order="version") if number_of(each) != number
    ]
    below = [item for item in known if number_of(item) < number]
    above = [item for item in known if number_of(item) > number]
    before, after = (below[-1] if below else None), (above[0] if above else None)
    touched = {each.id for each in (replaced, before, after) if each is not None}
    touched |= {item.id for item in known if item.get_links(LATEST) or ARCHIVED in item.properties}
    return _Around(before, after, [item for item in known if item.id in touched])


def _predecessor(catalog: Catalog, collection: CollectionId, item: Item) -> Item | None:
    name, _ = split_id(item.id)
    ids = [re.findall(rf"{re.escape(name)}-v[1-9][0-9]*", link.href) for link in item.get_links(PREDECESSOR)]
    return exact(catalog, collection, ids[0][-1]) if ids and ids[0] else None


def _refuse_deleted(catalog: Catalog, collection: CollectionId, wanted: str) -> None:
    name, _ = split_id(wanted)
    for each in catalog.tombstones(collection, name):
        if each.id == wanted:
            raise Conflict(
                f"{collection}/{wanted} {tombstones.deletion(each)}, and the number of a deleted version is "
                f"never used again: publish it as {item_id(name, next_number(catalog, collection, name))}"
            )


def _address(item: Item) -> tuple[CollectionId, str, int]:
    name, number = split_id(item.id)
    if number is None:
        raise InvalidItem(item.id, ["id: ends in no version; write it as name-v1"])
    return cast(CollectionId, item.collection_id), name, number


def _raw(item: Item) -> Json:
    """The item as JSON, with the link to its collection that an adapter makes when it stores it."""
    document = plain(item)
    if not any(each["rel"] == "collection" for each in document["links"]):
        document["links"].append(link("collection", "../collection.json", media_type="application/json"))
    return document


def now() -> datetime:
    """The time of a change, aware, in UTC."""
    return datetime.now(UTC)
