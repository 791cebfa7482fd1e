"""The second layer of validation: the schemas of STAC and of every extension that an item names."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from fair_models.catalog.schemas import extensions
from fair_models.catalog.schemas.cache import SchemaCache
from fair_models.json_schema import sentences
from fair_models.json_schema.checker import DRAFT_7, Checker
from fair_models.types import Json

RETRY_S = 60.0
"""After how long a process looks again for a schema that it could not have."""


@dataclass(frozen=True)
class OfficialResult:
    """What the official schemas say of an item.

    problems: Sentences about what is wrong, each with its schema at the end, e.g. "… [mlm v1.5.1]".
    unchecked: Addresses of schemas that are neither cached nor reachable.
    """

    problems: list[str]
    unchecked: list[str]


@dataclass(frozen=True)
class _Built:
    """The checker of a schema and all that it refers to; `absent` are those that could not be had."""

    checker: Checker | None
    absent: tuple[str, ...]


def check(item: Json, folder: Path) -> OfficialResult:
    """Hold an item against the core schema and those of its extensions.

    Args:
        item: The item as raw JSON.
        folder: The cache of schemas.
    """
    named = item.get("stac_extensions")
    addresses = [address for address in named if isinstance(address, str)] if isinstance(named, list) else []
    problems: list[str] = []
    unchecked: list[str] = []
    for address in dict.fromkeys([extensions.ITEM, *addresses]):
        built = _built(folder, address)
        unchecked += built.absent
        if built.checker is not None and not built.checker.is_valid(item):
            found = sentences.sentences(built.checker.violations(item))
            problems += [f"{sentence} [{_title(address)}]" for sentence in found]
    return OfficialResult(list(dict.fromkeys(problems)), list(dict.fromkeys(unchecked)))


def fill(folder: Path, addresses: Iterable[str]) -> list[str]:
    """Fetch schemas, and all that they refer to, so that a machine without the web can check items.

    Args:
        folder: The cache. What it has already is not fetched again.
        addresses: Of the schemas.

    Returns:
        Addresses of schemas that could not be had.
    """
    schemas = SchemaCache(folder)
    return list(dict.fromkeys(absent for each in addresses for absent in _closure(schemas, each)[1]))


def _title(address: str) -> str:
    """A short name of a schema, e.g. "mlm v1.5.1"."""
    found = re.search(r"([\w-]+)/(v[0-9][\w.]*)/", address)
    return "STAC v1.1.0" if address == extensions.ITEM else " ".join(found.groups()) if found else address


def where_to_put(address: str, folder: Path) -> str:
    """How to fill the cache with a schema, in words."""
    path = SchemaCache(folder).path(address)
    if path is None:
        return "its address cannot be cached (give it as https://host/path/schema.json)"
    return f"save {address} as {path}, or let this machine reach it once"


_CHECKERS: dict[tuple[Path, str], tuple[_Built, float]] = {}


def _built(folder: Path, address: str) -> _Built:
    """The checker of one schema, built once. Where a schema lacked, it is tried again from time to time."""
    key, schemas = (folder, address), _cache(folder)
    built, tried = _CHECKERS.get(key, (None, 0.0))
    if built is None or (built.absent and (time.monotonic() - tried > RETRY_S or _arrived(schemas, built))):
        built = _build(schemas, address)
        _CHECKERS[key] = built, time.monotonic()
    return built


def _arrived(schemas: SchemaCache, built: _Built) -> bool:
    return any((path := schemas.path(address)) and path.is_file() for address in built.absent)


@cache
def _cache(folder: Path) -> SchemaCache:
    return SchemaCache(folder)


def _build(schemas: SchemaCache, address: str) -> _Built:
    found, absent = _closure(schemas, address)
    if address.partition("#")[0] not in found:
        return _Built(None, tuple(absent))
    schemas_here = {known: _without(schema, known, absent) for known, schema in found.items()}
    try:
        return _Built(Checker(address, schemas_here, draft=DRAFT_7), tuple(absent))
    except ValueError:  # it is no schema
        return _Built(None, (address,))


def _closure(schemas: SchemaCache, address: str) -> tuple[dict[str, Json], list[str]]:
    """All schemas that one refers to, itself included, and the addresses of those that could not be had."""
    found: dict[str, Json] = {}
    absent: list[str] = []
    waiting = [address.partition("#")[0]]
    while waiting:
        current = waiting.pop()
        if current in found or current in absent:
            continue
        schema = schemas.load(current)
        if schema is None:
            absent.append(current)
            continue
        found[current] = schema
        waiting += _references(schema, current)
    return found, absent


def _references(node: Any, base: str) -> Iterator[str]:
    """Addresses of other documents that a schema refers to."""
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str):
            document = _resolved(target, base)
            if document != base:
                yield document
        for value in node.values():
            yield from _references(value, base)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value, base)


def _resolved(reference: str, base: str) -> str:
    return urljoin(base, reference).partition("#")[0]


def _without(node: Any, base: str, absent: list[str]) -> Any:
    """A schema in which references to absent documents allow anything; all else is still checked."""
    if not absent:
        return node
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str) and _resolved(target, base) in absent:
            return {}
        return {key: _without(value, base, absent) for key, value in node.items()}
    return [_without(value, base, absent) for value in node] if isinstance(node, list) else node
