"""CQL2 as people and programs send it, checked before any database sees it."""

from __future__ import annotations

import re
from typing import Any

from fair_models import conditions
from fair_models.errors import Invalid
from fair_models.types import Json

MAX_CHARACTERS = 10_000
MAX_DEPTH = 40
MAX_NODES = 2000
MAX_WILDCARDS = 10
"""In one pattern of LIKE: databases try every place for each of them."""

_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
ARITHMETIC = frozenset({"+", "-", "*", "/"})
SPATIAL = frozenset(
    {
        *("s_intersects", "s_disjoint", "s_within", "s_contains"),
        *("s_equals", "s_touches", "s_overlaps", "s_crosses"),
    }
)
TEMPORAL = frozenset(
    {
        *("t_before", "t_after", "t_during", "t_contains", "t_equals", "t_disjoint", "t_intersects"),
        *("t_starts", "t_startedby", "t_finishes", "t_finishedby", "t_meets", "t_metby"),
        *("t_overlaps", "t_overlappedby"),
    }
)
ARRAYS = frozenset({"a_contains", "a_containedby", "a_equals", "a_overlaps"})
_ARGUMENTS = {
    **dict.fromkeys(_COMPARISONS | ARITHMETIC | SPATIAL | TEMPORAL | ARRAYS | {"in", "like"}, (2, 2)),
    **dict.fromkeys(("and", "or"), (1, MAX_NODES)),
    **dict.fromkeys(("not", "isnull", "casei", "accenti"), (1, 1)),
    "between": (3, 3),
}
_MAX_STEPS = 1_000_000
"""Characters of a text, doubled by each parenthesis within another: so often the parser reads what is no
CQL2, which takes it half a second at this number."""

_NESTED = re.compile(r"[-+](?:\s*[-+]){40}|(?:\bnot\b[\s(]*){40}", re.IGNORECASE)


def of_text(text: str) -> Json:
    """The tree of CQL2 text, e.g. `gsd < 1 AND "mlm:name" = 'roofs'`.

    Raises:
        Invalid: It cannot be read, or asks what cannot be asked here.
    """
    from cql2 import ParseError, parse_text

    _refuse_deep(text)
    try:
        tree = parse_text(text).to_json()
    except ParseError as error:
        raise Invalid(
            f"The filter is no CQL2 text ({' '.join(str(error).split())[:200]}). Texts stand in single "
            "quotes, names with a colon in double quotes: \"mlm:name\" = 'roofs'"
        ) from error
    return checked(tree)


def checked(tree: Any) -> Json:
    """A tree of CQL2 JSON with its operators in lower case.

    Raises:
        Invalid: It is none, or asks what cannot be asked here.
    """
    if isinstance(tree, bool):
        return {"op": "and", "args": [tree]}
    if not isinstance(tree, dict) or "op" not in tree:
        raise Invalid(
            'The filter is no CQL2 JSON: write it as {"op": "=", "args": [{"property": "id"}, "x"]}'
        )
    counted = [0]
    found: Json = _node(tree, 0, counted)
    return found


def _node(node: Any, depth: int, counted: list[int]) -> Any:
    counted[0] += 1
    if depth > MAX_DEPTH or counted[0] > MAX_NODES:
        raise Invalid(f"The filter is nested deeper than {MAX_DEPTH}, or has more than {MAX_NODES} parts")
    if isinstance(node, list):
        return [_node(each, depth + 1, counted) for each in node]
    if not isinstance(node, dict):
        return node
    if "op" in node:
        return _operation(node, depth, counted)
    if "property" in node:
        name = node["property"]
        if not isinstance(name, str) or not name or any(each in name for each in '"\\\0') or len(name) > 200:
            raise Invalid(f"The filter names no property: {str(name)[:60]!r}")
        return {"property": name.removeprefix("properties.")}
    return node


def _operation(node: Json, depth: int, counted: list[int]) -> Json:
    said = node["op"]
    name = said.lower() if isinstance(said, str) else ""
    name = {"!=": "<>", "eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}.get(
        name, name
    )
    if name not in _ARGUMENTS:
        raise Invalid(
            f"The filter's {str(said)[:40]!r} cannot be asked here. There are {', '.join(sorted(_ARGUMENTS))}"
        )
    arguments = node.get("args")
    if (
        name == "between"
        and isinstance(arguments, list)
        and [isinstance(x, list) for x in arguments] == [False, True]
    ):
        arguments = [arguments[0], *arguments[1]]  # as drafts of CQL2 had it, which clients still send
    least, most = _ARGUMENTS[name]
    if not isinstance(arguments, list) or not least <= len(arguments) <= most:
        raise Invalid(f"The filter's {name} needs {least} arguments in a list")
    return {"op": name, "args": [_node(each, depth + 1, counted) for each in arguments]}


def _refuse_deep(text: str) -> None:
    """Refuse what the parser takes hours over, or goes into so deep that the process ends with its stack."""
    if len(text) > MAX_CHARACTERS or _NESTED.search(text):
        raise Invalid(
            f"The filter is longer than {MAX_CHARACTERS} characters, or has {MAX_DEPTH} signs in a row"
        )
    if len(text) << conditions.depth(text) > _MAX_STEPS:
        raise Invalid(
            "The filter has too many parentheses within each other for its length; send it as CQL2 JSON, "
            f"which may be nested {MAX_DEPTH} deep"
        )
