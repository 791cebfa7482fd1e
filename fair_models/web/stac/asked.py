"""What a request asks of the STAC API, read from its parameters or its body and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from fair_models.catalog.items.collections import COLLECTIONS
from fair_models.catalog.search import filters, geometry
from fair_models.catalog.search.query import NEWEST_FIRST, ItemSearch, SortKey, Viewer
from fair_models.errors import Invalid
from fair_models.types import CollectionId, Json
from fair_models.web.stac import times

DEFAULT_LIMIT = 10
MAX_LIMIT = 1000
"""Items of one page; who asks for more gets so many, and a link to the next."""
MAX_VALUES = 1000
"""Of a list, such as ids."""
MAX_SORT_FIELDS = 5

DEFAULT_FIELDS = frozenset(
    {"type", "stac_version", "id", "collection", "geometry", "bbox", "links", "assets", "properties.datetime"}
)
"""What is given of items where a request names no field to include, but some to leave out."""

_CRS84 = ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "http://www.opengis.net/def/crs/OGC/0/CRS84h")
_QUERY = {"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "in": "in"}
_PATTERNS = {"startsWith": "{}%", "endsWith": "%{}", "contains": "%{}%"}


@dataclass(frozen=True)
class Fields:
    """Which fields of items are wanted. Nothing included means all of them."""

    included: frozenset[str] = field(default_factory=frozenset)
    excluded: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Asked:
    """A request as the catalogue takes it, and which fields are wanted of what it finds."""

    search: ItemSearch
    fields: Fields


def of_parameters(given: Mapping[str, str | None], viewer: Viewer, collection: str | None = None) -> Asked:
    """What the query of an address asks. Parameters that are not known are passed over.

    Args:
        given: Texts by parameter; None where it is left out.
        viewer: For whom.
        collection: The collection of the path.

    Raises:
        Invalid: A parameter is not right.
    """
    said = {name: value for name, value in given.items() if value not in (None, "")}
    document: Json = {name: said[name] for name in ("datetime", "token", "filter-crs") if name in said}
    for name in ("collections", "ids", "q"):
        if name in said:
            document[name] = _listed(said[name])
    if "limit" in said:
        document["limit"] = _whole(str(said["limit"]))
    if "bbox" in said:
        document["bbox"] = _numbers(str(said["bbox"]))
    for name in ("intersects", "query"):
        if name in said:
            document[name] = _json(name, str(said[name]))
    if "sortby" in said:
        document["sortby"] = [_sort_field(each) for each in _listed(said["sortby"])]
    if "fields" in said:
        names = _listed(said["fields"])
        document["fields"] = names
    if "filter" in said:
        text = str(said["filter"])
        language = said.get("filter-lang") or ("cql2-json" if text.lstrip().startswith("{") else "cql2-text")
        document |= {"filter-lang": language, "filter": text}
        if language == "cql2-json":
            document["filter"] = _json("filter", text)
    return of_document(document, viewer, collection)


def of_document(given: Json, viewer: Viewer, collection: str | None = None) -> Asked:
    """What a body asks. Members that are not known are passed over.

    Raises:
        Invalid: A member is not right.
    """
    _refuse_odd_text(given)
    start, end = times.interval(_text("datetime", given)) if given.get("datetime") else (None, None)
    if given.get("bbox") is not None and given.get("intersects") is not None:
        raise Invalid("A search has a bbox or intersects, not both")
    wanted = [collection] if collection is not None else _texts("collections", given)
    search = ItemSearch(
        collections=_known(wanted),
        ids=_texts("ids", given),
        area=_area(given),
        start=start,
        end=end,
        condition=_condition(given),
        words=[each.strip() for each in _words(given) if each.strip()],
        order=_order(given.get("sortby")),
        viewer=viewer,
        after=_text("token", given) if given.get("token") else None,
        limit=_limit(given.get("limit")),
    )
    return Asked(search, _fields(given["fields"]) if "fields" in given else Fields())


def _known(wanted: Sequence[str] | None) -> list[CollectionId]:
    """Collections that there are. Nothing is found in others."""
    if wanted is None:
        return list(COLLECTIONS)
    return [each for each in COLLECTIONS if each in wanted]


def _area(given: Json) -> Json | None:
    if given.get("bbox") is not None:
        return geometry.of_box(given["bbox"])
    if given.get("intersects") is not None:
        return geometry.of_json(given["intersects"])
    return None


def _condition(given: Json) -> Json | None:
    conditions = [each for each in (_filter(given), _query(given.get("query"))) if each is not None]
    if not conditions:
        return None
    return conditions[0] if len(conditions) == 1 else {"op": "and", "args": conditions}


def _filter(given: Json) -> Json | None:
    written = given.get("filter")
    if written is None or written == "" or written == {}:
        return None
    crs = given.get("filter-crs")
    if crs is not None and crs not in _CRS84:
        raise Invalid(
            f"filter-crs can only be {_CRS84[0]}: coordinates are longitude and latitude in degrees"
        )
    language = given.get("filter-lang") or ("cql2-text" if isinstance(written, str) else "cql2-json")
    if language == "cql2-text" and isinstance(written, str):
        return filters.of_text(written)
    if language == "cql2-json":
        return filters.checked(written)
    raise Invalid(
        "filter-lang says cql2-text, with the filter as text, or cql2-json, with the filter as an object"
    )


def _query(query: Any) -> Json | None:
    """Conditions of the older Query extension, which clients still send: {"gsd": {"lte": 0.5}}."""
    if query is None or query == {}:
        return None
    if not isinstance(query, dict) or not all(isinstance(each, dict) for each in query.values()):
        raise Invalid('query needs an object such as {"gsd": {"lte": 0.5}}')
    found: list[Json] = []
    for name, asked in query.items():
        for operator, value in asked.items():
            left: Json = {"property": name}
            if operator in _PATTERNS and isinstance(value, str):
                escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
                found.append({"op": "like", "args": [left, _PATTERNS[operator].format(escaped)]})
            elif operator in _QUERY:
                said = [{"op": _QUERY[operator], "args": [left, each]} for each in _meant(value)]
                found.append(said[0] if len(said) == 1 else {"op": "or", "args": said})
            else:
                raise Invalid(
                    f"query knows {', '.join([*_QUERY, *_PATTERNS])}, and not {str(operator)[:40]!r}"
                )
    return filters.checked({"op": "and", "args": found}) if found else None


def _meant(value: Any) -> list[Any]:
    """A value of the Query extension. A text that looks like a number is one too, as in addresses."""
    if not isinstance(value, str):
        return [value]
    try:
        number = float(value)
    except ValueError:
        return [value]
    return [value, number] if math.isfinite(number) else [value]


def _order(sortby: Any) -> Sequence[SortKey]:
    if sortby is None or sortby == []:
        return NEWEST_FIRST
    if not isinstance(sortby, list) or len(sortby) > MAX_SORT_FIELDS:
        raise Invalid(f"sortby needs a list of at most {MAX_SORT_FIELDS} fields")
    found = []
    for each in sortby:
        name = each.get("field") if isinstance(each, dict) else None
        direction = each.get("direction", "asc") if isinstance(each, dict) else None
        if not isinstance(name, str) or not name or direction not in ("asc", "desc"):
            raise Invalid(
                'sortby needs fields with a direction: {"field": "properties.gsd", "direction": "asc"}'
            )
        plain = name.removeprefix("properties.")
        if any(mark in plain for mark in '"\\') or plain in ("geometry", "bbox", "links", "assets"):
            raise Invalid(f"sortby cannot order by {name[:60]!r}")
        own = {"start_datetime": "datetime"}.get(plain, plain)
        found.append(SortKey(own, descending=direction == "desc"))
    return found


def _fields(given: Any) -> Fields:
    if isinstance(given, list):  # as addresses have it: ["id", "-geometry"]
        names = _texts("fields", {"fields": given}) or []
        return Fields(
            frozenset(each.lstrip("+ ") for each in names if not each.startswith("-")),
            frozenset(each[1:] for each in names if each.startswith("-")),
        )
    if not isinstance(given, dict):
        raise Invalid('fields needs {"include": […], "exclude": […]}')
    included, excluded = (frozenset(_texts(name, given) or ()) for name in ("include", "exclude"))
    if "include" in given and not included and excluded:  # of an empty list, and not of all that there is
        included = DEFAULT_FIELDS - excluded
    return Fields(included, excluded)


def _limit(given: Any) -> int:
    if given is None:
        return DEFAULT_LIMIT
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise Invalid(f"limit is a whole number from 1 on; a page has at most {MAX_LIMIT} items")
    return min(given, MAX_LIMIT)


def _texts(name: str, given: Json) -> list[str] | None:
    found = given.get(name)
    if found is None:
        return None
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise Invalid(f"{name} needs a list of texts")
    if len(found) > MAX_VALUES:
        raise Invalid(f"{name} has {len(found)} values, and at most {MAX_VALUES} are looked for at once")
    return list(found)


def _words(given: Json) -> list[str]:
    """Free text: a list, or words separated by commas."""
    if isinstance(given.get("q"), str):
        return _listed(given["q"])
    return _texts("q", given) or []


def _text(name: str, given: Json) -> str:
    if not isinstance(given[name], str):
        raise Invalid(f"{name} needs a text")
    return str(given[name])


def _listed(text: Any) -> list[str]:
    return [each.strip() for each in str(text).split(",") if each.strip()]


def _whole(text: str) -> int:
    try:
        return int(text) if text.isascii() and len(text) < 20 else -1
    except ValueError as error:
        raise Invalid(f"limit is a whole number, and not {text[:40]!r}") from error


def _numbers(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError as error:
        raise Invalid(f"bbox needs numbers separated by commas, and not {text[:80]!r}") from error


def _sort_field(text: str) -> Json:
    """A field as addresses have it: "-gsd"; a plus becomes a space there."""
    return {"field": text.lstrip("+- "), "direction": "desc" if text.startswith("-") else "asc"}


def _json(name: str, text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise Invalid(f"{name} is no JSON") from error


def _refuse_odd_text(given: Json) -> None:
    """Refuse halves of surrogate pairs, numbers beyond 64 bits, and depths that no database takes."""
    try:
        orjson.dumps(given)
    except (TypeError, ValueError) as error:
        raise Invalid(f"The request has a value that is no plain JSON: {error}") from error
