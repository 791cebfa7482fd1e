"""What stays of a deleted version: an item without assets that keeps lineage readable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import cast

from pystac import Item

from fair_models.catalog.items.building import timestamp
from fair_models.catalog.schemas import extensions
from fair_models.errors import NotFound
from fair_models.types import CollectionId, Json

TOMBSTONE = "fair:tombstone"
REL = "tombstone"
"""Relation of the link by which a collection finds its tombstones."""

ARCHIVED = "fair:archived"
"""Property of the version that was active when it was archived: the time. None is active then on purpose."""


def of(item: Item, moment: datetime, reason: str, derived: Mapping[str, bool]) -> Item:
    """The tombstone of an item that is deleted.

    It has the item's properties and links, so that whoever derives from it can still read what it was, and
    the digests of its files in place of the files.

    Args:
        item: What is deleted.
        moment: When.
        reason: Why; may be empty.
        derived: Items that derive from it, and whether each is active.
    """
    said = {
        "deleted": timestamp(moment),
        "reason": reason,
        "forced": any(derived.values()),
        "was_active": not item.properties.get("deprecated", False) or ARCHIVED in item.properties,
        "derived": sorted(derived),
        "files": {
            key: asset.extra_fields["file:checksum"]
            for key, asset in item.assets.items()
            if "file:checksum" in asset.extra_fields
        },
    }
    made = item.clone()
    made.assets = {}
    made.stac_extensions = [extensions.VERSION]
    made.properties |= {"deprecated": True, TOMBSTONE: said}
    return made


def note(tombstone: Item) -> Json:
    """What a tombstone says of the deletion.

    `deleted` (time), `reason`, `forced` (active items derived from it), `was_active` (also where it was
    archived then, and none became active since), `derived` (who did), `files` (digests by asset key).
    """
    return cast(Json, tombstone.properties[TOMBSTONE])


def deleted(tombstone: Item) -> datetime:
    """When it was deleted, to the second, aware, UTC."""
    return datetime.fromisoformat(note(tombstone)["deleted"])


def deletion(tombstone: Item) -> str:
    """When and why it was deleted, as the middle of a sentence."""
    said = note(tombstone)
    why = f" ({said['reason']})" if said["reason"] else ""
    return f"was deleted on {said['deleted']}{why}"


def not_found(
    collection: CollectionId,
    item_id: str,
    buried: Iterable[Item],
    versions: Sequence[str],
    ids: Callable[[], Sequence[str]],
) -> NotFound:
    """The error for an id: what became of it, other versions of its name, or ids that look most like it.

    Args:
        collection: Where it was looked for.
        item_id: What was looked for.
        buried: Tombstones of its name.
        versions: Ids of all versions of its name, the newest first.
        ids: Gives all ids of the collection.
    """
    for each in buried:
        if each.id == item_id:
            return NotFound(f"{collection}/{item_id} {deletion(each)}")
    nearest = versions[:3] or get_close_matches(item_id, ids(), cutoff=0.5)
    hint = f"the nearest are {', '.join(nearest)}" if nearest else "nothing there is named like it"
    return NotFound(f"{collection} has no item {item_id}: {hint}. All are listed by: fair-models list")
