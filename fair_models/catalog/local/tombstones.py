"""Where the local catalogue keeps tombstones: at the address of the item that was there.

So links to it still lead to something that says what it was. The collection has a link to each, which is all
that tells them from items.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from fair_models.catalog.items.tombstones import REL
from fair_models.catalog.items.versions import split_id
from fair_models.catalog.local.index import Index
from fair_models.errors import Corrupted
from fair_models.types import CollectionId, Json


def paths(index: Index, collection: CollectionId, name: str | None) -> list[str]:
    """Paths of tombstones, relative to the catalogue's folder, by name and number."""
    found = [link for link in index.head(collection)["links"] if link["rel"] == REL]
    ids = {link["title"]: _path(collection, link["href"]) for link in found}
    wanted = [each for each in ids if name is None or split_id(each)[0] == name]
    return [
        ids[each] for each in sorted(wanted, key=lambda each: (split_id(each)[0], split_id(each)[1] or 0))
    ]


def is_buried(index: Index, collection: CollectionId, item_id: str) -> bool:
    """Whether an item of this id was deleted."""
    links = index.head(collection)["links"]
    return any(link["rel"] == REL and link["title"] == item_id for link in links)


def read(root: Path, path: str) -> Json:
    """One tombstone as it lies on disk.

    Raises:
        Corrupted: It cannot be read.
    """
    try:
        document: Any = orjson.loads((root / path).read_bytes())
    except (OSError, ValueError) as error:
        raise Corrupted(
            f"The tombstone {root / path} cannot be read ({error}): put the file back, or take the link to "
            "it out of its collection"
        ) from error
    return dict(document)


def head_with(head: Json, collection: CollectionId, buried: dict[str, str], back: set[str]) -> Json:
    """A collection's head with links to its tombstones.

    Args:
        head: The collection without the links to its items.
        collection: Which.
        buried: New tombstones: path by id.
        back: Ids that are items again.
    """
    kept = [link for link in head["links"] if link["rel"] != REL or link["title"] not in {*buried, *back}]
    new = [
        {"rel": REL, "href": _href(collection, path), "type": "application/geo+json", "title": item_id}
        for item_id, path in sorted(buried.items())
    ]
    return {**head, "links": [*kept, *new]}


def _href(collection: str, path: str) -> str:
    inside = path.removeprefix(f"{collection}/")
    return f"./{inside}" if inside != path else f"../{path}"


def _path(collection: str, href: str) -> str:
    return href.removeprefix("../") if href.startswith("../") else f"{collection}/{href.removeprefix('./')}"
