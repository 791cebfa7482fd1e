"""Copying a catalogue from one adapter to another: from a folder into pgstac, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pystac import Item

from fair_models.catalog.changes.documents import made_item, to_document
from fair_models.catalog.changes.edits import label
from fair_models.catalog.protocol import Catalog, Change, ItemKey
from fair_models.errors import Conflict
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId

AT_ONCE = 500
"""Items of one commit."""

_ORDER: tuple[CollectionId, ...] = (BASE_MODELS, DATASETS, LOCAL_MODELS)
"""What others derive from comes first."""


@dataclass(frozen=True)
class Copied:
    """What a copy did.

    items, tombstones: How many were written.
    same: How many items and tombstones were there already.
    """

    items: int
    tombstones: int
    same: int


def copy(source: Catalog, target: Catalog) -> Copied:
    """Copy all items and tombstones.

    Links between them lead to the target's addresses; files stay where they are.

    Doing it again after a crash goes on with what is missing.

    Args:
        source: What is copied, while nobody changes it.
        target: An empty catalogue, or one that has nothing but what the source has.

    Raises:
        Conflict: The target has something else; nothing was changed.
        Unavailable: One of the two does not answer, or the target cannot be written.
    """
    items = {name: list(source.search(name)) for name in _ORDER}
    buried = {name: list(source.tombstones(name)) for name in _ORDER}
    moved = _Moved(
        source, target, [key(item) for held in (items, buried) for each in held.values() for item in each]
    )
    wanted = {key(item): moved.item(item) for each in items.values() for item in each}
    graves = {key(item): moved.item(item) for each in buried.values() for item in each}
    there = {key(item): item for name in _ORDER for item in target.search(name)}
    known = {key(item): item for name in _ORDER for item in target.tombstones(name)}
    _refuse_others(target, there, {**graves, **wanted})
    _refuse_others(target, known, graves)
    new_graves = [item for address, item in graves.items() if address not in known]
    new = [item for address, item in wanted.items() if address not in there]
    for batch in _batches(new_graves):
        target.commit(
            Change(put=batch, as_found=True)
        )  # only what is there can be taken out and leave a tombstone
        target.commit(Change(remove=[key(item) for item in batch], tombstones=batch))
    for batch in _batches(new):
        target.commit(Change(put=batch, as_found=True))
    same = len(wanted) + len(graves) - len(new) - len(new_graves)
    return Copied(len(new), len(new_graves), same)


def key(item: Item) -> ItemKey:
    """Collection and id of an item."""
    return cast(CollectionId, item.collection_id), item.id


class _Moved:
    """Items with links that lead to the target where they led to the source."""

    def __init__(self, source: Catalog, target: Catalog, keys: Sequence[ItemKey]) -> None:
        self._target = target
        self._hrefs = {source.href(*each): target.href(*each) for each in keys}

    def item(self, item: Item) -> Item:
        """A copy as the target is to have it."""
        document = to_document(item)
        for link in document["links"]:
            link["href"] = self._hrefs.get(link["href"], link["href"])
        return made_item(document, self._target.href(*key(item)))


def _refuse_others(target: Catalog, there: Mapping[ItemKey, Item], wanted: Mapping[ItemKey, Item]) -> None:
    """Refuse a target with what the source does not have, or has otherwise."""
    others = [
        label(item)
        for address, item in there.items()
        if address not in wanted or to_document(item) != to_document(wanted[address])
    ]
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        raise Conflict(
            f"The target is not empty: it has {', '.join(others[:5])}{more}, which the source does "
            "not have, or has otherwise. Nothing was changed; copy to an empty one"
        )


def _batches(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE)]
