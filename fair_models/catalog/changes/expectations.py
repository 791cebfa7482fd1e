"""What a change was planned on, looked at again by the holder of the catalogue's lock: compare-and-set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from fair_models.catalog import names
from fair_models.catalog.items.versions import split_id
from fair_models.catalog.protocol import Change
from fair_models.errors import Conflict
from fair_models.types import CollectionId, Json


class State(Protocol):
    """The catalogue as it is, while nobody else changes it."""

    def current(self, collection: CollectionId, name: str) -> list[str]:
        """Ids of the items of a name that are not deprecated."""

    def versions(self, collection: CollectionId, name: str) -> list[str]:
        """Ids of all versions of a name."""

    def document(self, collection: CollectionId, item_id: str) -> Json | None:
        """One item as `documents.to_document` makes it."""

    def has(self, collection: CollectionId, item_id: str) -> bool:
        """Whether there is an item of this id."""

    def derived(self, collection: CollectionId, item_id: str) -> list[Json]:
        """Documents of the items that derive from one."""

    def is_buried(self, collection: CollectionId, item_id: str) -> bool:
        """Whether an item of this id was deleted."""


def check(state: State, change: Change, seen: Sequence[Json]) -> None:
    """Whether all that a change expects is so.

    Args:
        state: The catalogue.
        change: The change.
        seen: Documents of what the change was planned from.

    Raises:
        Conflict: Somebody else was faster.
    """
    _check_current(state, change)
    _check_seen(state, seen)
    _check_lineage(state, change)
    _check_free(state, change)
    _check_names(state, change)


def _check_current(state: State, change: Change) -> None:
    wrong = []
    for (collection, name), expected in change.expect.items():
        current = state.current(collection, name)
        if current != ([] if expected is None else [expected]):
            found = " and ".join(current) or "none"
            wrong.append(f"the current item of {collection}/{name} is {found}, not {expected or 'none'}")
    if wrong:
        raise Conflict(f"Somebody else was faster: {'; '.join(wrong)}. Look at it, then try again")


def _check_seen(state: State, seen: Sequence[Json]) -> None:
    changed = []
    for document in seen:
        found = state.document(document["collection"], document["id"])
        if found != document:
            changed.append(
                f"{document['collection']}/{document['id']} is {'gone' if found is None else 'changed'}"
            )
    if changed:
        raise Conflict(f"Somebody else was faster: {', '.join(changed)}. Look at it, then try again")


def _check_names(state: State, change: Change) -> None:
    """No new item has a name that a model of the other kind has. What clashes already can be changed."""
    if change.as_found:
        return
    gone = set(change.remove)
    for item in change.put:
        collection = cast(CollectionId, item.collection_id)
        name, _ = split_id(item.id)
        rivals = names.rivals(collection)
        if not rivals or state.has(collection, item.id):
            continue
        together = {each.id for each in change.put if each.collection_id in rivals}
        for other in rivals:
            ids = [each for each in state.versions(other, name) if (other, each) not in gone]
            ids += [each for each in sorted(together) if split_id(each)[0] == name and each not in ids]
            if ids:
                raise Conflict(names.taken(collection, name, other, ids))


def _check_lineage(state: State, change: Change) -> None:
    missing = [
        f"{collection}/{item_id}"
        for collection, item_id in change.needs
        if not state.has(collection, item_id)
    ]
    if missing:
        raise Conflict(
            f"Somebody else was faster: {', '.join(missing)} was deleted. Look at it, then try again"
        )
    for collection, item_id in change.unused:
        found = state.derived(collection, item_id)
        active = [
            each["id"]
            for each in found
            if not each["properties"].get("deprecated")
            and (each["collection"], each["id"]) not in change.remove
        ]
        if active:
            raise Conflict(
                f"Somebody else was faster: {', '.join(active)} derives from {collection}/{item_id} now. "
                "Look at it, then try again"
            )


def _check_free(state: State, change: Change) -> None:
    taken = []
    for collection, each in change.free:
        name, number = split_id(each)
        taken += [each] if state.has(collection, each) else []
        if number is None:
            taken += state.versions(collection, name)
        elif state.is_buried(collection, each):
            taken.append(f"{each} (deleted)")
    if taken:
        raise Conflict(
            f"Somebody else was faster: {', '.join(taken)} was published. Look at it, then try again"
        )
