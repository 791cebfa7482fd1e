"""What a source says of who made its imagery, and under which licence it is."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

from fair_models import licences
from fair_models.types import Json

LONGEST = 1000
"""Characters of an attribution."""

_MARKUP = re.compile(r"<[^>]{0,2000}>")
_OWNERS = frozenset({"licensor", "producer"})


@dataclass(frozen=True)
class Rights:
    """What a source says.

    license: The licence of the imagery as an SPDX identifier; empty where the source says none that is one.
    attribution: Whom to name, in one line; may be empty.
    """

    license: str = ""
    attribution: str = ""


NOTHING_SAID = Rights()


def of_item(item: Json) -> Rights:
    """What a STAC item of imagery says: its licence, and those of its providers who made or license it.

    Where none is said to have done so, all providers are named.
    """
    properties = item.get("properties")
    said: Json = properties if isinstance(properties, dict) else {}
    license_ = next((found for text in _licences(item, said) if (found := licences.named(text))), "")
    listed = said.get("providers")
    providers = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    owners = [each for each in providers if _OWNERS & _roles(each)] or providers
    names = dict.fromkeys(one_line(str(each.get("name") or ""), LONGEST) for each in owners)
    return Rights(
        license_,
        ", ".join(name for name in names if name)[:LONGEST],
    )


def _licences(item: Json, properties: Json) -> list[str]:
    """What an item says of its licence: itself, then in its links."""
    links = item.get("links")
    linked = [
        str(link.get(name) or "")
        for link in (links if isinstance(links, list) else [])
        if isinstance(link, dict) and link.get("rel") == "license"
        for name in ("href", "title")
    ]
    return [str(properties.get("license") or ""), *linked]


def of_text(attribution: str) -> Rights:
    """What an attribution says: whom to name, and the licence where it names one and no other."""
    return Rights(licences.within(attribution), one_line(attribution, LONGEST))


def _roles(provider: Json) -> set[str]:
    roles: Any = provider.get("roles")
    return {str(role) for role in roles} if isinstance(roles, list) else set()


def one_line(text: str, longest: int) -> str:
    """Words of a source as one line without markup: attributions are written in HTML."""
    plain = html.unescape(_MARKUP.sub(" ", text))
    return " ".join("".join(letter if letter.isprintable() else " " for letter in plain).split())[:longest]
