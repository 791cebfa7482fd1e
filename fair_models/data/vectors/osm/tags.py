"""Tags of OpenStreetMap: which ones a class means, and which a feature has.

A class is asked for as `building`, `building=yes,house` or `road=highway=primary,secondary`: values without a
key belong to the key before them, the first ones to the key that is called like the class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from fair_models.class_names import ANY_VALUE
from fair_models.types import BBox, Json

OSM_ID, OSM_TYPE, OSM_TIME = "osm_id", "osm_type", "osm_timestamp"
OWN = (OSM_ID, OSM_TYPE, OSM_TIME)
"""Properties of what is read from data of OpenStreetMap, beside its tags: what it is, and its last change."""

OF_CLASSES = {
    "road": ("highway=*", "area:highway=*"),
    "water": ("natural=water", "landuse=reservoir", "waterway=riverbank,dock"),
    "tree": ("natural=wood", "landuse=forest"),
}
"""Tags of classes that are no key of OpenStreetMap; any other class means its own name with any value."""

_ABSENT = "no"
"""The value that says that a thing is not there."""

_NESTED = ("tags", "other_tags", "all_tags")
_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"=>"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Tag:
    """A key with one value, or with any (`ANY_VALUE`)."""

    key: str
    value: str = ANY_VALUE

    def __str__(self) -> str:
        return f"{self.key}={self.value}"

    def fits(self, said: str) -> bool:
        """Whether a feature that has this value (or several, with ; between them) of the key has the tag."""
        if self.value == ANY_VALUE:
            return said not in ("", _ABSENT)
        return self.value in [each.strip() for each in said.split(";")]


@dataclass(frozen=True)
class TagRules:
    """Which class a feature is of by its tags. One value counts before any, then the order.

    classes: Tags of each class, "background" among them for what is none.
    """

    classes: Mapping[str, Sequence[Tag]]

    def class_of(self, properties: Mapping[str, Any]) -> str | None:
        """The class that the tags of a feature mean; None where they mean none."""
        for are_exact in (True, False):
            for name, listed in self.classes.items():
                for tag in listed:
                    if (tag.value != ANY_VALUE) is are_exact:
                        said = value(properties, tag.key)
                        if said is not None and tag.fits(said):
                            return name
        return None

    @property
    def keys(self) -> list[str]:
        """All keys, each once."""
        return list(dict.fromkeys(tag.key for listed in self.classes.values() for tag in listed))

    def told(self, classes: Iterable[str]) -> str:
        """The tags of some classes, in words."""
        return " or ".join(str(tag) for name in classes for tag in self.classes.get(name, ()))

    def twice(self) -> list[str]:
        """What is wrong where one tag means two classes."""
        owners: dict[Tag, str] = {}
        return [
            f"the tag {tag} means {owners[tag]} and {name}; map it once"
            for name, listed in self.classes.items()
            for tag in listed
            if owners.setdefault(tag, name) != name
        ]


@dataclass(frozen=True)
class Query:
    """What is wanted of data of OpenStreetMap.

    rules: Only features that these give a class; points and lines too, so that they can be counted. None: all
        polygons.
    around: Only what reaches into west, south, east, north. None: all.
    """

    rules: TagRules | None = None
    around: BBox | None = None

    @property
    def keys(self) -> list[str]:
        """Keys that are asked for."""
        return self.rules.keys if self.rules else []

    def wants(self, tags: Mapping[str, Any]) -> bool:
        """Whether tags are those of something that is wanted."""
        return self.rules is None or self.rules.class_of(tags) is not None


def rules(classes: Sequence[str], values: Mapping[str, Sequence[str]] | None = None) -> TagRules:
    """The tags that classes mean.

    Args:
        classes: Class names.
        values: What was said to mean each, "background" among them, as `class_names.values` has it.
    """
    given = values or {}
    names = dict.fromkeys([*classes, *given])
    return TagRules({name: _tags(name, given.get(name, (name,))) for name in names})


def _tags(name: str, said: Sequence[str]) -> list[Tag]:
    if list(said) == [name]:
        said = OF_CLASSES.get(name, (f"{name}={ANY_VALUE}",))
    return list(_parsed(name, [part for each in said for part in each.split(",")]))


def _parsed(key: str, said: Sequence[str]) -> Iterator[Tag]:
    for each in said:
        named, equals, rest = each.partition("=")
        key, wanted = (named.strip(), rest) if equals else (key, each)
        yield Tag(key, wanted.strip() or ANY_VALUE)


def value(properties: Mapping[str, Any], key: str) -> str | None:
    """The value of a tag as text: a property of its own, or one inside of `tags` as exports nest them.

    Nested tags may be an object, JSON text, or pairs as PostgreSQL (hstore) and GDAL write them.
    """
    said = properties.get(key)
    if said is None:
        said = next((each[key] for each in _nested(properties) if key in each), None)
    if said is None or isinstance(said, dict | list):
        return None
    return ("yes" if said else _ABSENT) if isinstance(said, bool) else str(said).strip()


def all_of(properties: Mapping[str, Any]) -> Json:
    """The tags of a feature, nested ones brought up; what is a property of its own counts before."""
    found: Json = {}
    for each in _nested(properties):
        found |= each
    return found | {key: each for key, each in properties.items() if key not in _NESTED}


def _nested(properties: Mapping[str, Any]) -> Iterator[Json]:
    for name in _NESTED:
        said = properties.get(name)
        if isinstance(said, dict):
            yield said
        elif isinstance(said, str):
            yield unpacked(said)


def unpacked(text: str) -> Json:
    """Tags that are written as text; empty where they are not."""
    if text.lstrip().startswith("{"):
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}
    return {_plain(key): _plain(said) for key, said in _PAIR.findall(text)}


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
