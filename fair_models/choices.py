"""Choosing among models, datasets and training runs: conditions, an order, and pages of what is found.

All who list things choose in this way: the command line, the library, the client.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from fair_models.conditions import METRIC, Condition, Facts, parse
from fair_models.errors import Invalid, InvalidParameters
from fair_models.types import CollectionId

T = TypeVar("T")

Key = tuple[Any, ...]
"""Where a thing stands in an order: plain JSON values that compare."""


Where = Annotated[str, AfterValidator(lambda text: parse(text).text)]
"""A condition as people write it; kept as CQL2 text."""


class Choice(BaseModel):
    """What is listed, in which order, and which page of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    collections: tuple[CollectionId, ...] = Field(
        ("base-models", "datasets", "local-models"),
        min_length=1,
        description="Where to look. Of runs nothing is to be said.",
    )
    where: tuple[Where, ...] = Field(
        (), max_length=50, description="All of these must hold. Default: everything is listed."
    )
    deprecated: bool | None = Field(
        False,
        description="Deprecated versions: false leaves them out (default), true lists them alone, null both.",
    )
    order: str = Field(
        "name",
        pattern=rf"^(name|id|newest|-?{METRIC})$",
        description="name: by name and number. id. newest: the newest first. A metric: the largest "
        "value first; with - before it the smallest. What was not measured comes last.",
    )
    limit: int = Field(100, ge=1, le=1000, description="Largest number on a page, 1 to 1000. Default: 100.")
    skip: int = Field(
        0, ge=0, le=1_000_000, description="Number to leave out first, 0 to 1000000. Default: 0."
    )
    cursor: str | None = Field(
        None, max_length=2000, description="`next` of the page before. Default: the first page."
    )

    @classmethod
    def of(cls, where: Iterable[str], **values: Any) -> Choice:
        """A choice with conditions as people write them. Raises Invalid."""
        given = {name: value for name, value in values.items() if value is not None}
        if "collections" in given:
            given["collections"] = tuple(given["collections"])
        try:
            return cls(where=tuple(where), **given)
        except ValidationError as error:
            raise InvalidParameters("a list", list(map(_wrong, error.errors()))) from error

    @property
    def conditions(self) -> list[Condition]:
        """What must hold."""
        return list(map(parse, self.where))

    def holds(self, facts: Facts) -> bool:
        """Whether all conditions hold."""
        return all(condition.holds(facts) for condition in self.conditions)

    @property
    def is_by_name(self) -> bool:
        """Whether the order is one in which things are kept, so that a page needs not look at all of them."""
        return self.order in {"name", "id"}

    def key(self, facts: Facts) -> Key:
        """Where a thing stands in the order."""
        if self.order == "id":
            return (facts.id,)
        if self.order == "name":
            return (facts.name, facts.number, facts.id)
        if self.order == "newest":
            value = None if facts.created is None else -facts.created
        else:
            measured = facts.metric(self.order.removeprefix("-"))
            value = None if measured is None else measured if self.order.startswith("-") else -measured
        return (value is None, value or 0.0, facts.name, facts.number, facts.id)

    def after(self) -> Key | None:
        """Where the page before ended, as its cursor says.

        Raises:
            Invalid: The cursor is none of ours, or belongs to another choice.
        """
        return None if self.cursor is None else _opened(self.cursor, self._digest(), _SHAPES[self._kind])

    def cursor_at(self, key: Key) -> str:
        """A cursor for what follows."""
        said = json.dumps([self._digest(), *key], ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(said).decode().rstrip("=")

    @property
    def _kind(self) -> str:
        return self.order if self.is_by_name else "value"

    def _digest(self) -> str:
        """What the pages of one list have in common. The size of a page may change on the way."""
        said = self.model_dump_json(exclude={"limit", "skip", "cursor"})
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def _wrong(found: Any) -> str:
    """What pydantic found, with the field's own words on what it takes."""
    name = str(found["loc"][0])
    if name not in Choice.model_fields:
        return f"{name}: {found['msg']}"
    return f"{name} is {found['input']!r}. It takes: {Choice.model_fields[name].description}"


_SHAPES: Mapping[str, tuple[type, ...]] = {
    "id": (int, str),
    "name": (int, str, int, str),
    "value": (bool, float, str, int, str),
}
"""Types of a cursor's key. Where things are kept in order, it begins with the number of the collection."""


def _opened(cursor: str, digest: str, shape: tuple[type, ...]) -> Key:
    try:
        said = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        said = None
    if not isinstance(said, list) or not said or not isinstance(said[0], str):
        raise Invalid(
            "This cursor is none that fair-models made, or it was cut: copy the whole `next` of the page "
            "before, or leave it out to begin with the first page"
        )
    if said[0] != digest:
        raise Invalid(
            "This cursor belongs to another list: ask for the same collections, conditions and order as for "
            "the page before, or leave it out to begin with the first page"
        )
    if [type(each) for each in said[1:]] != list(shape):
        raise Invalid("This cursor was changed: leave it out to begin with the first page")
    return tuple(said[1:])


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of what was found. `next` is the cursor of the next page, None on the last one."""

    found: Sequence[T]
    next: str | None = None


def first_page(choice: Choice, entries: Iterable[tuple[Key, Facts, T]], *, is_sorted: bool) -> Page[T]:
    """The page that a choice asks for. Memory holds one page, however much there is to choose from.

    Args:
        choice: What is asked for.
        entries: Key, facts and thing of everything there is, or of all that comes after the cursor.
        is_sorted: Whether they come in order; then no more of them are taken than the page needs.
    """
    after = choice.after()
    left = (
        (key, thing)
        for key, facts, thing in entries
        if (after is None or key > after) and choice.holds(facts)
    )
    end = choice.skip + choice.limit
    taken = list(islice(left, end + 1)) if is_sorted else heapq.nsmallest(end + 1, left, key=itemgetter(0))
    page = taken[choice.skip : end]
    return Page([thing for _, thing in page], choice.cursor_at(page[-1][0]) if len(taken) > end else None)


def walk(choice: Choice, page_of: Callable[[Choice], Page[T]]) -> Iterator[T]:
    """Everything that a choice finds, page by page."""
    while True:
        page = page_of(choice)
        yield from page.found
        if page.next is None:
            return
        choice = choice.model_copy(update={"cursor": page.next, "skip": 0})
