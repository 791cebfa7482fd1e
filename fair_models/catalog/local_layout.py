"""How items and collections lie on disk: pystac's best-practice layout, self-contained.

Local addresses are absolute in memory. On disk they are relative where the target lies beside the catalogue
(under the folder that holds it), so that this folder can be moved as a whole; all others stay as they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from pystac import Item, RelType, STACError, STACTypeError
from pystac.utils import make_absolute_href

from fair_models.errors import Corrupted, Invalid, InvalidItem
from fair_models.store.atomic import plain_json
from fair_models.types import Json

CATALOG_FILE = "catalog.json"

STRUCTURAL = frozenset({RelType.SELF, RelType.ROOT, RelType.PARENT, RelType.COLLECTION})
"""Links that follow from where an item lies; they are made, not kept."""

MALFORMED = (STACError, STACTypeError, LookupError, TypeError, ValueError, AttributeError)
"""What pystac raises over JSON that is not what it says it is."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|#")
_ITEM_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IMAGE_ROLES = frozenset({"mlm:training-runtime", "mlm:inference-runtime"})
_IMAGE_TYPES = ("application/vnd.oci.", "application/vnd.docker.")


def collection_path(collection: str) -> str:
    """Path of a collection's file, relative to the catalogue's folder."""
    return f"{collection}/collection.json"


def item_path(collection: str, item_id: str) -> str:
    """Path of a new item's file, relative to the catalogue's folder.

    Raises:
        InvalidItem: The id cannot be the name of a file.
    """
    if not _ITEM_ID.fullmatch(item_id) or len(item_id) > 200:
        raise InvalidItem(item_id, ["an id has letters, digits, '.', '_' and '-', at most 200 of them"])
    return f"{collection}/{item_id}/{item_id}.json"


def to_document(item: Item) -> Json:
    """An item as plain JSON, with local addresses still absolute and without structural links.

    Raises:
        InvalidItem: It holds what is not JSON, or a link to an object that has no address.
    """
    try:
        document: Json = plain_json(item.to_dict(include_self_link=False, transform_hrefs=False))
    except (STACError, ValueError, Invalid) as error:
        raise InvalidItem(item.id, [str(error)]) from error
    document["links"] = [link for link in document["links"] if link["rel"] not in STRUCTURAL]
    lost = [link["rel"] for link in document["links"] if not link["href"]]
    if lost:
        raise InvalidItem(item.id, [f"its link {rel} leads to an object without an address" for rel in lost])
    if self_href := item.get_self_href():
        _change_hrefs(document, lambda href: make_absolute_href(href, self_href))
    return document


def to_disk(document: Json, root: Path, path: str, catalog_title: str) -> Json:
    """A document as it lies on disk at `path`: structural links in, local addresses relative."""
    folder = (root / path).parent
    stored: Json = {**document, "assets": {k: dict(v) for k, v in document["assets"].items()}}
    stored["links"] = [dict(link) for link in document["links"]]
    _change_hrefs(stored, lambda href: _relative(href, folder, root.parent))
    up = os.path.relpath(root, folder).replace(os.sep, "/")
    parent = os.path.relpath(root / collection_path(document["collection"]), folder).replace(os.sep, "/")
    stored["links"] = [
        {"rel": "root", "href": f"{up}/{CATALOG_FILE}", "type": "application/json", "title": catalog_title},
        {"rel": "collection", "href": parent, "type": "application/json"},
        {"rel": "parent", "href": parent, "type": "application/json"},
        *stored["links"],
    ]
    return stored


def to_item(stored: Json, root: Path, path: str) -> Item:
    """The item of a document on disk, with absolute addresses. The document is used up.

    Raises:
        Corrupted: The document is no STAC item.
    """
    href = str(root / path)
    try:
        _change_hrefs(stored, lambda target: _absolute(target, (root / path).parent))
        # No root: pystac would read it to make other links relative again as soon as the item becomes a dict.
        made = {RelType.SELF, RelType.ROOT}
        stored["links"] = [link for link in stored["links"] if link["rel"] not in made]
        properties = stored["properties"]
        if not isinstance(properties, dict):
            raise TypeError("properties should be an object")
        times = {k: properties[k] for k in ("datetime", "start_datetime", "end_datetime") if k in properties}
        # Times alone: pystac warns of each item whose properties say `deprecated`, and here most are.
        item = Item.from_dict({**stored, "properties": times}, href=href, migrate=False, preserve_dict=False)
    except MALFORMED as error:
        raise Corrupted(f"{href} is not a STAC item ({error}): repair the file or put it back") from error
    item.properties = properties
    return item


def _change_hrefs(document: Json, change: Callable[[str], str]) -> None:
    """Change the local addresses of assets and links in place. Schemes and image references stay."""
    for asset in document["assets"].values():
        if not _is_image(asset):
            asset["href"] = _changed(asset["href"], change)
    for link in document["links"]:
        link["href"] = _changed(link["href"], change)


def _changed(href: str, change: Callable[[str], str]) -> str:
    return href if not href or _SCHEME.match(href) else change(href)


def _is_image(asset: Json) -> bool:
    """Whether the asset's href is a container image, which looks like a path and is none."""
    return not _IMAGE_ROLES.isdisjoint(asset.get("roles") or ()) or (asset.get("type") or "").startswith(
        _IMAGE_TYPES
    )


def _relative(href: str, folder: Path, movable: Path) -> str:
    if os.path.isabs(href) and Path(os.path.normpath(href)).is_relative_to(movable):
        relative = os.path.relpath(href, folder).replace(os.sep, "/")
        return relative if relative.startswith("..") else f"./{relative}"
    return href


def _absolute(href: str, folder: Path) -> str:
    return os.path.normpath(folder / href)
