"""Parameters that name a place. Their JSON Schema says so, and one check reads all of them.

A parameter is marked by the keyword `x-place` in its schema, as the types `Location` and `Destination` in
`params` do it: whatever is marked is checked before a task begins, also inside lists and nested models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from fair_models.types import Json

KEYWORD = "x-place"

READ = "read"
"""A file, folder or address that is read."""

READ_OR_TEXT = "read-or-text"
"""The same, or a box or GeoJSON as text."""

WRITTEN = "written"
"""A file or folder that is written."""

REGISTERED = "registered"
"""A file of an item. The address is not followed: the item's own is, by digest."""

_BOX = re.compile(r"[\s0-9,.;+-]+")


def named(params: BaseModel) -> Iterator[tuple[str, str, str]]:
    """The places that parameters name: where in the parameters, how the place is used, the place."""
    schema = _schema(type(params))
    yield from _within(params.model_dump(mode="json"), schema, schema, "")


def is_inline(text: str) -> bool:
    """Whether a text is a box or GeoJSON itself, and names no file."""
    return text.lstrip().startswith("{") or _BOX.fullmatch(text) is not None


def alternatives(schema: Json, root: Json) -> Iterator[Json]:
    """A schema with its references followed: each of its alternatives."""
    if "$ref" in schema:
        yield from alternatives(root[_definitions(root)][schema["$ref"].rpartition("/")[2]], root)
        return
    yield schema
    for keyword in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(keyword, ()):
            yield from alternatives(each, root)


def _definitions(root: Json) -> str:
    return "definitions" if "definitions" in root else "$defs"


@cache
def _schema(kind: type[BaseModel]) -> Json:
    return kind.model_json_schema()


def _within(value: Any, schema: Json, root: Json, where: str) -> Iterator[tuple[str, str, str]]:
    for each in alternatives(schema, root):
        if isinstance(value, str) and KEYWORD in each:
            yield where, str(each[KEYWORD]), value
        elif isinstance(value, Mapping):
            further = each.get("additionalProperties")
            for name, part in value.items():
                below = each.get("properties", {}).get(name, further if isinstance(further, dict) else None)
                if below is not None:
                    yield from _within(part, below, root, f"{where}.{name}".lstrip("."))
        elif isinstance(value, list) and isinstance(each.get("items"), dict):
            for number, part in enumerate(value):
                yield from _within(part, each["items"], root, f"{where}[{number}]")
