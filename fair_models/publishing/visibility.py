"""Who sees what is published under a name: everybody, or its owner, its maintainers and admins."""

from __future__ import annotations

from collections.abc import Sequence

from pystac import Item

from fair_models.catalog.protocol import Catalog, Change
from fair_models.errors import NotFound
from fair_models.ownership import PRIVATE, PUBLIC, VISIBILITY, Visibility
from fair_models.types import CollectionId


def set_visibility(
    catalog: Catalog, collections: Sequence[CollectionId], name: str, visibility: Visibility
) -> list[Item]:
    """Show all versions of a name to everybody, or hide them: one commit. Doing it again changes nothing.

    Args:
        catalog: Where they are published.
        collections: The collections that may have the name.
        name: The name, without a version.
        visibility: public or private. Further versions are as visible as the one before.

    Returns:
        The versions that changed.

    Raises:
        NotFound: Nothing is published under the name.
        Conflict: Somebody else changed a version meanwhile. Nothing was changed.
    """
    found = [
        item for collection in collections for item in catalog.search(collection, name=name, order="version")
    ]
    if not found:
        raise NotFound(f"Nothing is published under the name {name}")
    seen = [item for item in found if is_private(item) != (visibility == PRIVATE)]
    changed = []
    for item in seen:
        copy = item.clone()
        copy.properties[VISIBILITY] = visibility
        changed.append(copy)
    if changed:
        catalog.commit(Change(put=changed, seen=seen))
    return changed


def is_private(item: Item) -> bool:
    """Whether an item is hidden from others; without a word of its own it is not."""
    return bool(item.properties.get(VISIBILITY, PUBLIC) == PRIVATE)
