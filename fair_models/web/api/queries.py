"""What a list is asked for by query parameters, as a `Choice`."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fair_models.choices import Choice
from fair_models.conditions import METRIC
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId

Word = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Text without control characters."""

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


def _is_written_out(text: Any) -> Any:
    if not isinstance(text, str) or not _RFC_3339.fullmatch(text):
        raise ValueError("write a time as 2026-01-01T00:00:00Z; in an address + is %2B")
    return text


Time = Annotated[datetime, BeforeValidator(_is_written_out)]
"""A time as RFC 3339 has it, in UTC where it says no zone. Plain numbers are none."""

MODEL_COLLECTIONS: dict[str, tuple[CollectionId, ...]] = {
    "base-model": (BASE_MODELS,),
    "local-model": (LOCAL_MODELS,),
}

_SEARCHED = ("id", "title", "description", "words")
"""Where words are looked for. `words` are the keywords in one line."""


class Listing(BaseModel):
    """What every list takes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    q: (
        Annotated[
            str,
            Field(
                min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
            ),
        ]
        | None
    ) = Field(
        None,
        description="Words: each of them must be in the id, title, description or keywords, in any case.",
        examples=["roofs nepal"],
    )
    task: list[Word] = Field(
        [],
        max_length=20,
        description="One of these tasks, such as semantic-segmentation; datasets: what labels serve.",
    )
    keyword: list[Word] = Field(
        [], max_length=20, description="All of these keywords of the vocabulary, such as building."
    )
    tag: list[Word] = Field([], max_length=20, description="All of these tags, the free words of owners.")
    owner: Word | None = Field(None, description="Account that it belongs to.")
    created_after: Time | None = Field(
        None, description="Published at this time or later, RFC 3339.", examples=["2026-01-01T00:00:00Z"]
    )
    created_before: Time | None = Field(None, description="Published before this time, RFC 3339.")
    where: list[Annotated[str, Field(max_length=2000)]] = Field(
        [],
        max_length=20,
        description="All of these conditions: CQL2 text over id, name, number, tasks, keywords, trained, "
        "pinned, created, title, description, license and every field of the item with a prefix, or short "
        "forms such as `name contains WORD`.",
        examples=[['"fair:building_iou" > 0.6 AND trained']],
    )
    deprecated: Literal["false", "true", "any"] = Field(
        "false",
        description="Versions that another one took the place of, or that were archived: false leaves them "
        "out (default), true lists them alone, any both.",
    )
    limit: int = Field(100, ge=1, le=1000, description="Largest number on a page, 1 to 1000. Default: 100.")
    skip: int = Field(0, ge=0, le=100_000, description="Number to leave out first, 0 to 100000. Default: 0.")
    cursor: str | None = Field(
        None, min_length=1, max_length=2000, description="`next` of the page before. Default: the first page."
    )
    order: str = Field(
        "name",
        pattern=rf"^(name|id|newest|-?{METRIC})$",
        description="name: by name and number. id. newest: the newest first. A metric: the largest value "
        "first; with - before it the smallest. What was not measured comes last.",
        examples=["newest"],
    )

    @abstractmethod
    def collections(self) -> tuple[CollectionId, ...]:
        """Where to look."""

    def conditions(self) -> Iterator[str]:
        """What must hold, as CQL2 text."""
        for word in (self.q or "").split():
            pattern = _text(f"%{_like(word)}%")
            yield " OR ".join(f"CASEI({field}) LIKE CASEI({pattern})" for field in _SEARCHED)
        if self.task:
            yield f"A_OVERLAPS(tasks, ({', '.join(map(_text, self.task))}))"
        if self.keyword:
            yield f"A_CONTAINS(keywords, ({', '.join(map(_text, self.keyword))}))"
        if self.tag:
            yield f'A_CONTAINS("fair:tags", ({", ".join(map(_text, self.tag))}))'
        if self.owner is not None:
            yield f'"fair:owner" = {_text(self.owner)}'
        if self.created_after is not None:
            yield f"created >= {_moment(self.created_after)}"
        if self.created_before is not None:
            yield f"created < {_moment(self.created_before)}"
        yield from self.where

    def choice(self) -> Choice:
        """The same as it is looked up. Raises Invalid."""
        return Choice.of(
            self.conditions(),
            collections=self.collections(),
            deprecated=None,
            order=self.order,
            limit=self.limit,
            skip=self.skip,
            cursor=self.cursor,
        ).model_copy(update={"deprecated": {"false": False, "true": True, "any": None}[self.deprecated]})


class ModelListing(Listing):
    """What a list of models takes."""

    kind: Literal["base-model", "local-model"] | None = Field(
        None, description="Base models, or those that were fine-tuned from them. Default: both."
    )
    framework: Word | None = Field(None, description="Its framework, in any case, such as PyTorch.")
    metric: str | None = Field(
        None,
        pattern=rf"^{METRIC}$",
        description="A metric with a value, within `at_least` and `at_most` where they are given.",
        examples=["fair:building_iou"],
    )
    at_least: float | None = Field(
        None, allow_inf_nan=False, description="Smallest value of `metric`.", examples=[0.6]
    )
    at_most: float | None = Field(None, allow_inf_nan=False, description="Largest value of `metric`.")

    @model_validator(mode="after")
    def _bounds_have_a_metric(self) -> ModelListing:
        if self.metric is None and (self.at_least is not None or self.at_most is not None):
            raise ValueError("at_least and at_most are bounds of a metric: name one with metric=fair:NAME")
        return self

    def collections(self) -> tuple[CollectionId, ...]:
        """Where to look."""
        return (BASE_MODELS, LOCAL_MODELS) if self.kind is None else MODEL_COLLECTIONS[self.kind]

    def conditions(self) -> Iterator[str]:
        """What must hold, as CQL2 text."""
        yield from super().conditions()
        if self.framework is not None:
            yield f'CASEI("mlm:framework") = CASEI({_text(self.framework)})'
        if self.metric is not None:
            yield f'"{self.metric}" IS NOT NULL'
        for sign, bound in ((">=", self.at_least), ("<=", self.at_most)):
            if bound is not None:
                yield f'"{self.metric}" {sign} {bound!r}'


class DatasetListing(Listing):
    """What a list of datasets takes."""

    def collections(self) -> tuple[CollectionId, ...]:
        """Where to look."""
        return (DATASETS,)


def _text(value: Any) -> str:
    """A text in CQL2."""
    return "'" + str(value).replace("'", "''") + "'"


def _like(word: str) -> str:
    """A word as a pattern of LIKE that means itself."""
    return "".join(f"\\{each}" if each in "\\%_" else each for each in word)


def _moment(value: datetime) -> str:
    written = value.isoformat() if value.tzinfo else f"{value.isoformat()}Z"
    return f"TIMESTAMP('{written}')"
