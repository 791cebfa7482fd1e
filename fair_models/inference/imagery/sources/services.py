"""Tile services: which address a tile has.

XYZ counts y from the north, TMS from the south ({-y}). Zooms and places are those of the web map
(EPSG:3857): https://wiki.openstreetmap.org/wiki/Slippy_map_tilenames
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fair_models import licences
from fair_models.data.images.tiles import HALF_WORLD_M, Tile
from fair_models.errors import Invalid, InvalidDocument, InvalidImagery
from fair_models.inference.imagery import rights
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.rights import one_line
from fair_models.inference.imagery.sources import addresses
from fair_models.inference.imagery.sources.addresses import TileAddress
from fair_models.store import locations
from fair_models.types import BBox

ZOOMS = (14, 22)
"""Minimum and maximum zoom that is asked for."""

TILE_PX = 256
"""Pixels along a tile's side, as most services have them."""


@dataclass(frozen=True)
class Service:
    """A service of tiles.

    name: What to call it.
    address: The address of a tile.
    zooms: Minimum and maximum zoom that it has.
    bounds: Where it has tiles, in degrees; None where it does not say.
    attribution: Whom to name for the imagery, as the service says it; may be empty.
    license: The licence of the imagery as an SPDX identifier; empty where the service says none.
    """

    name: str
    address: Callable[[Tile], str]
    zooms: tuple[int, int] = ZOOMS
    bounds: BBox | None = None
    attribution: str = ""
    license: str = ""

    def within(self, zooms: tuple[int, int] | None) -> Service:
        """The same service, with the zooms that its address says besides."""
        if zooms is None:
            return self
        return replace(self, zooms=(max(self.zooms[0], zooms[0]), min(self.zooms[1], zooms[1])))


def from_template(template: TileAddress, tms: bool = False) -> Service:
    """The service of a template.

    Args:
        template: Address with {z} (or {zoom}), {x} and {y}, or {-y} for y counted from the south, in any of
            the spellings that `addresses` reads.
        tms: Whether {y} counts from the south too.

    Raises:
        InvalidImagery: A placeholder is missing or not known.
        Invalid: The address, or one of its alternative hosts, may not be asked.
    """
    first, address = Tile(0, 0, 1), addresses.addresses(template.href, tms)
    hosts = [
        locations.parse_web(addresses.addresses(one, tms)(first)).url.host
        for one in addresses.alternatives(template.href)
    ]
    return Service(hosts[0], address).within(template.zooms)


def check_zoom(zoom: int) -> None:
    """Refuse a zoom that no service is asked for. Raises Invalid."""
    min_zoom, max_zoom = ZOOMS
    if not min_zoom <= zoom <= max_zoom:
        raise Invalid(
            f"The zoom {zoom} is not one of {min_zoom} to {max_zoom}, which services of tiles are asked for; "
            "ask for one of these (--zoom)"
        )


def nearest_zoom(service: Service, area: Area, gsd_m: float) -> int:
    """The zoom whose pixels in an area are nearest in size to a model's, of those that the service has.

    Args:
        service: The service.
        area: The area; the middle of its box counts.
        gsd_m: Ground sample distance that the model works at, in metres.

    Raises:
        InvalidImagery: The service has none of the zooms that are asked for.
    """
    min_zoom, max_zoom = max(ZOOMS[0], service.zooms[0]), min(ZOOMS[1], service.zooms[1])
    if min_zoom > max_zoom:
        raise InvalidImagery(
            service.name,
            [f"it has zooms {service.zooms[0]} to {service.zooms[1]}, {ZOOMS[0]} to {ZOOMS[1]} are used"],
        )
    _, south, _, north = area.bbox
    width_m = 2 * HALF_WORLD_M * math.cos(math.radians((south + north) / 2)) / TILE_PX
    return min(max_zoom, max(min_zoom, round(math.log2(width_m / gsd_m))))


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
            locations.shown(href), ["it names no tiles; give the address of a TileJSON with `tiles`"]
        )
    scheme = document.get("scheme", "xyz")
    if scheme not in ("xyz", "tms"):
        raise InvalidImagery(
            locations.shown(href), [f"its scheme {str(scheme)[:40]!r} is neither xyz nor tms"]
        )
    joined = [locations.joined(href, one) for one in templates[:10]]
    services = [from_template(addresses.template(one), tms=scheme == "tms") for one in joined]
    try:
        zooms = int(document.get("minzoom", 0)), int(document.get("maxzoom", ZOOMS[1]))
        west, south, east, north = (float(number) for number in document.get("bounds", (-180, -90, 180, 90)))
    except (TypeError, ValueError) as error:
        raise InvalidDocument(
            locations.shown(href), [f"its zooms or bounds are no numbers: {error}"]
        ) from error
    said = rights.of_text(str(document.get("attribution") or ""))
    return Service(
        name=one_line(str(document.get("name") or services[0].name), 120),
        address=lambda tile: services[(tile.x + tile.y) % len(services)].address(tile),
        zooms=zooms,
        bounds=(west, south, east, north),
        attribution=said.attribution,
        license=licences.named(str(document.get("license") or "")) or said.license,
    )
