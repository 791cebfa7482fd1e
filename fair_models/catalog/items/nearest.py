"""What to say of an id that no item has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

from pystac import Item

from fair_models.catalog.items import tombstones
from fair_models.errors import NotFound
from fair_models.types import CollectionId


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
            return NotFound(f"{collection}/{item_id} {tombstones.told(each)}")
    nearest = versions[:3] or get_close_matches(item_id, ids(), cutoff=0.5)
    hint = f"the nearest are {', '.join(nearest)}" if nearest else "nothing there is named like it"
    return NotFound(f"{collection} has no item {item_id}: {hint}. All are listed by: fair-models list")
