"""Tile services: which address a tile has.

XYZ counts y from the north, TMS from the south ({-y}). Zooms and places are those of the web map
(EPSG:3857): https://wiki.openstreetmap.org/wiki/Slippy_map_tilenames
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fair_models.data.tiles import Tile
from fair_models.errors import InvalidDocument, InvalidImagery
from fair_models.store import hrefs
from fair_models.types import BBox

ZOOMS = (14, 22)
"""Least and most zoom that is asked for."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SWITCH = "switch:"
_KNOWN = frozenset({"z", "zoom", "x", "y", "-y", "s"})
_SUBDOMAINS = "a,b,c"
_MARKUP = re.compile(r"<[^>]{0,2000}>")


@dataclass(frozen=True)
class Service:
    """A service of tiles.

    name: What to call it.
    address: The address of a tile.
    zooms: Least and most zoom that it has.
    bounds: Where it has tiles, in degrees; None where it does not say.
    attribution: Whom to name for the imagery, as the service says it; may be empty.
    """

    name: str
    address: Callable[[Tile], str]
    zooms: tuple[int, int] = ZOOMS
    bounds: BBox | None = None
    attribution: str = ""


def is_template(imagery: str) -> bool:
    """Whether the imagery is a template of tile addresses."""
    return bool(re.search(r"\{z(oom)?\}", imagery))


def from_template(template: str, tms: bool = False) -> Service:
    """The service of a template.

    Args:
        template: Address with {z} (or {zoom}), {x} and {y}, or {-y} for y counted from the south; {s} stands
            for the hosts a, b and c, {switch:a,b} for those named.
        tms: Whether {y} counts from the south too.

    Raises:
        InvalidImagery: A placeholder is missing or not known, or the address may not be read.
    """
    names = _PLACEHOLDER.findall(template)
    unknown = [name for name in names if name not in _KNOWN and not name.startswith(_SWITCH)]
    if unknown:
        raise InvalidImagery(
            hrefs.shown(template),
            [f"{{{unknown[0][:40]}}} is not known; write {{z}}, {{x}} and {{y}} or {{-y}}"],
        )
    if not ("x" in names and {"y", "-y"} & set(names) and {"z", "zoom"} & set(names)):
        raise InvalidImagery(
            hrefs.shown(template), ["a template of tiles needs {z}, {x} and {y}, or {-y} for TMS"]
        )

    def address(tile: Tile) -> str:
        return _PLACEHOLDER.sub(lambda found: _value(found.group(1), tile, tms), template)

    host = hrefs.web_address(address(Tile(0, 0, 1))).host
    return Service(host, address)


def from_tilejson(document: dict[str, Any], href: str) -> Service:
    """The service that a TileJSON describes (https://github.com/mapbox/tilejson-spec).

    Args:
        document: The TileJSON.
        href: Where it lies: addresses may be relative to it.

    Raises:
        InvalidImagery: It has no tiles, or what it says cannot be.
    """
    templates = document.get("tiles")
    if not isinstance(templates, list) or not templates or not all(isinstance(one, str) for one in templates):
        raise InvalidImagery(
            hrefs.shown(href), ["it names no tiles; give the address of a TileJSON with `tiles`"]
        )
    scheme = document.get("scheme", "xyz")
    if scheme not in ("xyz", "tms"):
        raise InvalidImagery(hrefs.shown(href), [f"its scheme {str(scheme)[:40]!r} is neither xyz nor tms"])
    services = [from_template(hrefs.joined(href, one), tms=scheme == "tms") for one in templates[:10]]
    try:
        zooms = int(document.get("minzoom", 0)), int(document.get("maxzoom", ZOOMS[1]))
        west, south, east, north = (float(number) for number in document.get("bounds", (-180, -90, 180, 90)))
    except (TypeError, ValueError) as error:
        raise InvalidDocument(hrefs.shown(href), [f"its zooms or bounds are no numbers: {error}"]) from error
    return Service(
        name=_line(str(document.get("name") or services[0].name), 120),
        address=lambda tile: services[(tile.x + tile.y) % len(services)].address(tile),
        zooms=zooms,
        bounds=(west, south, east, north),
        attribution=_line(str(document.get("attribution") or ""), 1000),
    )


def _value(name: str, tile: Tile, tms: bool) -> str:
    """What stands in the place of a placeholder."""
    from_south = 2**tile.z - 1 - tile.y
    values = {
        "z": tile.z,
        "zoom": tile.z,
        "x": tile.x,
        "y": from_south if tms else tile.y,
        "-y": from_south,
    }
    if name in values:
        return str(values[name])
    hosts = (name.removeprefix(_SWITCH) if name.startswith(_SWITCH) else _SUBDOMAINS).split(",")
    return hosts[(tile.x + tile.y) % len(hosts)]


def _line(text: str, longest: int) -> str:
    """Words of a service as one line without markup: attributions are written in HTML."""
    plain = html.unescape(_MARKUP.sub(" ", text))
    return " ".join("".join(letter if letter.isprintable() else " " for letter in plain).split())[:longest]
