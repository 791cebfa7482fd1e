"""Asks a service of Overpass (https://wiki.openstreetmap.org/wiki/Overpass_API) for an area, politely."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import orjson

from fair_models.class_names import ANY_VALUE
from fair_models.data.vectors import geojson
from fair_models.data.vectors.osm.tags import Tag, TagRules
from fair_models.errors import Invalid, InvalidLabels, NotFound, Unavailable
from fair_models.store import locations
from fair_models.store.web.connections import Timeouts
from fair_models.store.web.policy import RetryPolicy, Web
from fair_models.types import BBox

ENDING = "/interpreter"
"""How the addresses of such services end."""

LARGEST_AREA = 0.25
"""Square degrees that are asked for at most: about 50 km by 50 km."""

_SECONDS = 180
_BYTES = 512 * 2**20
_TIMEOUTS = Timeouts(step_s=_SECONDS + 30.0, total_s=900.0)
_RETRIES = RetryPolicy(at_once=1, per_second=1.0, attempts=5, first_wait_s=5.0)
"""A public service answers 429 and 504 while it is busy, for some ten seconds mostly."""

_BY_HAND = "download the area as a file, for example from https://overpass-turbo.eu, and name that"


def is_service(labels: str) -> bool:
    """Whether what was given in place of a file of labels is the address of a service."""
    return locations.is_web(labels) and re.split(r"[?#]", labels)[0].rstrip("/").endswith(ENDING)


def ask(
    address: str, rules: TagRules, around: BBox, destination: Path, retries: RetryPolicy = _RETRIES
) -> Path:
    """Ask for everything with some tags in an area. The answer is written whole or not at all.

    Args:
        address: The service, such as https://overpass-api.de/api/interpreter.
        rules: The tags.
        around: West, south, east, north, in degrees.
        destination: File for the answer.
        retries: How often it is asked.

    Returns:
        The file: JSON that `polygons.read` takes.

    Raises:
        Invalid: The address is not allowed, the area is too large, or there is too much in it.
        InvalidLabels: There is nothing with these tags.
        Unavailable: The service is busy, does not answer, breaks off, or answers something else.
    """
    west, south, east, north = around
    shown = locations.shown(address)
    box = ", ".join(f"{each:.5f}" for each in around)
    if (east - west) * (north - south) > LARGEST_AREA:
        raise Invalid(
            f"{shown} is not asked for ({box}), which is more than {LARGEST_AREA:g} square degrees: give a "
            "smaller area, or cut an extract of OpenStreetMap with osmium extract and name that file"
        )
    place = locations.parse_web(address)
    url = place.url.copy_merge_params({"data": query_text(rules, around)})
    with closing(Web(retries, _TIMEOUTS)) as web:
        try:
            body = web.get(
                locations.WebAddress(url, address),
                largest_bytes=_BYTES,
                headers=[("Accept", "application/json")],
            ).body
        except Unavailable as error:
            raise Unavailable(f"{error}. Or {_BY_HAND}") from error
        except (Invalid, NotFound) as error:
            raise Invalid(f"{error}. Or {_BY_HAND}") from error
    if _count(body, shown) == 0:
        raise InvalidLabels(
            shown,
            [
                f"OpenStreetMap has nothing with {rules.told(rules.classes)} within ({box}) (west, south, "
                "east, north); choose other tags or another area, or map it first"
            ],
        )
    destination.write_bytes(body)
    return destination


def query_text(rules: TagRules, around: BBox) -> str:
    """The question in the language of Overpass."""
    west, south, east, north = around
    box = f"{south:.7f},{west:.7f},{north:.7f},{east:.7f}"
    wanted = "".join(f"nwr{each};" for each in _filters(rules))
    return f"[out:json][timeout:{_SECONDS}][bbox:{box}];({wanted});out meta geom;"


def _filters(rules: TagRules) -> Iterator[str]:
    by_key: dict[str, list[Tag]] = {}
    for listed in rules.classes.values():
        for tag in listed:
            by_key.setdefault(tag.key, []).append(tag)
    for key, listed in by_key.items():
        if any(tag.value == ANY_VALUE for tag in listed):
            yield f"[{_quoted(key)}]"
        else:
            yield f"[{_quoted(key)}~{_quoted(_pattern(listed))}]"


def _pattern(listed: Sequence[Tag]) -> str:
    """Values as a POSIX pattern; several may stand in one tag with ; between them."""
    values = "|".join(re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", tag.value) for tag in listed)
    return f"(^|;) *({values}) *(;|$)"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _count(body: bytes, shown: str) -> int:
    """How many elements an answer has.

    Raises:
        InvalidLabels: It says that it is not all.
        Unavailable: It is no answer of Overpass.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("elements"), list):
        start = " ".join(re.sub(r"<[^>]*>", " ", body[:2000].decode(errors="replace")).split())[:200]
        raise Unavailable(
            f"{shown} gives no answer of Overpass but {start!r}: try again later, or {_BY_HAND}"
        )
    if remark := found.get("remark"):
        raise InvalidLabels(
            shown, [f"its answer is incomplete: {str(remark)[:200]}; ask for a smaller area, or {_BY_HAND}"]
        )
    if len(found["elements"]) > geojson.MAX_FEATURES:
        raise InvalidLabels(
            shown, [f"its answer has {len(found['elements']):,} elements; ask for a smaller area"]
        )
    return len(found["elements"])
