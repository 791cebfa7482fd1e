"""The image that a STAC item of imagery means.

Of its assets that are GeoTIFF (by media type, else by ending) the one counts whose role is best: `visual`,
then `data`, then none, then `overview`. Thumbnails never do. Of several, those with three bands or more go
first, then the order of the item counts. `item.json#key` names an asset by its key.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from fair_models.data.images import acquisition
from fair_models.data.images.acquisition import Period
from fair_models.errors import InvalidItem
from fair_models.types import Json

_ROLES = ("visual", "data", "", "overview")
_NEVER = frozenset({"thumbnail", "metadata", "cloud", "snow-ice", "saturation"})
_TYPES = ("image/tiff", "image/vnd.stac.geotiff")
_ENDINGS = frozenset({".tif", ".tiff"})


def is_item(document: Any) -> bool:
    """Whether a JSON document is a STAC item."""
    return isinstance(document, dict) and document.get("type") == "Feature" and "stac_version" in document


def image_href(item: Json, key: str = "") -> str:
    """The address of the item's image, as the item writes it.

    Args:
        item: The item.
        key: Key of its asset. Default: see above.

    Raises:
        InvalidItem: There is none.
    """
    name, assets = str(item.get("id"))[:120], item.get("assets")
    found = {
        each: asset
        for each, asset in (assets.items() if isinstance(assets, dict) else ())
        if isinstance(asset, dict) and isinstance(asset.get("href"), str) and _is_image(asset)
    }
    if key:
        if key not in found:
            raise InvalidItem(name, [f"it has no GeoTIFF asset {key[:80]!r}, only {_listed(found)}"])
        return str(found[key]["href"])
    ranked = sorted(found.values(), key=_rank)
    if not ranked or _rank(ranked[0])[0] == len(_ROLES):
        raise InvalidItem(
            name, ["none of its assets is imagery as GeoTIFF with the role visual, data or overview"]
        )
    return str(ranked[0]["href"])


def taken_of(item: Json) -> Period | None:
    """When the imagery of an item was taken; None where it does not say so."""
    properties = item.get("properties")
    said: Json = properties if isinstance(properties, dict) else {}
    period = acquisition.of_texts(said.get("start_datetime"), said.get("end_datetime"))
    return period or acquisition.of_texts(said.get("datetime"))


def _is_image(asset: Json) -> bool:
    kind = str(asset.get("type") or "").lower()
    if kind:
        return kind.startswith(_TYPES)
    return PurePosixPath(unquote(urlsplit(asset["href"]).path)).suffix.lower() in _ENDINGS


def _rank(asset: Json) -> tuple[int, bool]:
    """The lower the better: by role, then those with fewer than three bands last."""
    given = asset.get("roles")
    roles = {str(role) for role in given} if isinstance(given, list) else set()
    bands = asset.get("bands", asset.get("eo:bands"))
    few = isinstance(bands, list) and len(bands) < 3
    if roles & _NEVER:
        return len(_ROLES), few
    known = [at for at, role in enumerate(_ROLES) if role in roles]
    return (known[0] if known else _ROLES.index("")), few


def _listed(found: Json) -> str:
    return ", ".join(list(found)[:10]) or "none"
