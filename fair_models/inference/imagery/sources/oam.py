"""Metadata of OpenAerialMap: which imagery it means, who made it when, and under which licence.

One image is described by `https://api.openaerialmap.org/meta/<id>`, and by the JSON that lies beside its COG
(https://github.com/openimagerynetwork/oin-register): `<image>_meta.json` beside `<image>.tif`.
"""

from __future__ import annotations

import re
from typing import Any

import httpx

from fair_models import licences
from fair_models.data.images import acquisition
from fair_models.data.images.acquisition import Period
from fair_models.errors import InvalidItem
from fair_models.inference.imagery.rights import LONGEST, Rights, one_line
from fair_models.inference.imagery.sources.addresses import TileAddress
from fair_models.inference.imagery.sources.source import ImagerySource
from fair_models.store import hosts, locations
from fair_models.store.locations import BucketKey, LocalPath, Location
from fair_models.types import Json

IMAGE, TILES, WMTS = "image", "tms", "wmts"
"""What metadata may name: the COG, and services of its tiles; `address#tms` chooses one."""

_TILER = "tiles.openaerialmap.org"
_BUCKET = "https://oin-hotosm.s3.amazonaws.com"
"""Where OpenAerialMap keeps what its tiler shows."""

_TILES = re.compile(r"(?P<image>(?:/[^/{}]+)*/[^/{}]+/[0-9]+/[^/{}]+)/\{z(?:oom)?\}/")
"""Path of OpenAerialMap's tiles: id of the upload, number of the scene, id of the image."""

_SUFFIX = "_meta.json"
_IMAGES = (".tif", ".tiff")


def is_metadata(document: Any) -> bool:
    """Whether a JSON document is metadata of OpenAerialMap."""
    if not isinstance(document, dict):
        return False
    return ("results" in document and "meta" in document) or (
        isinstance(document.get("uuid"), str)
        and {"properties", "acquisition_start"} & document.keys() != set()
    )


def image_of(document: Json, name: str) -> Json:
    """The metadata of the one image that a document describes.

    Args:
        document: The document.
        name: What to call it in messages.

    Raises:
        InvalidItem: It describes none, or several.
    """
    found = document.get("results", document)
    if isinstance(found, dict):
        return found
    listed = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    if len(listed) == 1:
        return listed[0]
    ids = ", ".join(str(each.get("_id")) for each in listed[:5])
    raise InvalidItem(
        name,
        [
            f"it describes {len(listed)} images and not one; name one of them, as "
            f"https://api.openaerialmap.org/meta/ID{f' with one of the ids {ids}' if ids else ''}"
        ],
    )


def href_of(image: Json, key: str, name: str) -> tuple[str, str]:
    """What imagery is meant: one of `IMAGE`, `TILES` and `WMTS`, and its address.

    Args:
        image: Metadata of an image.
        key: Which one is asked for. Default: the first that there is.
        name: What to call it in messages.

    Raises:
        InvalidItem: It names no such imagery.
    """
    more = image.get("properties")
    services = more if isinstance(more, dict) else {}
    given = {IMAGE: image.get("uuid"), TILES: services.get(TILES), WMTS: services.get(WMTS)}
    found = {kind: _secure(href) for kind, href in given.items() if isinstance(href, str) and href}
    if not found or (key and key not in found):
        wanted = (
            f"no {key[:40]}, only {', '.join(found)}" if found else "neither a COG (uuid) nor tiles (tms)"
        )
        raise InvalidItem(name, [f"it names {wanted}; name other imagery"])
    kind = key or next(iter(found))
    return kind, found[kind]


def rights_of(image: Json) -> Rights:
    """Licence and maker of an image."""
    more = image.get("properties")
    said = [more.get("license") if isinstance(more, dict) else None, image.get("license")]
    known = [found for text in said if isinstance(text, str) and (found := licences.named(text))]
    return Rights(known[0] if known else "", one_line(str(image.get("provider") or ""), LONGEST))


def taken_of(image: Json) -> Period | None:
    """When an image was taken; None where its metadata does not say so."""
    return acquisition.of_texts(image.get("acquisition_start"), image.get("acquisition_end"))


def beside(source: ImagerySource) -> list[Location]:
    """Where metadata of imagery may lie, of which only the address is known. Nothing is asked for.

    Raises:
        Invalid: It may not be read there.
    """
    if isinstance(source, TileAddress):
        return _beside_tiles(source)
    place = source.location
    match place:
        case LocalPath(path):
            if path.suffix.lower() not in _IMAGES:
                return []
            return [LocalPath(locations.local_path(path.with_name(f"{path.stem}{_SUFFIX}")))]
        case BucketKey(bucket, key):
            renamed = _renamed(key)
            return [BucketKey(bucket, renamed)] if renamed else []
        case _:
            renamed = _renamed(place.url.path)
            return [locations.parse_web(place.url.copy_with(path=renamed, query=None))] if renamed else []


def _beside_tiles(tiles: TileAddress) -> list[Location]:
    parts = re.match(r"(https?://([^/?#]+))([^?#]*)", tiles.href)
    found = _TILES.match(parts[3]) if parts else None
    if tiles.kind != "template" or parts is None or found is None:
        return []
    root = _BUCKET if parts[2].lower() == _TILER else parts[1]
    return [locations.parse_web(f"{root}{found['image']}{_SUFFIX}")]


def _renamed(path: str) -> str | None:
    """The path of the metadata of an image; None where that is no GeoTIFF."""
    stem, dot, ending = path.rpartition(".")
    return f"{stem}{_SUFFIX}" if f"{dot}{ending}".lower() in _IMAGES else None


def _secure(href: str) -> str:
    """Older metadata names plain http, where https answers as well."""
    try:
        address = httpx.URL(href)
    except httpx.InvalidURL:
        return href
    is_plain = href.lower().startswith("http://") and not hosts.is_named(address.host)
    return f"https://{href[len('http://') :]}" if is_plain else href
