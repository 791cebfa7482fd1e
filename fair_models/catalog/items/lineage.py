"""Who derives from whom: said by links between items, and by fields that name an exact id."""

from __future__ import annotations

from collections.abc import Mapping

from fair_models.types import BASE_MODELS, DATASETS, CollectionId, Json

PARENT_FIELDS: Mapping[CollectionId, str] = {BASE_MODELS: "fair:base_model_id", DATASETS: "fair:dataset_id"}
"""Property of a local model that names its parent in each collection."""

DERIVED_FROM = "derived_from"


def derives(document: Json, collection: CollectionId, item_id: str, href: str) -> bool:
    """Whether an item derives from another one.

    Args:
        document: The item that may, with the same kind of addresses as `href`.
        collection: Collection of the other one.
        item_id: Its exact id.
        href: Its address.
    """
    field = PARENT_FIELDS.get(collection)
    if field is not None and document["properties"].get(field) == item_id:
        return True
    return any(link["rel"] == DERIVED_FROM and link["href"] == href for link in document["links"])
