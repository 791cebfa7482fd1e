"""JSON and YAML that come from outside: read with limits, and nothing in them that can be taken two ways.

What other programs leave open is refused here: keys that are given twice, NaN and Infinity, other encodings
than UTF-8, and in YAML tags, anchors, aliases and several documents in one file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import orjson
import yaml

from fair_models.errors import InvalidDocument, NotFound
from fair_models.store.atomic import translate_os_errors

_BOM = b"\xef\xbb\xbf"
_TEXT = re.compile(rb'"(?:[^"\\]+|\\.)*+"?', re.DOTALL)
"""A JSON string; one that is never closed reaches to the end, so that each byte is looked at once."""

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq")
)


@dataclass(frozen=True)
class Limits:
    """What a document may be at most.

    bytes: Its size.
    depth: Objects and lists inside each other.
    """

    bytes: int = 5_000_000
    depth: int = 64


def read_json(path: Path, limits: Limits | None = None) -> Any:
    """The content of a JSON file. No more of it than the limit is ever read.

    Raises:
        NotFound: There is no such file.
        InvalidDocument: It is too large or too deep, no UTF-8, no JSON, or gives a key twice.
        Unavailable: The file cannot be read.
    """
    limits = limits or Limits()
    return parse_json(_read(path, limits), str(path), limits)


def read_yaml(path: Path, limits: Limits | None = None) -> Any:
    """The content of a YAML file; see `parse_yaml`.

    Raises:
        NotFound: There is no such file.
        InvalidDocument: It is too large or too deep, no UTF-8, no plain YAML, or gives a key twice.
        Unavailable: The file cannot be read.
    """
    limits = limits or Limits()
    return parse_yaml(_read(path, limits), str(path), limits)


def parse_json(data: bytes, name: str, limits: Limits | None = None) -> Any:
    """The value that JSON text says.

    Args:
        data: The text. A byte order mark before it is passed over.
        name: What to call it in messages: the file.
        limits: What it may be at most.

    Raises:
        InvalidDocument: It is too large or too deep, no UTF-8, no JSON, or gives a key twice.
    """
    limits = limits or Limits()
    data = _checked(data, name, limits).removeprefix(_BOM)
    deepest = _depth(data)
    if deepest > limits.depth:
        _refuse(name, f"it is nested {deepest} deep, at most {limits.depth} is read; flatten it")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        _refuse(name, f"it is no JSON ({error}); correct that line or export the file again")
    # orjson keeps the last of several values of a key and does not tell.
    json.loads(data, object_pairs_hook=lambda pairs: _once(pairs, name), parse_float=len, parse_int=len)
    return value


def parse_yaml(data: bytes, name: str, limits: Limits | None = None) -> Any:
    """The value that YAML text says, where JSON could say it too.

    Args:
        data: The text.
        name: What to call it in messages: the file.
        limits: What it may be at most.

    Raises:
        InvalidDocument: It is too large or too deep, no UTF-8, no YAML, gives a key twice, holds several
            documents, or uses tags, anchors or aliases.
    """
    limits = limits or Limits()
    text = _checked(data, name, limits).decode()
    try:
        _check_events(text, name, limits)
        loader = _PlainLoader(text)
        loader.name = name
        try:
            value = loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        _refuse(name, f"it is no YAML ({_where(error)}); correct it or write it anew")
    except ValueError as error:  # e.g. a whole number of more digits than Python reads
        _refuse(name, f"a value in it cannot be read ({error}); correct it or write it anew")
    if any(isinstance(each, float) and not math.isfinite(each) for each in _leaves(value)):
        _refuse(name, "it holds a number that is not finite (.nan or .inf); give a number or leave it out")
    return value


def _read(path: Path, limits: Limits) -> bytes:
    if not path.is_file():
        raise NotFound(f"There is no file {path}. Name one that exists.")
    with translate_os_errors(f"read {path}"), path.open("rb") as file:
        return file.read(limits.bytes + 1)


def _checked(data: bytes, name: str, limits: Limits) -> bytes:
    if len(data) > limits.bytes:
        _refuse(
            name,
            f"it has more than {limits.bytes:,} bytes, the most that is read; "
            "name the right file, or make it smaller",
        )
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _refuse(name, f"it is not UTF-8 text (line {line}, byte {error.start}); save it as UTF-8")
    return data


def _depth(data: bytes) -> int:
    """How deep the brackets of JSON text go, without building anything of it."""
    depth = deepest = 0
    for bracket in _TEXT.sub(b"", data).translate(None, _NOT_BRACKETS):
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _once(pairs: list[tuple[str, Any]], name: str) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        _refuse(name, f"it gives the key {twice[:80]!r} twice in one object; keep one of them")


class _PlainLoader(yaml.SafeLoader):
    """YAML as JSON would have it: dates stay text, a key may be given once, `<<` is a key like others."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as its base has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _PLAIN_TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are text, each given once."""
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                _refuse(self.name, f"its key {key!r} in line {line} is no text; put it in quotes")
            if key in found:
                _refuse(self.name, f"it gives the key {key[:80]!r} twice (line {line}); keep one of them")
            found[key] = self.construct_object(value_node, deep=deep)
        return found


def _check_events(text: str, name: str, limits: Limits) -> None:
    """Refuse what need not be built to be seen: depth, tags, anchors, aliases, a second document."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if documents > 1:
            _refuse(name, f"it holds several documents (line {line}); keep one")
        if depth > limits.depth:
            _refuse(name, f"it is nested deeper than {limits.depth} (line {line}); flatten it")
        if getattr(event, "anchor", None):
            _refuse(name, f"it uses an anchor or alias (line {line}); write the value out in each place")
        tag = getattr(event, "tag", None)
        if tag and tag != "!":
            _refuse(name, f"it uses the tag {tag} (line {line}); write a plain value")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{problem}, line {mark.line + 1}" if mark else str(problem)


def _refuse(name: str, reason: str) -> NoReturn:
    raise InvalidDocument(name, [reason])
