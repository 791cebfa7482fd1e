"""Fields that searches are usually made by. Every other property can be asked for too."""

from __future__ import annotations

from typing import NamedTuple

from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId, Json

MODELS: tuple[CollectionId, ...] = (BASE_MODELS, LOCAL_MODELS)
EVERYWHERE: tuple[CollectionId, ...] = (*MODELS, DATASETS)

_TEXT, _FLAG, _TIME = {"type": "string"}, {"type": "boolean"}, {"type": "string", "format": "date-time"}
_WORDS = {"type": "array", "items": {"type": "string"}}


class Queryable(NamedTuple):
    """One field.

    collections: Whose items have it.
    schema: JSON Schema of its values.
    title: What it is.
    """

    collections: tuple[CollectionId, ...]
    schema: Json
    title: str


PROPERTIES: dict[str, Queryable] = {
    "mlm:name": Queryable(MODELS, _TEXT, "Name of the model, without its version"),
    "mlm:tasks": Queryable(MODELS, _WORDS, "What the model does, in the words of MLM"),
    "mlm:architecture": Queryable(MODELS, _TEXT, "Network"),
    "mlm:framework": Queryable(MODELS, _TEXT, "Framework of the weights"),
    "label:tasks": Queryable((DATASETS,), _WORDS, "What the labels are for"),
    "label:type": Queryable((DATASETS,), _TEXT, "vector or raster"),
    "fair:base_model_id": Queryable((LOCAL_MODELS,), _TEXT, "Exact id of the base model"),
    "fair:dataset_id": Queryable((LOCAL_MODELS,), _TEXT, "Exact id of the dataset"),
    "keywords": Queryable(EVERYWHERE, _WORDS, "What is mapped, and how"),
    "deprecated": Queryable(EVERYWHERE, _FLAG, "Whether another version took its place, or it was archived"),
    "version": Queryable(EVERYWHERE, _TEXT, "Number of the version"),
    "license": Queryable(EVERYWHERE, _TEXT, "Licence"),
    "title": Queryable(EVERYWHERE, _TEXT, "Title"),
    "gsd": Queryable(EVERYWHERE, {"type": "number"}, "Ground resolution in metres per pixel"),
}
"""Properties of items."""

CORE: dict[str, Json] = {
    "id": {"title": "Exact id of the item", **_TEXT},
    "collection": {"title": "Collection of the item", **_TEXT},
    "geometry": {
        "title": "Where the item belongs",
        "$ref": "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json#/core/geometry",
    },
    "datetime": {"title": "When, or the begin of a span", **_TIME},
    "end_datetime": {"title": "End of a span; the same as datetime where there is none", **_TIME},
    "created": {"title": "When it was published", **_TIME},
    "updated": {"title": "When it was last changed", **_TIME},
}
"""What every item has."""


def queryables(address: str, collection: str | None = None) -> Json:
    """The JSON Schema of what can be asked for.

    Args:
        address: Where it is served.
        collection: Of one collection; None for what is in any.
    """
    properties = {
        name: {"title": each.title, **each.schema}
        for name, each in PROPERTIES.items()
        if collection is None or collection in each.collections
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": address,
        "type": "object",
        "title": f"Queryables of {collection or 'all collections'}",
        "properties": {**CORE, **properties},
        "additionalProperties": True,
    }
