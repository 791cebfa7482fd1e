"""The catalogue's files as anybody may have left them: with this library, pystac or an editor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from fair_models.catalog.items import collections
from fair_models.catalog.local.layout import CATALOG_FILE, collection_path
from fair_models.errors import Corrupted
from fair_models.types import CollectionId, Json


@dataclass(frozen=True)
class StoredItem:
    """One item file.

    path: Relative to the catalogue's folder.
    signature: Of the file when it was read.
    """

    collection: str
    path: str
    signature: str
    document: Json


@dataclass(frozen=True)
class StoredCollection:
    """One collection file, or what it would be where there is none yet.

    head: The collection without the links to its items.
    """

    id: CollectionId
    signature: str
    head: Json
    item_paths: tuple[str, ...]


def exists(root: Path) -> bool:
    """Whether there is a catalogue."""
    return (root / CATALOG_FILE).is_file()


def signature(path: Path) -> str:
    """What changes when a file does: inode, size, time of change. Empty for a file that is not there."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"


def read_collections(root: Path) -> list[StoredCollection]:
    """The three collections.

    Raises:
        Corrupted: A file is no STAC collection.
    """
    return [_read_collection(root, name) for name in collections.COLLECTIONS]


def _read_collection(root: Path, name: CollectionId) -> StoredCollection:
    path = root / collection_path(name)
    mark = signature(path)
    if not mark:
        return StoredCollection(name, "", {**collections.template(name), "links": _structural_links()}, ())
    try:
        document = orjson.loads(path.read_bytes())
        if not isinstance(document.get("summaries", {}), dict):
            raise TypeError("summaries should be an object")
        to_items = [link["href"] for link in document["links"] if link["rel"] == "item"]
        head = {
            **document,
            "links": [link for link in document["links"] if link["rel"] not in ("item", "self")],
        }
        paths = tuple(_relative_to_root(root, path.parent, href) for href in to_items)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Corrupted(
            f"{path} is not a STAC collection ({error!r}): repair the file or put it back"
        ) from error
    return StoredCollection(name, mark, head, paths)


def read_items(root: Path, collection: StoredCollection) -> Iterator[StoredItem]:
    """The items that a collection links to.

    Raises:
        Corrupted: Files are missing or no JSON objects; all of them are named.
    """
    broken = []
    for path in collection.item_paths:
        file = root / path
        try:
            mark = signature(file)
            document: Any = orjson.loads(file.read_bytes())
            if not isinstance(document, dict) or not isinstance(document.get("id"), str):
                raise ValueError("no STAC item")
        except (OSError, ValueError) as error:
            broken.append(f"{file} ({error})")
            continue
        yield StoredItem(collection.id, path, mark, document)
    if broken:
        raise Corrupted(
            f"{collection.id} links to items that cannot be read: {'; '.join(broken)}. "
            f"Put the files back, or take the links out of {root / collection_path(collection.id)}"
        )


def catalog_document(root: Path) -> Json | None:
    """catalog.json as it must be for all collections to be found; None where it is so already.

    Raises:
        Corrupted: The file is no STAC catalogue.
    """
    path = root / CATALOG_FILE
    try:
        document = orjson.loads(path.read_bytes()) if exists(root) else _new_catalog()
        linked = {os.path.normpath(link["href"]) for link in document["links"] if link["rel"] == "child"}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Corrupted(
            f"{path} is not a STAC catalogue ({error!r}): repair the file or put it back"
        ) from error
    missing = [name for name in collections.COLLECTIONS if collection_path(name) not in linked]
    document["links"] += [
        {
            "rel": "child",
            "href": f"./{collection_path(name)}",
            "type": "application/json",
            "title": collections.template(name)["title"],
        }
        for name in missing
    ]
    return document if missing else None


def _new_catalog() -> Json:
    return {
        "type": "Catalog",
        "id": collections.CATALOG_ID,
        "stac_version": "1.1.0",
        "title": collections.CATALOG_TITLE,
        "description": collections.CATALOG_DESCRIPTION,
        "links": [{"rel": "root", "href": f"./{CATALOG_FILE}", "type": "application/json"}],
    }


def _structural_links() -> list[Json]:
    title = collections.CATALOG_TITLE
    return [
        {"rel": rel, "href": f"../{CATALOG_FILE}", "type": "application/json", "title": title}
        for rel in ("root", "parent")
    ]


def _relative_to_root(root: Path, folder: Path, href: str) -> str:
    return Path(os.path.relpath(folder / href, root)).as_posix()
