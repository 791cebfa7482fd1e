"""Items as pgstac can serve them: it drops every null, and it needs a place.

What a null says is said in another way here, so that what the API answers keeps the schemas that it
names. The item itself, nulls included, is kept beside it (see `pgstac_rows`).
"""

from __future__ import annotations

from typing import Any

from fair_models.catalog.items.building import WORLD
from fair_models.catalog.schemas import extensions
from fair_models.types import Json


def served(item: Json) -> Json:
    """What others are served of an item.

    An item without a place has the whole world, one with a span of time has its start as `datetime`. Labels
    in vectors name the property that tells their class; labels in rasters have none, which label 1.0.1 says
    by nulls alone, so that such an item does not name that extension. Any other null is left out: nothing
    was measured.

    Args:
        item: As raw JSON. It is not changed.
    """
    properties, named = dict(item["properties"]), item.get("stac_extensions") or []
    if properties.get("datetime") is None and "start_datetime" in properties:
        properties["datetime"] = properties["start_datetime"]
    if extensions.LABEL in named and properties.get("label:properties") is None:
        names = _label_properties(properties.get("label:classes"))
        if names:
            properties["label:properties"] = names
        else:
            named = [address for address in named if address != extensions.LABEL]
    geometry = item.get("geometry") or WORLD
    return {**item, "geometry": geometry, "properties": properties, "stac_extensions": named}


def _label_properties(classes: Any) -> list[str]:
    """Properties of labels that tell classes, each once."""
    entries = classes if isinstance(classes, list) else []
    names = [entry.get("name") for entry in entries if isinstance(entry, dict)]
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and name))
