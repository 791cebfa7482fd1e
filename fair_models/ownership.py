"""Whose a piece of work is: who owns what comes of it, who asked for it, and who may see it.

The web service says so in the tags of the runs that it starts, never in their parameters: whoever asks for
a run chooses the parameters, and the service alone the tags. Flows hand it to the library for the time of the
run, and what is published meanwhile carries it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Literal

from fair_models.errors import Conflict, Invalid
from fair_models.types import NAME_PATTERN

Visibility = Literal["public", "private"]

OWNER: Final = "fair:owner"
"""Property of an item: name of the account whose it is. Without it an item is the admins'."""

REQUESTER: Final = "fair:requester"
"""Property of an item: name of the account that asked for it, such as a maintainer of the owner's name."""

VISIBILITY: Final = "fair:visibility"
"""Property of an item: public, or private: seen by its owner, the maintainers of its name, and admins."""

PUBLIC: Final = "public"
PRIVATE: Final = "private"
FIELDS: Final = (OWNER, REQUESTER, VISIBILITY)

TAKEN: Final = "This name is taken"
"""All that somebody else learns of a name: whether there are private items is no matter of theirs."""

_TAGS: Final = {"owner:": "owner", "requester:": "requester", "visibility:": "visibility"}
_MAX = 63


@dataclass(frozen=True)
class Ownership:
    """Whose something is.

    owner: Name of the account. None: the admins'.
    requester: Name of the account that asked for it. None: somebody who works without accounts.
    visibility: None: what comes of it is as visible as the version before it.
    """

    owner: str | None = None
    requester: str | None = None
    visibility: Visibility | None = None

    def tags(self) -> list[str]:
        """The tags of a run that say so."""
        said = {"owner:": self.owner, "requester:": self.requester, "visibility:": self.visibility}
        return [f"{start}{value}" for start, value in said.items() if value is not None]


_NOBODYS = Ownership()
_acting: ContextVar[Ownership] = ContextVar("ownership", default=_NOBODYS)


def of_tags(tags: Iterable[str]) -> Ownership:
    """Whose a run is, by its tags.

    Raises:
        Invalid: They contradict each other, or name what cannot be an account.
    """
    said: dict[str, str] = {}
    for tag in tags:
        start = _start(tag)
        if start is None:
            continue
        field, value = _TAGS[start], tag.removeprefix(start)
        if said.setdefault(field, value) != value or not _can_be(field, value):
            raise Invalid(f"The run's tag {tag!r} is wrong, so that nobody knows whose it is. Start it again")
    return Ownership(**said)  # type: ignore[arg-type]


def free_tags(tags: Iterable[str]) -> list[str]:
    """Tags that somebody may give a run. Raises Invalid for those that would say whose it is."""
    given = list(tags)
    if reserved := [tag for tag in given if _start(tag) is not None]:
        raise Invalid(
            f"The tag {reserved[0]!r} says whose a run is, which the service alone does. Take other words"
        )
    return given


def current() -> Ownership:
    """Whose the work is that is being done now; nobody's where no run says."""
    return _acting.get()


@contextmanager
def acting_for(ownership: Ownership) -> Iterator[None]:
    """Work for somebody for the time of the block."""
    token = _acting.set(ownership)
    try:
        yield
    finally:
        _acting.reset(token)


def require_own(former: Mapping[str, Any]) -> None:
    """Refuse a name that is somebody else's, before anything else is said of what has it.

    Args:
        former: Properties of an item of that name.

    Raises:
        Conflict: Its owner is not the one for whom the work is done.
    """
    owner = current().owner
    if owner is not None and former.get(OWNER) != owner:
        raise Conflict(TAKEN)


def stamp(properties: dict[str, Any], former: dict[str, Any] | None = None) -> None:
    """Write into an item's properties whose it is; what they say of it themselves does not count.

    Args:
        properties: Of an item that is about to be published. Changed.
        former: Of the newest version of its name; None where there is none.

    Raises:
        Conflict: The name is somebody else's.
    """
    now, before = current(), former or {}
    for field in FIELDS:
        properties.pop(field, None)
    if former is not None:
        require_own(former)
    owner = before.get(OWNER) if former is not None else now.owner
    visibility = now.visibility or before.get(VISIBILITY) or (PRIVATE if owner and former is None else None)
    said = {OWNER: owner, REQUESTER: now.requester, VISIBILITY: visibility}
    properties |= {field: value for field, value in said.items() if value is not None}


def _start(tag: str) -> str | None:
    return next((start for start in _TAGS if tag.startswith(start)), None)


def _can_be(field: str, value: str) -> bool:
    if field == "visibility":
        return value in {PUBLIC, PRIVATE}
    return re.fullmatch(NAME_PATTERN, value) is not None and len(value) <= _MAX
