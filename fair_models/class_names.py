"""Names of classes as they are asked for, and the values in data that mean them: "building=yes,house"."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

LONGEST_NAME = 40
LONGEST = 1000

ANY_VALUE = "*"
"""All values that are not mapped otherwise."""

NAME_PATTERN = rf"^[a-z][a-z0-9_-]{{0,{LONGEST_NAME - 1}}}$"
PATTERN = rf"^[a-z][a-z0-9_-]{{0,{LONGEST_NAME - 1}}}(=[^\n\r]*[^\s,][^\n\r]*)?$"
"""A class, and behind = the values that mean it, with commas between them."""

_NAME = re.compile(rf"[a-z][a-z0-9_-]{{0,{LONGEST_NAME - 1}}}")

RULE = (
    "A class is a lower-case word, as building or solar-panel (up to 40 letters, digits, - and _). Where the "
    "data has other values, they come behind =, with commas between them: building=Building, "
    "building=yes,house, building=1. Of OpenStreetMap they are tags: building=*, building=yes,house, "
    "road=highway=primary,secondary"
)
"""How classes are written, for forms and messages."""


def parted(text: str) -> tuple[str, list[str]]:
    """A class and the values that mean it; its own name where none are given."""
    name, equals, listed = text.partition("=")
    values = [value.strip() for value in listed.split(",") if value.strip()] if equals else [name]
    return name, list(dict.fromkeys(values))


def names(classes: Sequence[str]) -> list[str]:
    """The classes of a request without the background, each once, in order."""
    return [name for name in dict.fromkeys(parted(each)[0] for each in classes) if name != "background"]


def values(classes: Sequence[str]) -> dict[str, list[str]]:
    """The values that mean each class of a request, "background" among them where it has any."""
    meant: dict[str, list[str]] = {}
    for each in classes:
        name, said = parted(each)
        meant.setdefault(name, []).extend(value for value in said if value not in meant.get(name, ()))
    return meant


def option(name: str, said: Sequence[str]) -> str:
    """How a class and its values are written on the command line."""
    return f"--class {shlex.quote('='.join([name, *([','.join(said)] if said else [])]))}"


def suggestion(text: str) -> str:
    """A name that says the same in the letters that a class may have."""
    from slugify import slugify

    name = re.sub(r"^[^a-z]+", "", slugify(text, max_length=LONGEST_NAME))
    return name if _NAME.fullmatch(name) else "building"


def problem(text: str) -> str | None:
    """Why a text asks for no class, with what to write instead; None where it does."""
    name, equals, listed = text.partition("=")
    if len(text) > LONGEST or "\n" in text or "\r" in text:
        return f"it has more than {LONGEST} characters or several lines; name fewer values"
    if not _NAME.fullmatch(name):
        wanted = suggestion(name)
        said = listed if equals and listed.strip() else name
        return (
            f"{name[:80]!r} is no name of a class, which is a lower-case word; give it one and map the value "
            f"onto it: {option(wanted, [said[:80]])}"
        )
    if equals and not any(value.strip() for value in listed.split(",")):
        return f"{name} has = without a value; write the values that mean it, as in {name}=yes,house"
    if name == "background" and not equals:
        return "background is what no label covers; name it only with values, as in background=landuse"
    return None


def _checked(text: Any) -> Any:
    if isinstance(text, str) and (reason := problem(text)):
        raise ValueError(reason)
    return text


ClassName = Annotated[
    str,
    BeforeValidator(_checked),
    WithJsonSchema(
        {"type": "string", "pattern": PATTERN, "minLength": 1, "maxLength": LONGEST, "description": RULE}
    ),
]
"""A class that is asked for, with the values that mean it."""
