"""What of an item is searched and summed up, taken from its JSON. Odd values are left out, never refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pystac.utils import str_to_datetime

from fair_models.catalog.items.collections import Sums, summed_fields
from fair_models.catalog.items.versions import split_id
from fair_models.catalog.search.query import is_private, owner_of
from fair_models.types import BBox, Json

TASKS = ("mlm:tasks", "label:tasks")
KEYWORDS = "keywords"
CHECKSUM = "file:checksum"
"""Field of an asset with the digest of its file."""
_LARGEST = 2**63 - 1
"""The largest whole number that SQLite holds."""


@dataclass(frozen=True)
class SearchFields:
    """The searched columns of one item.

    name: Id without "-v<n>".
    number: That n; 0 for an id without one.
    created, start, end: Seconds since 1970, UTC.
    gsd_m: Metres per pixel.
    owner: Account that the item belongs to.
    private: Whether it is there for its owner alone.
    facets: Property and value (as JSON text) for each value of each searched or summed property, and for
        the digest of each file.
    """

    name: str
    number: int
    deprecated: bool
    title: str | None
    created: float | None
    start: float | None
    end: float | None
    bbox: BBox | None
    gsd_m: float | None
    owner: str | None
    private: bool
    facets: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class SearchQuery:
    """What a search looks for: see `Catalog.search`."""

    name: str | None = None
    deprecated: bool | None = None
    tasks: Sequence[str] = ()
    keywords: Sequence[str] = ()


def place(collection: str, document: Json, order: Literal["id", "version", "created"]) -> tuple[Any, ...]:
    """Where an item stands in an order of `Catalog.search`."""
    item_id: str = document["id"]
    if order == "id":
        return (item_id,)
    facts = search_fields_of(collection, document)
    if order == "version":
        return facts.name, facts.number, item_id
    return facts.created is None, facts.created or 0.0, item_id


def search_fields_of(collection: str, document: Json) -> SearchFields:
    """The facts of an item's document."""
    item_id: str = document["id"]
    name, number = split_id(item_id)
    properties = document.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    title = properties.get("title")
    moment = _seconds(properties.get("datetime"))
    return SearchFields(
        name=name,
        number=min(number or 0, _LARGEST),
        deprecated=properties.get("deprecated") is True,
        title=title if isinstance(title, str) else None,
        created=_seconds(properties.get("created")),
        start=moment if (start := _seconds(properties.get("start_datetime"))) is None else start,
        end=moment if (end := _seconds(properties.get("end_datetime"))) is None else end,
        bbox=_box(document.get("bbox")),
        gsd_m=_number(properties.get("gsd")),
        owner=owner_of(properties),
        private=is_private(properties),
        facets=frozenset([*_facets(collection, properties), *_digests(document.get("assets"))]),
    )


def words_of(item_id: str, properties: Json) -> str:
    """What free text looks at, in lower case: id, title, description and keywords, a line for each."""
    keywords = properties.get(KEYWORDS)
    said = [
        item_id,
        properties.get("title"),
        properties.get("description"),
        *(keywords if isinstance(keywords, list) else []),
    ]
    return "\n".join(each for each in said if isinstance(each, str)).lower()


def facet_text(value: object) -> str:
    """A value as it is compared: JSON with sorted keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def sums_of(collection: str, many: Iterable[SearchFields]) -> Sums:
    """What items have together that everybody sees.

    Args:
        collection: Whose they are.
        many: Their facts.
    """
    found = [each for each in many if not each.private]
    boxes = [each.bbox for each in found if each.bbox is not None]
    sizes = [each.gsd_m for each in found if each.gsd_m is not None]
    facets = {facet for each in found for facet in each.facets}
    return Sums(
        bbox=box_around(boxes),
        start=time_text(min((each.start for each in found if each.start is not None), default=None)),
        end=time_text(max((each.end for each in found if each.end is not None), default=None)),
        gsd_m=(min(sizes), max(sizes)) if sizes else None,
        values={
            name: [json.loads(value) for field, value in sorted(facets) if field == name]
            for name in summed_fields(collection)
        },
    )


def box_around(boxes: Sequence[BBox]) -> BBox | None:
    """The box around boxes in degrees; None where there are none.

    Where one of them lies over the antimeridian (its west > east, RFC 7946), the result is the narrowest box
    around all of them, which then may lie over it too, or has all longitudes where they leave no gap.
    """
    if not boxes:
        return None
    south, north = min(box[1] for box in boxes), max(box[3] for box in boxes)
    if all(box[0] <= box[2] for box in boxes):
        return min(box[0] for box in boxes), south, max(box[2] for box in boxes), north
    spans = sorted((west, east if west <= east else east + 360.0) for west, _, east, _ in boxes)
    reached, gap, start = spans[0][1], 0.0, spans[0][0]
    for west, east in spans[1:]:
        if west - reached > gap:
            gap, start = west - reached, west
        reached = max(reached, east)
    if spans[0][0] + 360.0 - reached >= gap:
        gap, start = spans[0][0] + 360.0 - reached, spans[0][0]
    if gap <= 0.0:
        return -180.0, south, 180.0, north
    # The east side is that of a box, never a sum: nothing is rounded.
    ends = {east for _, _, east, _ in boxes}
    return start, south, min(ends, key=lambda east: (start - east) % 360.0), north


def time_text(seconds: float | None) -> str | None:
    """RFC 3339 time in UTC, e.g. "2026-11-21T03:48:00Z"."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _digests(assets: object) -> Iterator[tuple[str, str]]:
    for asset in assets.values() if isinstance(assets, dict) else ():
        checksum = asset.get(CHECKSUM) if isinstance(asset, dict) else None
        if isinstance(checksum, str):
            yield CHECKSUM, facet_text(checksum)


def _facets(collection: str, properties: Json) -> Iterator[tuple[str, str]]:
    for name in {*summed_fields(collection), *TASKS, KEYWORDS}:
        value = properties.get(name)
        for single in value if isinstance(value, list) else [] if value is None else [value]:
            yield name, facet_text(single)


def _seconds(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        moment = str_to_datetime(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _box(value: object) -> BBox | None:
    """Two-dimensional box; west > east in one over the antimeridian."""
    if not isinstance(value, list) or len(value) not in (4, 6):
        return None
    numbers = [_number(part) for part in value]
    west, south = numbers[0], numbers[1]
    east, north = numbers[len(numbers) // 2], numbers[len(numbers) // 2 + 1]
    if west is None or south is None or east is None or north is None:
        return None
    return west, south, east, north
