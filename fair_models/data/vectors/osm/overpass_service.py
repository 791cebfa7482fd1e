"""Services of Overpass (https://wiki.openstreetmap.org/wiki/Overpass_API), by the protocol `LabelService`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fair_models.class_names import ANY_VALUE
from fair_models.data.vectors import geojson
from fair_models.data.vectors.osm import service_protocol
from fair_models.data.vectors.osm.service_protocol import SECONDS, Answer
from fair_models.data.vectors.osm.tags import Tag, TagRules
from fair_models.errors import InvalidLabels
from fair_models.store import locations
from fair_models.store.web.policy import Web
from fair_models.types import BBox

NAME = "Overpass"
FORM = "https://…/interpreter"
BY_HAND = "download the area as a file, for example from https://overpass-turbo.eu, and name that"

_ENDING = "/interpreter"


def is_service(address: str) -> bool:
    """Whether an address is that of such a service, by its path."""
    return service_protocol.path_of(address).endswith(_ENDING)


def fetch(web: Web, address: str, rules: TagRules, around: BBox) -> Answer:
    """Ask for everything with some tags in an area. See `LabelService`."""
    place = locations.parse_web(address)
    url = place.url.copy_merge_params({"data": query_text(rules, around)})
    body = web.get(
        locations.WebAddress(url, address),
        largest_bytes=service_protocol.LARGEST_BYTES,
        headers=[("Accept", "application/json")],
    ).body
    return Answer(body, _count(body, place.shown))


def query_text(rules: TagRules, around: BBox) -> str:
    """The question in the language of Overpass."""
    west, south, east, north = around
    box = f"{south:.7f},{west:.7f},{north:.7f},{east:.7f}"
    wanted = "".join(f"nwr{each};" for each in _filters(rules))
    return f"[out:json][timeout:{SECONDS}][bbox:{box}];({wanted});out meta geom;"


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
    found = service_protocol.document(body, shown, NAME)
    elements = found.get("elements")
    if not isinstance(elements, list):
        raise service_protocol.no_answer(body, shown, NAME)
    if remark := found.get("remark"):
        raise InvalidLabels(
            shown, [f"its answer is incomplete: {str(remark)[:200]}; ask for a smaller area, or {BY_HAND}"]
        )
    if len(elements) > geojson.MAX_FEATURES:
        raise InvalidLabels(shown, [f"its answer has {len(elements):,} elements; ask for a smaller area"])
    return len(elements)
