"""What a version came from, and what came from it, as far as the caller may see it."""

from __future__ import annotations

from typing import cast

from pystac import Item

from fair_models.catalog import query
from fair_models.catalog.items.item import RegistryItem
from fair_models.store.locations import is_web
from fair_models.types import CollectionId
from fair_models.web import links
from fair_models.web.api import documents
from fair_models.web.api.visible import VisibleCatalog


def lineage(seen: VisibleCatalog, item: Item, base: str) -> documents.LineageDocument:
    """Both directions of what items declare."""
    collection = cast(CollectionId, item.collection_id)
    return documents.LineageDocument(
        id=item.id,
        derived_from=[_ancestor(each, base) for each in query.ancestors(seen, item)],
        derivatives=[_derivative(each, base) for each in seen.derivatives(collection, item.id)],
    )


def _ancestor(found: query.Ancestor, base: str) -> documents.Relative:
    is_elsewhere = found.collection is None and not is_web(found.id)
    return documents.Relative(
        id=links.filename_of(found.id) if is_elsewhere else found.id,  # never a path of this machine
        collection=found.collection,
        title=found.title,
        depth=found.depth + 1,
        deprecated=found.is_deprecated,
        href=links.resource(base, found.collection, found.id) if found.collection is not None else None,
    )


def _derivative(item: Item, base: str) -> documents.Relative:
    collection = cast(CollectionId, item.collection_id)
    return documents.Relative(
        id=item.id,
        collection=collection,
        title=RegistryItem(item).title,
        depth=1,
        deprecated=RegistryItem(item).is_deprecated,
        href=links.resource(base, collection, item.id),
    )
