"""What services of OpenStreetMap's data have in common: a question for an area, and an answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from fair_models.data.vectors.osm.tags import TagRules
from fair_models.errors import Unavailable
from fair_models.store.web.policy import Web
from fair_models.types import BBox, Json

LARGEST_BYTES = 512 * 2**20
"""The largest answer that is read."""

SECONDS = 180
"""How long a service may look for an answer."""


@dataclass(frozen=True)
class Answer:
    """What a service gave.

    body: JSON that `polygons.read` takes.
    count: What is in it of that was asked for.
    """

    body: bytes
    count: int


class LabelService(Protocol):
    """A kind of service, as a module."""

    NAME: str
    """How messages call it."""

    FORM: str
    """How its addresses end, in words."""

    BY_HAND: str
    """What a person can do in its place."""

    def is_service(self, address: str) -> bool:
        """Whether an address is that of such a service, by its path."""

    def fetch(self, web: Web, address: str, rules: TagRules, around: BBox) -> Answer:
        """Ask for everything with some tags in an area.

        Args:
            web: Asks.
            address: The service.
            rules: The tags.
            around: West, south, east, north, in degrees.

        Raises:
            Invalid: An address is not allowed, or the service refuses the question.
            InvalidLabels: The answer is not all, or too much.
            NotFound: There is no such service.
            Unavailable: It is busy, does not answer, breaks off, or answers something else.
        """


def path_of(address: str) -> str:
    """An address without query, fragment and last slash."""
    return re.split(r"[?#]", address)[0].rstrip("/")


def document(body: bytes, shown: str, service: str) -> Json:
    """The JSON object that a service answered.

    Raises:
        Unavailable: It is another answer, such as a page; its beginning is quoted.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise no_answer(body, shown, service)
    return found


def no_answer(body: bytes | Any, shown: str, service: str) -> Unavailable:
    """What is said of what is no answer of a kind of service."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    start = " ".join(re.sub(r"<[^>]*>", " ", text[:2000]).split())[:200]
    return Unavailable(f"{shown} gives no answer of {service} but {start!r}: try again later")
