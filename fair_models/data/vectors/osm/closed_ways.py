"""Which closed ways of OpenStreetMap are areas. The others are lines that end where they begin.

https://wiki.openstreetmap.org/wiki/Area says which keys do so; `area=yes` and `area=no` say it of one way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

KEYS = (
    *("aeroway", "amenity", "area:highway", "boundary", "building", "building:part", "craft", "emergency"),
    *("geological", "healthcare", "historic", "landuse", "leisure", "man_made", "military", "natural"),
    *("office", "place", "power", "public_transport", "shop", "sport", "tourism", "water"),
)
"""Keys that make a closed way an area."""

TAGS = ("highway=platform", "highway=rest_area", "highway=services", "waterway=riverbank", "waterway=dock")
"""Tags that do so, of keys that else are those of lines."""

OF_LINES = frozenset({"highway", "railway", "waterway", "barrier", "route", "area"})
"""Keys that do not, even where they are asked for."""


def keys(asked: Iterable[str] = ()) -> list[str]:
    """Keys of areas; keys that are asked for count as some unless they are those of lines."""
    return list(dict.fromkeys([*KEYS, *(key for key in asked if key not in OF_LINES)]))


def is_area(tags: Mapping[str, Any], asked: Iterable[str] = ()) -> bool:
    """Whether a closed way with these tags is an area."""
    said = tags.get("area")
    if said in ("yes", "no"):
        return bool(said == "yes")
    if not set(tags).isdisjoint(keys(asked)):
        return True
    return any(f"{key}={tags[key]}" in TAGS for key in OF_LINES if key in tags)
