"""Says in words where a document breaks a JSON Schema, and what would be right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

LONGEST_VALUE = 60
"""Characters of a wrong value that a message shows."""

LONGEST_LIST = 8
"""Choices that a message lists; of more it names the nearest."""

LONGEST_PATTERN = 120
"""Characters of a pattern that a message shows; of longer ones the description says more."""

TYPE_WORDS = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def sentences(errors: Iterable[Any], root: str = "") -> list[str]:
    """One sentence for each thing that is wrong, without repetitions, in the order of the document.

    Args:
        errors: What `iter_errors` of a jsonschema validator gives. Of the branches of an `anyOf` or `oneOf`
            only the one that was meant is told.
        root: What the document is called, where a message is about a part of an item, e.g. "keywords".
    """
    leaves = [leaf for error in errors for leaf in _leaves(error)]
    leaves.sort(key=lambda leaf: [str(part) for part in leaf.absolute_path])
    return list(dict.fromkeys(f"{path(leaf.absolute_path, root)}: {_said(leaf)}" for leaf in leaves))


def path(parts: Iterable[str | int], root: str = "") -> str:
    """A place in the document as people write it, e.g. `properties.mlm:input[0].bands`."""
    text = root
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the item"


def shown(value: Any) -> str:
    """A value as a message shows it: JSON-like and short."""
    words = {True: "true", False: "false", None: "null"}
    text = words[value] if isinstance(value, bool) or value is None else repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _leaves(error: Any) -> Iterator[Any]:
    if error.validator not in {"anyOf", "oneOf"} or not error.context or _is_about_value(error):
        yield error
        return
    for inner in _meant_branch(error.context):
        yield from _leaves(inner)


def _is_about_value(error: Any) -> bool:
    """Whether the branches only say which type or words a plain value may have."""
    return not isinstance(error.instance, dict | list) and "$comment" in error.schema


def _meant_branch(context: Sequence[Any]) -> Sequence[Any]:
    """The branch that the author of the document most likely meant.

    A branch that already disagrees near its root about a constant, a type or a field that must be absent is
    for another kind of document. Among the rest: the one with fewer failures, then the one failing deeper.
    """
    branches: dict[Any, list[Any]] = defaultdict(list)
    for error in context:
        branches[error.schema_path[0]].append(error)

    def likelihood(errors: Sequence[Any]) -> tuple[bool, int, int]:
        foreign = any(e.validator in {"const", "enum", "type", "not"} and len(e.path) <= 1 for e in errors)
        return not foreign, -len(errors), max(len(e.path) for e in errors)

    return max(branches.values(), key=likelihood)


def _said(error: Any) -> str:
    rule, value, found = error.validator, error.validator_value, error.instance
    schema = error.schema if isinstance(error.schema, dict) else {}
    if "$comment" in schema and rule in {
        "not",
        "contains",
        "anyOf",
        "oneOf",
        "minContains",
        "maxContains",
        "if",
    }:
        return f"{schema['$comment']}{_found_in_list(found)}"
    said = _rule_said(rule, value, found, error.message)
    description = schema.get("description")
    return f"{said} ({description})" if description and rule != "required" else said


def _rule_said(rule: str | None, value: Any, found: Any, message: str) -> str:
    match rule:
        case "required":
            missing = [name for name in value if name not in found]
            return f"lacks {', '.join(missing)}"
        case "type":
            kinds = [value] if isinstance(value, str) else value
            return f"is {shown(found)}, should be {' or '.join(TYPE_WORDS[kind] for kind in kinds)}"
        case "enum":
            return f"is {shown(found)}, should be {_choices(found, value)}"
        case "const":
            return f"is {shown(found)}, should be {shown(value)}"
        case "pattern":
            form = f"has not the form {value}" if len(value) <= LONGEST_PATTERN else "is not allowed here"
            return f"is {shown(found)}, which {form}"
        case "format":
            return f"is {shown(found)}, should be a {value}"
        case "minimum" | "exclusiveMinimum":
            return f"is {shown(found)}, should be {'at least' if rule == 'minimum' else 'more than'} {value}"
        case "maximum" | "exclusiveMaximum":
            return f"is {shown(found)}, should be {'at most' if rule == 'maximum' else 'less than'} {value}"
        case "minItems" | "minLength" | "minProperties":
            return f"has {len(found)} {_counted(rule)}, should have at least {value}"
        case "maxItems" | "maxLength" | "maxProperties":
            return f"has {len(found)} {_counted(rule)}, should have at most {value}"
        case "uniqueItems":
            return "holds the same entry twice, should hold each once"
        case "contains":
            return f"lacks an entry like {shown(value.get('const', value))}"
        case "not":
            return f"has what it may not have: {shown(_forbidden(value))}"
        case None:
            return f"is {shown(found)}, should not be there"
        case _:
            return f"is wrong: {message if len(message) <= 300 else message[:299] + '…'}"


def _choices(found: Any, values: Sequence[Any]) -> str:
    near = get_close_matches(str(found), [str(value) for value in values], n=1)
    if len(values) > LONGEST_LIST:
        return f"one of {len(values)} words{f'; did you mean {near[0]}?' if near else ''}"
    listed = ", ".join(shown(value) for value in values)
    return f"one of {listed}" if len(values) > 1 else listed


def _forbidden(value: Any) -> Any:
    return value.get("required", value) if isinstance(value, dict) else value


def _counted(rule: str) -> str:
    return {"Items": "entries", "Length": "characters", "Properties": "fields"}[rule[3:]]


def _found_in_list(found: Any) -> str:
    plain = isinstance(found, list) and found and all(isinstance(each, str | int) for each in found)
    return f" (found {shown(found)})" if plain else ""
