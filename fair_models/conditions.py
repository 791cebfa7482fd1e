"""Conditions by which models, datasets and training runs are chosen: CQL2 text, and short forms of it.

A comparison with what is not there does not hold, and NOT is the exact opposite: of a metric that was not
measured `fair:iou > 0.5` is false, and `NOT fair:iou > 0.5` true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fair_models.errors import Invalid
from fair_models.types import VERSION_SUFFIX, Json

if TYPE_CHECKING:
    from cql2 import Expr

METRIC = r"fair:[A-Za-z][A-Za-z0-9_]*"
MAX_CHARACTERS = 2000
"""The longest condition."""

MAX_DEPTH = 10
"""Parentheses within each other. Each doubles the time that the parser takes to see that text is no CQL2."""

OF_RUNS = ("id", "name", "number", "tasks", "trained", "pinned", "created")
"""What conditions ask of training runs; and metrics."""

_NAMES = (
    *OF_RUNS,
    "keywords",
    "words",
    "title",
    "description",
    "license",
    "gsd",
    "version",
    "deprecated",
    "updated",
)
"""What they ask of items; and every field with a prefix, such as "fair:building_iou"."""

_OPERATORS = (
    *("and", "or", "not", "=", "<>", "<", "<=", ">", ">=", "between", "in", "like", "isNull"),
    *("casei", "accenti", "a_contains", "a_containedBy", "a_equals", "a_overlaps"),
    *("+", "-", "*", "/", "%", "^", "div"),
)
_LARGEST = 2**63 - 1
"""The largest number of a version that counts: databases hold no larger one."""

_WORD = r"[^\s,'\"()=<>]+"
_SHORT = re.compile(
    r"(?P<not>not\s+)?(?P<field>name\s+contains|id\s*=|task\s*=|keyword\s*=)\s*"
    rf"(?P<words>{_WORD}(?:(?:\s*,\s*|\s+or\s+){_WORD})*)",
    re.IGNORECASE,
)
_FORMS = (
    'CQL2, such as "fair:METRIC > 0.5 AND NOT trained" or "title LIKE \'%roof%\'", and short forms: '
    "'name contains WORD', 'id = ID or ID', 'task = TASK', 'keyword = WORD', each also with 'not ' before it"
)


@dataclass(frozen=True)
class Facts:
    """What is chosen by.

    name, number: A version's name and number.
    trained: A model that has learnt something; a run that completed.
    created: Seconds since 1970, UTC; None where it is not known.
    values: Metrics by key, None where nothing was measured; of an item all its properties.
    """

    id: str
    name: str
    number: int
    tasks: Sequence[str] = ()
    keywords: Sequence[str] = ()
    trained: bool = False
    pinned: bool = False
    created: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def metric(self, key: str) -> float | None:
        """A number among the values; None where there is none."""
        value = self.values.get(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def value(self, name: str) -> Any:
        """What a condition calls by a name, as plain JSON; None where there is no such thing."""
        if name == "created":
            return None if self.created is None else f"{datetime.fromtimestamp(self.created, UTC):%FT%T.%fZ}"
        if name in {"tasks", "keywords"}:
            return list(getattr(self, name)) or None
        if name == "words":
            return " ".join(self.keywords) or None
        if name in OF_RUNS:
            return getattr(self, name)
        value = self.values.get(name)
        return value if _is_plain(value) or (isinstance(value, list) and all(map(_is_plain, value))) else None


def facts_of_item(document: Json) -> Facts:
    """What a STAC item is chosen by: `id` and `properties` of its JSON. Odd values count as none."""
    properties: Json = document["properties"]
    item_id: str = document["id"]
    suffix = re.search(VERSION_SUFFIX, item_id)
    return Facts(
        id=item_id,
        name=item_id[: suffix.start()] if suffix else item_id,
        number=min(int(suffix.group()[2:]), _LARGEST) if suffix else 0,
        tasks=[*_texts(properties.get("mlm:tasks")), *_texts(properties.get("label:tasks"))],
        keywords=_texts(properties.get("keywords")),
        trained=properties.get("mlm:pretrained") is True,
        pinned=bool(properties.get("fair:pinned")),
        created=_seconds(properties.get("created")),
        values=properties,
    )


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _seconds(text: Any) -> float | None:
    """Seconds since 1970; a time without a zone is in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True)
class Condition:
    """One thing that must be so of what is listed.

    text: As CQL2 text.
    tree: As CQL2 JSON.
    names: What it asks of a thing, e.g. ("name", "fair:building_iou").
    """

    text: str
    tree: Json
    names: tuple[str, ...]
    _expression: Expr = field(repr=False, compare=False)

    def holds(self, facts: Facts) -> bool:
        """Whether it is so."""
        document = {name: facts.value(name) for name in self.names}
        return _is_true(self._expression.reduce(document).to_json())


@lru_cache(maxsize=256)
def parse(text: str) -> Condition:
    """A condition as people write it: CQL2 text, or one of the short forms, e.g. "not name contains roofs".

    Raises:
        Invalid: It is none; says what is wrong and which there are.
    """
    from cql2 import ParseError, parse_text

    written = _in_full(text.strip())
    if len(written) > MAX_CHARACTERS:
        raise _no_condition(text[:60] + "…", f"it is longer than {MAX_CHARACTERS} characters")
    if depth(written) > MAX_DEPTH:
        raise _no_condition(text[:60] + "…", f"it has more than {MAX_DEPTH} parentheses within each other")
    try:
        expression = parse_text(written)
    except ParseError as error:
        place = re.search(r"-->\s*\d+:(\d+)", str(error))
        rest = written[int(place[1]) - 1 :] if place else ""
        raise _no_condition(text, f"it cannot be read at {rest!r}" if rest else "it breaks off") from error
    tree = expression.to_json()
    names = tuple(dict.fromkeys(_names(tree)))
    for name in names:
        if ":" not in name and name not in _NAMES:
            near = get_close_matches(name, _NAMES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_NAMES)}, and fair:METRIC"
            raise _no_condition(
                text, f"{name} is no field ({hint}). A text stands in single quotes, '{name}'"
            )
    for operator in _operators(tree):
        if operator not in _OPERATORS:
            raise _no_condition(text, f"{operator} cannot be asked here")
    return Condition(written, tree, names, expression)


def _no_condition(text: str, reason: str) -> Invalid:
    return Invalid(f"{text!r} is no condition: {reason}. There are {_FORMS}")


def _in_full(text: str) -> str:
    """CQL2 text of a short form; anything else as it is."""
    found = _SHORT.fullmatch(text)
    if found is None:
        return text
    words = re.split(r"\s*,\s*|\s+or\s+", found["words"], flags=re.IGNORECASE)
    listed = ", ".join(f"'{word}'" for word in words)
    match found["field"][0].lower():
        case "n":
            escaped = (re.sub(r"([\\%_])", r"\\\1", word.lower()) for word in words)
            written = " OR ".join(f"name LIKE '%{word}%'" for word in escaped)
        case "i":
            written = f"id IN ({listed})"
        case "t":
            written = f"A_OVERLAPS(tasks, ({listed}))"
        case _:
            written = f"A_OVERLAPS(keywords, ({listed}))"
    return f"NOT ({written})" if found["not"] else written


def depth(text: str) -> int:
    """How many parentheses of CQL2 text are open at most, outside of texts and names in quotes."""
    opened = deepest = 0
    for character in re.sub(r"'[^']*'|\"[^\"]*\"", "", text):
        opened = max(0, opened + (character == "(") - (character == ")"))
        deepest = max(deepest, opened)
    return deepest


def _is_true(node: Any) -> bool:
    """Whether what is left of a condition is true: a comparison with what is not there is false."""
    if not isinstance(node, dict):
        return node is True
    arguments = node.get("args", ())
    match node.get("op"):
        case "and":
            return all(map(_is_true, arguments))
        case "or":
            return any(map(_is_true, arguments))
        case "not":
            return not _is_true(arguments[0])
    return False


def _nodes(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        yield node
        node = node.get("args", ())
    if isinstance(node, list):
        for each in node:
            yield from _nodes(each)


def _names(tree: Json) -> Iterator[str]:
    return (node["property"] for node in _nodes(tree) if "property" in node)


def _operators(tree: Json) -> Iterator[str]:
    return (node["op"] for node in _nodes(tree) if "op" in node)
