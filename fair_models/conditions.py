"""Conditions by which models, datasets and training runs are chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from fair_models.errors import Invalid
from fair_models.types import VERSION_SUFFIX, Json

Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]

METRIC = r"fair:[A-Za-z][A-Za-z0-9_]*"
_LARGEST = 2**63 - 1
"""The largest number of a version that counts: databases hold no larger one."""

_FACT = rf"^(name|id|task|keyword|trained|pinned|{METRIC})$"
_YES_OR_NO = frozenset({"trained", "pinned"})
_CONDITION = re.compile(
    r"(?P<not>not\s+)?(?:"
    r"(?P<flag>trained|pinned)"
    r"|(?P<fact>name\s+contains|id\s*=|task\s*=|keyword\s*=)\s*(?P<words>\S.*)"
    rf"|(?P<metric>{METRIC})\s*(?P<bound>[<>])\s*(?P<number>\S+)"
    r")",
)
_FORMS = (
    "'name contains WORD', 'id = ID or ID', 'task = TASK', 'keyword = WORD', 'trained', 'pinned', "
    "'fair:METRIC > NUMBER', 'fair:METRIC < NUMBER', each also with 'not ' before it"
)


@dataclass(frozen=True)
class Facts:
    """What is chosen by.

    name, number: A version's name and number.
    trained: A model that has learnt something; a run that completed.
    metrics: Held-out values by key; None where nothing was measured.
    created: Seconds since 1970, UTC; None where it is not known.
    """

    id: str
    name: str
    number: int
    tasks: Sequence[str] = ()
    keywords: Sequence[str] = ()
    trained: bool = False
    pinned: bool = False
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    created: float | None = None


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
        metrics={key: value for key, value in properties.items() if _is_number(value)},
        created=_seconds(properties.get("created")),
    )


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _seconds(text: Any) -> float | None:
    """Seconds since 1970; a time without a zone is in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class Condition(BaseModel):
    """One thing that must be so of what is listed, or must not."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    fact: str = Field(
        pattern=_FACT, description="name, id, task, keyword, trained, pinned, or the key of a metric."
    )
    words: tuple[Word, ...] = Field(
        (),
        max_length=100,
        description="With name: one of these is in it. With id, task, keyword: it is or has one of these.",
    )
    above: float | None = Field(None, description="With a metric: its value is larger than this.")
    below: float | None = Field(None, description="With a metric: its value is smaller than this.")
    negated: bool = Field(False, description="The opposite. Default: false.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        is_metric = self.fact.startswith("fair:")
        if is_metric != (self.above is not None or self.below is not None):
            raise ValueError(f"{self.fact} takes {'above or below' if is_metric else 'no bound'}")
        if bool(self.words) != (not is_metric and self.fact not in _YES_OR_NO):
            raise ValueError(f"{self.fact} takes {'no words' if self.words else 'at least one word'}")
        return self

    @classmethod
    def parse(cls, text: str) -> Condition:
        """A condition as people write it, e.g. "not name contains roofs" or "fair:building_iou > 0.5".

        Raises:
            Invalid: It is none; says which there are.
        """
        found = _CONDITION.fullmatch(text.strip())
        if found is None:
            raise Invalid(f"{text!r} is no condition. There are {_FORMS}")
        values: dict[str, Any] = {"negated": bool(found["not"])}
        if found["flag"]:
            values["fact"] = found["flag"]
        elif found["metric"]:
            values |= {"fact": found["metric"], _BOUNDS[found["bound"]]: _number(text, found["number"])}
        else:
            words = tuple(re.split(r"\s*(?:,|\sor\s)\s*", found["words"].strip()))
            values |= {"fact": re.split(r"[\s=]", found["fact"])[0], "words": words}
        try:
            return cls(**values)
        except ValidationError as error:
            raise Invalid(
                f"{text!r} is no condition: {error.errors()[0]['msg']}. There are {_FORMS}"
            ) from error

    def holds(self, facts: Facts) -> bool:
        """Whether it is so. What was not measured is neither above nor below anything."""
        return self._is_so(facts) != self.negated

    def _is_so(self, facts: Facts) -> bool:
        if self.fact == "name":
            return any(word.lower() in facts.name for word in self.words)
        if self.fact == "id":
            return facts.id in self.words
        if self.fact in {"task", "keyword"}:
            has = facts.tasks if self.fact == "task" else facts.keywords
            return not set(self.words).isdisjoint(has)
        if self.fact in _YES_OR_NO:
            return facts.trained if self.fact == "trained" else facts.pinned
        value = facts.metrics.get(self.fact)
        if value is None:
            return False
        return (self.above is None or value > self.above) and (self.below is None or value < self.below)


_BOUNDS: Mapping[str, Literal["above", "below"]] = {">": "above", "<": "below"}


def _number(text: str, number: str) -> float:
    try:
        return float(number)
    except ValueError as error:
        raise Invalid(f"{text!r} is no condition: {number!r} is no number; write one such as 0.5") from error
