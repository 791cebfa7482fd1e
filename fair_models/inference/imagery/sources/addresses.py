"""Addresses of tile services as people copy them from JOSM, the Tasking Manager, iD, QGIS and OpenAerialMap.

All of them become one form: a web address with placeholders in braces. What each placeholder means:
https://josm.openstreetmap.de/wiki/Maps, https://github.com/osmlab/editor-layer-index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal
from urllib.parse import unquote

from fair_models.data.images.tiles import Tile
from fair_models.errors import InvalidImagery
from fair_models.store import locations

Kind = Literal["template", "wms", "wmts"]

BOX_PX = 256
"""Pixels along the side of a picture that is asked for by its box."""

Meaning = Callable[[Tile, bool], str]
"""What stands in the place of a placeholder, for a tile, and whether its rows count from the south (TMS)."""

_PREFIX = re.compile(
    r"(?P<kind>tms|xyz|zxy|custom|wmts|wms_endpoint|wms|bing|scanex|html|mvt)\s*"
    r"(?:\([^()]*\))?\s*(?:\[(?P<zooms>[^\[\]]*)\])?\s*:\s*(?P<rest>.+)",
    re.IGNORECASE | re.DOTALL,
)
_ZOOMS = re.compile(r"\s*(?:(?P<min>[0-9]{1,2})\s*[,-]\s*)?(?P<max>[0-9]{1,2})\s*")
_CONNECTION = re.compile(r"[A-Za-z][A-Za-z0-9:_-]*(?:=[^&]*)?&|(?:url|type)=", re.IGNORECASE)
_OF_QGIS = frozenset(
    {
        "authcfg",
        "contextualwmslegend",
        "crs",
        "dpimode",
        "featurecount",
        "format",
        "http-header:referer",
        "ignoreaxisorientation",
        "ignoregetfeatureinfourl",
        "ignoregetmapurl",
        "ignorereportedlayerextents",
        "interpretation",
        "invertaxisorientation",
        "layers",
        "maxheight",
        "maxwidth",
        "password",
        "referer",
        "smoothpixmaptransform",
        "stepheight",
        "stepwidth",
        "styles",
        "tiledimensions",
        "tilematrixset",
        "tilepixelratio",
        "type",
        "url",
        "username",
        "zmax",
        "zmin",
    }
)
_ENCODED = re.compile(r"(?:\$|%24)?%7B([^{}/?&]{1,200}?)%7D", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_ZOOM = re.compile(r"(?:(?P<top>[0-9]{1,2})-)?z(?:oom)?(?P<step>[+-][0-9]{1,2})?")
_RANGE = re.compile(r"([a-z])-([a-z])|([0-9])-([0-9])")
_HOSTS = re.compile(r"(?:switch|s|subdomains?):(.*)", re.IGNORECASE | re.DOTALL)
_KEYS = frozenset(
    {"apikey", "api_key", "api-key", "key", "token", "accesstoken", "access_token", "connectid", "sig"}
)
_NO_TILES = {
    "wms_endpoint": "it names a WMS without a layer; choose one and write the address of the WMS with "
    "service=WMS&layers=NAME in its query",
    "bing": "Bing has no address that others may use; name the imagery by an address with {z}, {x} and {y}",
    "scanex": "Scanex has no address that others may use; name the imagery by an address with {z}, {x}, {y}",
    "html": "it is a page and no imagery; give an address with {z}, {x} and {y}",
    "mvt": "it is a map of vector tiles and no imagery; give an address of pictures with {z}, {x} and {y}",
}


@dataclass(frozen=True)
class TileAddress:
    """What the address of imagery means.

    kind: A template of tile addresses, a WMS or a WMTS.
    href: The address without what other software puts around it.
    written: The text as it was copied.
    zooms: Minimum and maximum zoom, where the address says them.
    """

    kind: Kind
    href: str
    written: str
    zooms: tuple[int, int] | None = None

    def __str__(self) -> str:
        return self.written


def is_address(text: str) -> bool:
    """Whether a text names something on the web, in whatever spelling, and no file or folder."""
    return "://" in unquote(text) and locations.scheme_of(text) != "file"


def read(text: str) -> TileAddress | None:
    """The service of tiles that a text means; None where it may name something else, as an image.

    Args:
        text: As it was copied: an address, with or without a prefix such as "tms[1,22]:"; or the connection
            of QGIS, "type=xyz&url=…&zmax=22&zmin=0".

    Raises:
        InvalidImagery: It names no imagery that can be asked for; says what to write.
    """
    plain = text.strip().strip("'\"<>").strip()
    found = _PREFIX.fullmatch(plain)
    if found is not None:
        return _prefixed(text, found["kind"].lower(), found["zooms"], found["rest"].strip())
    if _CONNECTION.match(plain) and "url=" in plain.lower():
        return _connection(text, plain)
    href = in_braces(plain)
    return TileAddress("template", href, text) if is_template(href) else None


def template(text: str) -> TileAddress:
    """As `read`, of what must be a template: `addresses` says what another text lacks."""
    return read(text) or TileAddress("template", text, text)


def is_template(href: str) -> bool:
    """Whether an address has a placeholder that tells tiles apart."""
    names = {name.strip().lower() for name in _PLACEHOLDER.findall(in_braces(href))}
    return any(map(_ZOOM.fullmatch, names)) or not names.isdisjoint(_OF_ONE_TILE) or names >= _SIDES


def in_braces(href: str) -> str:
    """An address whose placeholders are in plain braces, also where it was written for XML or encoded."""
    return _ENCODED.sub(_decoded, href.replace("&amp;", "&")).replace("${", "{")


def _decoded(found: re.Match[str]) -> str:
    name = unquote(found.group(1))
    return f"{{{name}}}" if _meaning(name) else found.group(0)


def addresses(template: str, tms: bool = False) -> Callable[[Tile], str]:
    """Gives the address of a tile.

    Args:
        template: Address with placeholders.
        tms: Whether {y} counts from the south too.

    Raises:
        InvalidImagery: A placeholder is missing or not known.
    """
    template = in_braces(template)
    names = dict.fromkeys(_PLACEHOLDER.findall(template))
    meanings: dict[str, Meaning] = {}
    for name in names:
        meaning = _side(name) if _has_sides(names) else None
        meaning = meaning or _meaning(name)
        if meaning is None:
            raise InvalidImagery(locations.shown(template), [_unknown(name)])
        meanings[name] = meaning
    _check_complete(template, names)

    def address(tile: Tile) -> str:
        return _PLACEHOLDER.sub(lambda found: meanings[found.group(1)](tile, tms), template)

    return address


def alternatives(template: str) -> Iterator[str]:
    """The template with each of its alternative hosts in turn, so that all of them can be checked."""
    template = in_braces(template)
    names = dict.fromkeys(_PLACEHOLDER.findall(template))
    choices = {
        name: hosts for name in names if (hosts := _hosts(name)) and not (_has_sides(names) and _side(name))
    }
    for name, hosts in choices.items():
        yield from (template.replace(f"{{{name}}}", host) for host in hosts)
    if not choices:
        yield template


def quadkey(tile: Tile) -> str:
    """A tile's number in one word: https://learn.microsoft.com/bingmaps/articles/bing-maps-tile-system."""
    return "".join(
        str((tile.x >> level & 1) + 2 * (tile.y >> level & 1)) for level in range(tile.z - 1, -1, -1)
    )


def _prefixed(written: str, kind: str, zooms: str | None, rest: str) -> TileAddress:
    if kind in _NO_TILES:
        raise InvalidImagery(locations.shown(rest), [_NO_TILES[kind]])
    href = in_braces(rest.strip("'\"<>"))
    if not locations.is_web(href):
        raise InvalidImagery(
            locations.shown(href), [f"behind {kind}: there is no address; write {kind}:https://host/path"]
        )
    limits = _zooms(zooms, href)
    if kind == "wmts":
        return TileAddress("wmts", href, written, limits)
    if kind == "wms" and not is_template(href):
        return TileAddress("wms", href, written, limits)
    return TileAddress("template", href, written, limits)


def _zooms(text: str | None, href: str) -> tuple[int, int] | None:
    if text is None or not text.strip():
        return None
    found = _ZOOMS.fullmatch(text)
    min_zoom, max_zoom = (int(found["min"] or 0), int(found["max"])) if found else (1, 0)
    if min_zoom > max_zoom:
        raise InvalidImagery(
            locations.shown(href),
            [f"[{text[:40]}] before it is no range of zooms; write [min,max], such as [1,22]"],
        )
    return min_zoom, max_zoom


def _connection(written: str, text: str) -> TileAddress:
    """What QGIS calls the source of a layer: names and values, the address one of them."""
    pairs = [part.partition("=")[::2] for part in text.split("&")]
    values = {name.lower(): unquote(value) for name, value in pairs if name.lower() in _OF_QGIS}
    href = in_braces(values.get("url", ""))
    if not locations.is_web(href):
        raise InvalidImagery(
            locations.shown(text), ["its url is no address; copy the source of the layer from QGIS again"]
        )
    more = "&".join("=".join(pair) for pair in pairs if pair[0].lower() not in _OF_QGIS)
    href += f"&{in_braces(unquote(more))}" if more and "?" in href else ""
    if values.get("type", "").lower() == "xyz" or is_template(href):
        min_zoom, max_zoom = (values.get(name, "") for name in ("zmin", "zmax"))
        limits = _zooms(f"{min_zoom or 0},{max_zoom}", href) if max_zoom else None
        return TileAddress("template", href, written, limits)
    join = "&" if "?" in href.rstrip("?&") else "?"
    base = href.rstrip("?&")
    if "tilematrixset" in values:
        href = f"{base}{join}service=WMTS&layer={values.get('layers', '')}"
        return TileAddress("wmts", href, written)
    asked = "&".join(f"{name}={values[name]}" for name in ("layers", "styles", "format") if values.get(name))
    return TileAddress("wms", f"{base}{join}service=WMS&{asked}", written)


def _zoom(top: int | None, step: int, tile: Tile, tms: bool) -> str:
    return str((top - tile.z if top is not None else tile.z) + step)


def _x(tile: Tile, tms: bool) -> str:
    return str(tile.x)


def _y(tile: Tile, tms: bool) -> str:
    return _from_south(tile, tms) if tms else str(tile.y)


def _from_south(tile: Tile, tms: bool) -> str:
    return str(2**tile.z - 1 - tile.y)


def _key(tile: Tile, tms: bool) -> str:
    return quadkey(tile)


def _box(order: tuple[int, ...], tile: Tile, tms: bool) -> str:
    box = tile.bounds_mercator()
    return ",".join(f"{box[at]:.6f}" for at in order)


def _fixed(text: str, tile: Tile, tms: bool) -> str:
    return text


def _one_of(hosts: tuple[str, ...], tile: Tile, tms: bool) -> str:
    return hosts[(tile.x + tile.y) % len(hosts)]


_WHOLE_BOX = partial(_box, (0, 1, 2, 3))
_SIDES = frozenset({"w", "s", "e", "n"})
_OF_ONE_TILE = frozenset({"q", "quadkey", "u", "tilematrix", "bbox", "bbox-epsg-3857"})
_PLAIN: Mapping[str, Meaning] = {
    "x": _x,
    "tilecol": _x,
    "y": _y,
    "tilerow": _y,
    **dict.fromkeys(("-y", "ty", "tmsy", "reversey", "reverse_y"), _from_south),
    **dict.fromkeys(("q", "quadkey", "u"), _key),
    "tilematrix": partial(_zoom, None, 0),
    **dict.fromkeys(("bbox", "bbox-epsg-3857"), _WHOLE_BOX),
    **dict.fromkeys(("width", "height"), partial(_fixed, str(BOX_PX))),
    **dict.fromkeys(("proj", "crs", "srs"), partial(_fixed, "EPSG:3857")),
    "wkid": partial(_fixed, "3857"),
    **dict.fromkeys(("r", "ratio", "@2x", "@3x", "retina"), partial(_fixed, "")),
}
"""What placeholders mean, by their names in lower case."""


def _has_sides(names: Iterable[str]) -> bool:
    """Whether a template asks for the sides of a box one by one; {s} is its south then, and no host."""
    return {name.strip().lower() for name in names} >= _SIDES


def _side(name: str) -> Meaning | None:
    plain = name.strip().lower()
    return partial(_box, ("wsen".index(plain),)) if plain in _SIDES else None


def _meaning(name: str) -> Meaning | None:
    plain = name.strip().lower()
    if (zoom := _ZOOM.fullmatch(plain)) is not None:
        top = None if zoom["top"] is None else int(zoom["top"])
        return partial(_zoom, top, int(zoom["step"] or 0))
    if plain in _PLAIN:
        return _PLAIN[plain]
    hosts = _hosts(name)
    return partial(_one_of, hosts) if hosts else None


def _hosts(name: str) -> tuple[str, ...]:
    """The alternatives of a placeholder; empty where it stands for something else."""
    plain = name.strip()
    if plain.lower() in {"s", "subdomain", "subdomains"}:
        return ("a", "b", "c")
    if (found := _HOSTS.fullmatch(plain)) is not None:
        listed = [one.strip() for one in re.split("[,;|]", found.group(1)) if one.strip()]
        return tuple(host for one in listed for host in (_spread(one) or (one,)))
    return _spread(plain)


def _spread(text: str) -> tuple[str, ...]:
    """All of a range such as a-d or 0-3."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return ()
    first, last = (each for each in found.groups() if each)
    return tuple(chr(code) for code in range(ord(first), ord(last) + 1))


def _unknown(name: str) -> str:
    shown = f"{{{name[:40]}}}"
    if name.strip().lower() in _KEYS:
        return f"{shown} is not known here, it stands for the key of the service; write your key in its place"
    if name.strip().lower() in {"tilematrixset", "style", "layer", "time"}:
        return f"{shown} stands for a name that the service says; write it in its place, or name its WMTS"
    return f"{shown} is not known; write {{z}}, {{x}} and {{y}} or {{-y}}"


def _check_complete(template: str, names: Iterable[str]) -> None:
    plain = {name.strip().lower() for name in names}
    has_zoom = any(_ZOOM.fullmatch(name) or name == "tilematrix" for name in plain)
    across, down = ({name for name in plain if _PLAIN.get(name) in way} for way in ((_x,), (_y, _from_south)))
    if not ((has_zoom and across and down) or plain & (_OF_ONE_TILE - {"tilematrix"}) or plain >= _SIDES):
        raise InvalidImagery(
            locations.shown(template),
            ["a template of tiles needs {z}, {x} and {y}, or {-y} for TMS, or {q} for a quadkey"],
        )
