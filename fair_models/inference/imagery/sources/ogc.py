"""WMS and WMTS as services of tiles of the web map.

GDAL reads both, but asks the network itself, where nobody could check redirects and machines. What it does is
little: an address for each tile. So the address is made here, and the tile is asked for like all others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree

from fair_models.data.images.tiles import HALF_WORLD_M, Tile
from fair_models.errors import InvalidImagery
from fair_models.inference.imagery.sources.services import Service
from fair_models.store import locations
from fair_models.store.web.policy import DOCUMENT_BYTES, Web

WMS_TILE_PX = 256
"""Pixels along the side of what is asked of a WMS: a tile of the web map."""

_PIXEL_M = 0.00028
"""What WMTS takes for the width of a pixel when it writes scales."""

_SAME = 1e-6
_MERCATOR = ("3857", "900913", "102100", "3785")
_FORMATS = ("image/png", "image/jpeg", "image/webp", "image/jpg")


def from_wms(href: str) -> Service:
    """A WMS.

    Args:
        href: Its address with `service=WMS` and `layers`; `styles`, `format`, `version` and whatever else it
            takes are kept.

    Raises:
        InvalidImagery: It names no layers.
        Invalid: It may not be asked.
    """
    parts = urlsplit(href)
    given = {name.lower(): (name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True)}
    if not given.get("layers", ("", ""))[1]:
        raise InvalidImagery(
            locations.shown(href), ["it names no layers; add layers=NAME to the address of the WMS"]
        )
    locations.parse_web(href)
    version = given.get("version", ("", "1.1.1"))[1]
    fixed = {"service": "WMS", "version": version, "request": "GetMap", "styles": "", "format": "image/png"}
    own = {
        name: value
        for key, (name, value) in given.items()
        if key not in {"bbox", "width", "height", "srs", "crs"}
    }
    query = {name: value for name, value in fixed.items() if name not in given or name == "request"}
    query |= {name: value for name, value in own.items() if name.lower() != "request"}
    query["crs" if version.startswith("1.3") else "srs"] = "EPSG:3857"
    query |= {"width": str(WMS_TILE_PX), "height": str(WMS_TILE_PX)}

    def address(tile: Tile) -> str:
        box = ",".join(f"{number:.6f}" for number in tile.bounds_mercator())
        return urlunsplit(parts._replace(query=urlencode(query | {"bbox": box}, safe=",:/"), fragment=""))

    return Service(f"{given['layers'][1]} of {parts.hostname}", address)


def from_wmts(href: str, web: Web) -> Service:
    """A WMTS, by what it says of itself.

    Args:
        href: Address of its capabilities, or with `service=WMTS` in the query; `layer` names a layer where it
            has several, `style` a style.
        web: Asks for the capabilities.

    Raises:
        InvalidImagery: What it says cannot be read, or it has no such layer on the grid of the web map.
        Unavailable: It does not answer.
    """
    name, parts = locations.shown(href), urlsplit(href)
    given = {key.lower(): value for key, value in parse_qsl(parts.query)}
    asked = href
    if given.get("service", "").lower() == "wmts":
        kept = [
            pair for pair in parse_qsl(parts.query) if pair[0].lower() not in {"layer", "style", "request"}
        ]
        query = urlencode([*kept, ("request", "GetCapabilities")])
        asked = urlunsplit(parts._replace(query=query, fragment=""))
    root = _parsed(web.get(locations.parse_web(asked), largest_bytes=DOCUMENT_BYTES).body, name)
    layer = _layer(root, given.get("layer"), name)
    matrix_set, matrices = _matrices(root, layer, name)
    style = given.get("style") or _style(layer)
    values = {"Layer": _text(layer, "Identifier"), "Style": style, "TileMatrixSet": matrix_set}
    template = _template(layer, values, asked)
    locations.parse_web(template.replace("{", "").replace("}", ""))

    def address(tile: Tile) -> str:
        found = template.replace("{TileMatrix}", quote(matrices[tile.z], safe=":"))
        return found.replace("{TileRow}", str(tile.y)).replace("{TileCol}", str(tile.x))

    return Service(f"{values['Layer']} of {parts.hostname}", address, (min(matrices), max(matrices)))


def _parsed(data: bytes, name: str) -> ElementTree.Element:
    try:
        text = data.decode("utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ElementTree.ParseError("it declares a document type")
        return ElementTree.fromstring(text)  # noqa: S314 - entities cannot be declared without a document type
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError) as error:
        raise InvalidImagery(
            name, [f"its capabilities cannot be read ({error}); give another address"]
        ) from error


def _layer(root: ElementTree.Element, layer_name: str | None, name: str) -> ElementTree.Element:
    layers = {_text(layer, "Identifier"): layer for layer in _children(_child(root, "Contents"), "Layer")}
    if layer_name is None and len(layers) == 1:
        return next(iter(layers.values()))
    if layer_name not in layers:
        listed = ", ".join(list(layers)[:20])
        raise InvalidImagery(name, [f"name one of its layers by adding layer=NAME to the address: {listed}"])
    return layers[layer_name]


def _matrices(root: ElementTree.Element, layer: ElementTree.Element, name: str) -> tuple[str, dict[int, str]]:
    """The first of a layer's grids that is the web map's, and its zooms."""
    linked = [_text(link, "TileMatrixSet") for link in _children(layer, "TileMatrixSetLink")]
    sets = {_text(one, "Identifier"): one for one in _children(_child(root, "Contents"), "TileMatrixSet")}
    for identifier in linked:
        found = sets.get(identifier)
        if found is None or not _text(found, "SupportedCRS").endswith(_MERCATOR):
            continue
        zooms = dict(_zooms(found))
        if zooms:
            return identifier, zooms
    raise InvalidImagery(
        name,
        [
            "its layer has no tiles on the web map's grid (EPSG:3857), only "
            f"{', '.join(linked[:10]) or 'none'}"
        ],
    )


def _zooms(matrix_set: ElementTree.Element) -> Iterator[tuple[int, str]]:
    """Zooms of a grid whose tiles are those of the web map."""
    for matrix in _children(matrix_set, "TileMatrix"):
        try:
            left, top = (float(number) for number in _text(matrix, "TopLeftCorner").split())
            width_m = float(_text(matrix, "ScaleDenominator")) * _PIXEL_M * int(_text(matrix, "TileWidth"))
        except ValueError:
            continue
        if abs(left + HALF_WORLD_M) > 1 or abs(top - HALF_WORLD_M) > 1 or width_m <= 0:
            continue
        zoom = math.log2(2 * HALF_WORLD_M / width_m)
        if abs(zoom - round(zoom)) < _SAME:
            yield round(zoom), _text(matrix, "Identifier")


def _style(layer: ElementTree.Element) -> str:
    styles = _children(layer, "Style")
    default = [style for style in styles if style.get("isDefault") == "true"]
    return _text((default or styles)[0], "Identifier") if styles else "default"


def _template(layer: ElementTree.Element, values: Mapping[str, str], asked: str) -> str:
    """The address of a tile with {TileMatrix}, {TileRow} and {TileCol}: its own, else by key and value."""
    offered = [each for each in _children(layer, "ResourceURL") if each.get("resourceType") == "tile"]
    kinds = {each.get("format"): each.get("template", "") for each in offered}
    template = next((kinds[kind] for kind in _FORMATS if kind in kinds), "")
    if template:
        dimensions = {
            _text(one, "Identifier"): _text(one, "Default") for one in _children(layer, "Dimension")
        }
        for key, value in {**dimensions, **values}.items():
            template = template.replace(f"{{{key}}}", quote(value, safe=""))
        return locations.joined(asked, template)
    formats = [(one.text or "").strip() for one in _children(layer, "Format")]
    kind = next((kind for kind in _FORMATS if kind in formats), _FORMATS[0])
    query = [
        (key, value)
        for key, value in parse_qsl(urlsplit(asked).query)
        if key.lower() not in {"service", "request", "version"}
    ]
    query += [("service", "WMTS"), ("version", "1.0.0"), ("request", "GetTile"), ("format", kind)]
    text = urlencode([*query, *((key.lower(), value) for key, value in values.items())], safe=":/")
    places = "tilematrix={TileMatrix}&tilerow={TileRow}&tilecol={TileCol}"
    return urlunsplit(urlsplit(asked)._replace(query=f"{text}&{places}", fragment=""))


def _children(element: ElementTree.Element | None, name: str) -> list[ElementTree.Element]:
    return [child for child in element or () if child.tag.rpartition("}")[2] == name]


def _child(element: ElementTree.Element | None, name: str) -> ElementTree.Element | None:
    return next(iter(_children(element, name)), None)


def _text(element: ElementTree.Element, name: str) -> str:
    found = _child(element, name)
    return (found.text or "").strip() if found is not None else ""
