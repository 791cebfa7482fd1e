"""The imagery that a text names, parsed and checked once: a service of tiles, or files here or elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urldefrag

from fair_models.inference.imagery.sources import addresses
from fair_models.inference.imagery.sources.addresses import TileAddress
from fair_models.store import locations
from fair_models.store.locations import LocalPath, Location


@dataclass(frozen=True)
class ImageSource:
    """A folder of chips, an image, or a STAC item or TileJSON that leads to imagery.

    location: Where it lies.
    asset: Key of the asset of a STAC item, from `item.json#key`; empty where none was named.
    """

    location: Location
    asset: str = ""

    def __str__(self) -> str:
        return f"{self.location}#{self.asset}" if self.asset else str(self.location)


ImagerySource = TileAddress | ImageSource
"""`str` of it gives the text back: paths as absolute ones, addresses as they were written."""


def parse_source(imagery: str | Path) -> ImagerySource:
    """What a text means that names imagery. Nothing is opened or asked for.

    Args:
        imagery: A folder of chips; a georeferenced image by path, https:// or s3://; a STAC item of imagery
            by path or https://; a tile service: a template with {z}, {x} and {y} or {-y}, as `addresses` has
            them, a TileJSON by path or https://, a WMS or WMTS address with `service` and `layers` or `layer`
            in its query.

    Raises:
        InvalidImagery: It names no imagery that can be asked for; says what to write.
        Invalid: It means nothing, or what may not be read.
        Unavailable: A path cannot be looked at.
    """
    text = str(imagery)
    if isinstance(imagery, Path) or not addresses.is_address(text):
        return _local(text)
    tiles = addresses.read(text)
    if tiles is not None:
        return tiles
    if not locations.is_web(text):
        found = locations.parse_location(text)
        return _local(text) if isinstance(found, LocalPath) else ImageSource(found)
    href, asset = urldefrag(text)
    address = locations.parse_web(href)
    service = parse_qs(address.url.query.decode().lower()).get("service", [""])[-1]
    if service == "wms":
        return TileAddress("wms", text, text)
    if service == "wmts" or address.url.path.lower().endswith("wmtscapabilities.xml"):
        return TileAddress("wmts", text, text)
    return ImageSource(address, asset)


def _local(text: str) -> ImageSource:
    path, asset = locations.local_folder(text), ""
    if not path.exists() and "#" in text:
        href, asset = urldefrag(text)
        path = locations.local_folder(href)
    return ImageSource(LocalPath(path), asset)
