"""Answers of raw-data-api as they are kept: GeoJSON that says of when its data is, as Overpass says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from fair_models.data.vectors.osm import tags
from fair_models.data.vectors.osm.tags import OSM_TIME, Query
from fair_models.types import Json

START = b'{"osm3s":'
"""What such a file begins with, and no other GeoJSON."""


def written(features: Sequence[Json], time: datetime | None) -> bytes:
    """Features as such a file.

    Args:
        features: GeoJSON; their tags lie in `tags`, as raw-data-api writes them.
        time: Of when the data is, in UTC; None where that is not known.
    """
    said = {} if time is None else {"timestamp_osm_base": f"{time:%Y-%m-%dT%H:%M:%SZ}"}
    plain = [{**feature, "properties": _plain(feature["properties"])} for feature in features]
    return orjson.dumps({"osm3s": said, "type": "FeatureCollection", "features": plain})


def is_answer(document: Any) -> bool:
    """Whether a JSON document is such a file."""
    return isinstance(document, dict) and "osm3s" in document and isinstance(document.get("features"), list)


def features(document: Json, query: Query) -> list[Json]:
    """The features that are wanted, points and lines among them."""
    return [
        each
        for each in document["features"]
        if isinstance(each, dict)
        and isinstance(each.get("properties"), dict)
        and query.wants(each["properties"])
    ]


def _plain(properties: Mapping[str, Any]) -> Json:
    """Tags as properties of their own, beside the id and the time of the last change."""
    found = tags.all_of(properties)
    time = found.pop("timestamp", None)
    return found if time is None else {**found, OSM_TIME: time}
