"""How items and collections lie on disk: pystac's best-practice layout, self-contained.

Local addresses are absolute in memory. On disk they are relative where the target lies beside the catalogue
(under the folder that holds it), so that this folder can be moved as a whole; all others stay as they are.
"""

from __future__ import annotations

import os
from pathlib import Path

from pystac import Item

from fair_models.catalog.changes.documents import MALFORMED, STRUCTURAL, change_hrefs, check_id, made_item
from fair_models.errors import Corrupted
from fair_models.types import Json

CATALOG_FILE = "catalog.json"


def collection_path(collection: str) -> str:
    """Path of a collection's file, relative to the catalogue's folder."""
    return f"{collection}/collection.json"


def item_path(collection: str, item_id: str) -> str:
    """Path of a new item's file, relative to the catalogue's folder.

    Raises:
        InvalidItem: The id cannot be the name of a file.
    """
    check_id(item_id)
    return f"{collection}/{item_id}/{item_id}.json"


def to_disk(document: Json, root: Path, path: str, catalog_title: str) -> Json:
    """A document as it lies on disk at `path`: structural links in, local addresses relative."""
    folder = (root / path).parent
    stored: Json = {**document, "assets": {k: dict(v) for k, v in document["assets"].items()}}
    stored["links"] = [dict(link) for link in document["links"]]
    change_hrefs(stored, lambda href: _relative(href, folder, root.parent))
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
        change_hrefs(stored, lambda target: _absolute(target, (root / path).parent))
        return made_item(stored, href)
    except MALFORMED as error:
        raise Corrupted(f"{href} is not a STAC item ({error}): repair the file or put it back") from error


def to_absolute(stored: Json, path: str, root: Path) -> Json:
    """A document on disk with absolute addresses and without structural links. The document is used up."""
    change_hrefs(stored, lambda target: _absolute(target, (root / path).parent))
    stored["links"] = [link for link in stored["links"] if link["rel"] not in STRUCTURAL]
    return stored


def _relative(href: str, folder: Path, movable: Path) -> str:
    if os.path.isabs(href) and Path(os.path.normpath(href)).is_relative_to(movable):
        relative = os.path.relpath(href, folder).replace(os.sep, "/")
        return relative if relative.startswith("..") else f"./{relative}"
    return href


def _absolute(href: str, folder: Path) -> str:
    return os.path.normpath(folder / href)
