"""Answers of Overpass in JSON (https://wiki.openstreetmap.org/wiki/Overpass_API) as GeoJSON features.

Both `out geom` (positions lie in ways and members) and `out body; >; out skel` (nodes of their own) are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import shapely

from fair_models.data.vectors import geojson
from fair_models.data.vectors.osm import closed_ways, rings
from fair_models.data.vectors.osm.tags import OSM_ID, OSM_TIME, OSM_TYPE, Query
from fair_models.errors import InvalidLabels
from fair_models.types import Array, Json

_GEOM = "[out:json]; …; out meta geom;"
_RELATIONS = ("multipolygon", "boundary")
_NO_FEATURE = frozenset({"type", "source", "created_by", "note"})


def is_answer(document: Any) -> bool:
    """Whether a JSON document is an answer of Overpass."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("elements"), list)
        and document.get("type") not in ("FeatureCollection", "Feature")
    )


def features(document: Json, name: str, query: Query) -> list[Json]:
    """The features of an answer that are wanted, as GeoJSON; points and lines among them.

    Args:
        document: The answer.
        name: What to call it in messages: the file.
        query: What is wanted.

    Raises:
        InvalidLabels: It is incomplete, has no positions, or too many elements.
    """
    elements = [each for each in document["elements"] if isinstance(each, dict)]
    if remark := document.get("remark"):
        raise InvalidLabels(
            name,
            [
                f"the answer of Overpass is incomplete, it says: {str(remark)[:200]}; ask again for a "
                "smaller area or with a longer [timeout:…]"
            ],
        )
    if len(elements) > 10 * geojson.MAX_FEATURES:
        raise InvalidLabels(
            name, [f"it has {len(elements):,} elements, too many to be read; ask for a smaller area"]
        )
    index = _Index(elements)
    found: list[Json] = []
    bare = 0
    for element in elements:
        tags = index.tags(element)
        geometry = index.geometry(element, tags, query.keys) if query.wants(tags) else None
        if geometry is None:
            continue
        bare += not geometry
        found.append(_feature(element, tags, geometry))
    if bare and bare == len(found):
        raise InvalidLabels(
            name, [f"its {bare:,} ways and relations have no positions; ask Overpass with `{_GEOM}`"]
        )
    return found


class _Index:
    """Positions of nodes and ways by their ids, and what is an edge of a multipolygon."""

    def __init__(self, elements: Sequence[Json]) -> None:
        self._nodes = {
            each.get("id"): (each.get("lon"), each.get("lat"))
            for each in elements
            if each.get("type") == "node" and "lat" in each
        }
        self._ways = {each.get("id"): each for each in elements if each.get("type") == "way"}
        old = [each for each in elements if each.get("type") == "relation" and _is_old(_tags(each))]
        outer = {
            each.get("id"): [
                self._ways[member.get("ref")]
                for member in _members(each)
                if member.get("role") != rings.INNER and member.get("ref") in self._ways
            ]
            for each in old
        }
        self._lent = {key: _tags(ways[0]) for key, ways in outer.items() if ways and _tags(ways[0])}
        self._lenders = {way.get("id") for key in self._lent for way in outer[key]}

    def tags(self, element: Json) -> Json:
        """Tags of an element; multipolygons of before 2013 have them on their outer way alone."""
        kind, key = element.get("type"), element.get("id")
        if kind == "way" and key in self._lenders:
            return {}
        return {**self._lent.get(key, {}), **_tags(element)} if kind == "relation" else _tags(element)

    def geometry(self, element: Json, tags: Json, asked: Sequence[str]) -> Json | None:
        """What an element draws; empty where its positions are not there, None where it is nothing."""
        kind = element.get("type")
        if kind == "node":
            place = self._nodes.get(element.get("id"))
            return {"type": "Point", "coordinates": list(place)} if tags and place else None
        if kind == "way":
            if not tags:
                return None
            line = self._line(element)
            if line is None:
                return {}
            is_closed = len(line) > 3 and bool((line[0] == line[-1]).all())
            if is_closed and closed_ways.is_area(tags, asked):
                return {"type": "Polygon", "coordinates": [line.tolist()]}
            return {"type": "LineString", "coordinates": line.tolist()}
        if kind == "relation" and tags.get("type") in _RELATIONS:
            return self._relation(element)
        return None

    def _relation(self, element: Json) -> Json:
        ways = []
        for member in _members(element):
            if member.get("type") != "way":
                continue
            line = self._line(member if member.get("geometry") else self._ways.get(member.get("ref"), {}))
            if line is None:
                return {}
            ways.append((str(member.get("role", "")), line))
        area = rings.assembled(ways) if ways else None
        # Edges that do not close are broken, which is counted as for any other polygon.
        return (
            {"type": "Polygon", "coordinates": [[None]]} if area is None else shapely.geometry.mapping(area)
        )

    def _line(self, way: Mapping[str, Any]) -> Array | None:
        """Positions of a way, shape (n, 2); None where any is missing."""
        said = way.get("geometry")
        if isinstance(said, list):
            places = [(each.get("lon"), each.get("lat")) if isinstance(each, dict) else None for each in said]
        else:
            places = [self._nodes.get(node) for node in way.get("nodes") or ()]
        if len(places) < 2 or not all(place and all(map(_is_number, place)) for place in places):
            return None
        return np.array(places, dtype=np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _members(relation: Json) -> Iterator[Json]:
    members = relation.get("members")
    yield from (each for each in (members if isinstance(members, list) else []) if isinstance(each, dict))


def _is_old(tags: Json) -> bool:
    return tags.get("type") == "multipolygon" and _NO_FEATURE.issuperset(tags)


def _tags(element: Json) -> Json:
    tags = element.get("tags")
    return tags if isinstance(tags, dict) else {}


def _feature(element: Json, tags: Json, geometry: Json) -> Json:
    kind, number = element.get("type"), element.get("id")
    own = {OSM_ID: number, OSM_TYPE: kind, OSM_TIME: element.get("timestamp")}
    return {
        "type": "Feature",
        "id": f"{kind}/{number}",
        "properties": tags | {key: value for key, value in own.items() if value is not None},
        "geometry": geometry or None,
    }
