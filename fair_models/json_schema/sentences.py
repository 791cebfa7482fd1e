"""Says in words where a document breaks a JSON Schema, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from fair_models.json_schema.checker import Violation
from fair_models.text import hidden_character

LONGEST_VALUE = 60
"""Characters of a wrong value that a message shows."""

LONGEST_LIST = 8
"""Choices that a message lists; of more it names the nearest."""

LONGEST_PATTERN = 120
"""Characters of a pattern that a message shows; of longer ones the description says more."""

_COMMENTED = frozenset({"not", "contains", "anyOf", "oneOf", "minContains", "maxContains", "if"})
"""Keywords of which the schema's own comment says more than they do."""

_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}

TYPE_WORDS = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def sentences(violations: Iterable[Violation], root: str = "", whole: str = "the item") -> list[str]:
    """One sentence for each thing that is wrong, without repetitions, in the order of the document.

    Args:
        violations: What a `Checker` finds. Of the branches of an `anyOf` or `oneOf` only the one that was
            meant is told.
        root: What the document is called, where a message is about a part of an item, e.g. "keywords".
        whole: What a place outside of all fields is called.
    """
    leaves = [leaf for violation in violations for leaf in _leaves(violation)]
    told = [(_place(leaf), _said(leaf)) for leaf in leaves]
    told.sort(key=lambda each: [str(part) for part in each[0]])
    return list(dict.fromkeys(f"{path(place, root) or whole}: {said}" for place, said in told))


def path(parts: Iterable[str | int], root: str = "") -> str:
    """A place in the document as people write it, e.g. `properties.mlm:input[0].bands`."""
    text = root
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def shown(value: Any) -> str:
    """A value as a message shows it: JSON-like and short."""
    words = {True: "true", False: "false", None: "null"}
    text = words[value] if isinstance(value, bool) or value is None else repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _place(violation: Violation) -> tuple[str | int, ...]:
    """Where a sentence leads: to a field that is missing, too."""
    return (*violation.place, violation.missing) if violation.missing else violation.place


def _leaves(violation: Violation) -> Iterator[Violation]:
    branches = [branch for branch in violation.branches if branch]
    if not branches or _is_about_value(violation):
        yield violation
        return
    kinds = [_type_of_all(violation, branch) for branch in branches]
    if all(kinds):
        types = dict.fromkeys(kind for each in kinds for kind in each)
        yield replace(violation, keyword="type", schema={"type": list(types)}, branches=())
        return
    for inner in _meant_branch(branches, len(violation.place)):
        yield from _leaves(inner)


def _is_about_value(violation: Violation) -> bool:
    """Whether the branches only say which type or words a plain value may have."""
    return not isinstance(violation.found, dict | list) and "$comment" in violation.schema


def _type_of_all(violation: Violation, branch: Sequence[Violation]) -> list[str]:
    """The types that a branch takes, where the value itself is of another; none where all else is wrong."""
    for each in branch:
        if each.keyword == "type" and each.place == violation.place:
            return _listed(each.schema["type"])
    return []


def _meant_branch(branches: Sequence[Sequence[Violation]], depth: int) -> Sequence[Violation]:
    """The branch that the author of the document most likely meant.

    A branch that already disagrees near its root about a constant, a type or a field that must be absent is
    for another kind of document. Among the rest: the one with fewer failures, then the one failing deeper.
    """

    def likelihood(branch: Sequence[Violation]) -> tuple[bool, int, int]:
        foreign = any(
            each.keyword in {"const", "enum", "type", "not"} and len(each.place) <= depth + 1
            for each in branch
        )
        return not foreign, -len(branch), max(len(each.place) for each in branch)

    return max(branches, key=likelihood)


def _said(violation: Violation) -> str:
    keyword, schema = violation.keyword, violation.schema
    if violation.missing:
        return f"is missing{_explained(schema.get('properties', {}).get(violation.missing, {}))}"
    if "$comment" in schema and keyword in _COMMENTED:
        return f"{schema['$comment']}{_found_in_list(violation.found)}"
    said = _keyword_said(violation)
    return said if keyword in {"additionalProperties", "pattern"} else f"{said}{_explained(schema)}"


def _explained(schema: Any) -> str:
    """The first sentence of a schema's description in parentheses."""
    text = schema.get("description", "") if isinstance(schema, dict) else ""
    return f" ({text.partition('. ')[0].rstrip('.')})" if text else ""


def _keyword_said(violation: Violation) -> str:
    keyword, found = violation.keyword, violation.found
    value: Any = violation.schema.get(keyword)
    match keyword:
        case "additionalProperties" | "unevaluatedProperties":
            return _surplus(violation)
        case "type":
            return f"is {shown(found)}, should be {_types(_listed(value))}"
        case "enum":
            return f"is {shown(found)}, should be {_choices(found, value)}"
        case "const":
            return f"is {shown(found)}, should be {shown(value)}"
        case "pattern":
            hidden = hidden_character(found) if isinstance(found, str) else ""
            said = f"is {shown(found)}, which {_form(value, violation.description)}"
            return f"{said}; {hidden}, remove it" if hidden else said
        case "format":
            return f"is {shown(found)}, should be a {value}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            return f"is {shown(found)}, should be {_BOUNDS[keyword]} {value}"
        case "minItems" | "minLength" | "minProperties":
            return f"has {len(found)} {_counted(keyword)}, should have at least {value}"
        case "maxItems" | "maxLength" | "maxProperties":
            return f"has {len(found)} {_counted(keyword)}, should have at most {value}"
        case "uniqueItems":
            return "holds the same entry twice, should hold each once"
        case "contains":
            return f"lacks an entry like {shown(value.get('const', value))}"
        case "not":
            return f"has what it may not have: {shown(_forbidden(value))}"
        case "oneOf" if violation.branches:
            return f"is {shown(found)}, which fits more than one of the forms that it may have"
        case "":
            return violation.message or f"is {shown(found)}, should not be there"
        case _:
            message = violation.message
            return f"is wrong: {message if len(message) <= 300 else message[:299] + '…'}"


def _surplus(violation: Violation) -> str:
    """The fields that are not known, and the nearest one that is."""
    known = list(violation.schema.get("properties", {}))
    near = "".join(_nearest(name, known) for name in violation.surplus[:1])
    return f"has {', '.join(violation.surplus)}, which is not known here{near}"


def _form(pattern: str, description: str) -> str:
    if description:
        return f"does not match what is allowed: {description}"
    return f"does not match {pattern}" if len(pattern) <= LONGEST_PATTERN else "is not allowed here"


def _nearest(word: str, words: Sequence[str]) -> str:
    near = get_close_matches(word, words, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _listed(kinds: str | Sequence[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _types(kinds: Sequence[str]) -> str:
    """What types are in words, e.g. "true or false, a number or text"."""
    words = [TYPE_WORDS[kind] for kind in kinds if kind != "integer" or "number" not in kinds]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _choices(found: Any, values: Sequence[Any]) -> str:
    if len(values) > LONGEST_LIST:
        return f"one of {len(values)} words{_nearest(str(found), list(map(str, values)))}"
    listed = ", ".join(shown(value) for value in values)
    return f"one of {listed}" if len(values) > 1 else listed


def _forbidden(value: Any) -> Any:
    return value.get("required", value) if isinstance(value, dict) else value


def _counted(rule: str) -> str:
    return {"Items": "entries", "Length": "characters", "Properties": "fields"}[rule[3:]]


def _found_in_list(found: Any) -> str:
    plain = isinstance(found, list) and found and all(isinstance(each, str | int) for each in found)
    return f" (found {shown(found)})" if plain else ""
