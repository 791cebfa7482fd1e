"""Collections of the local catalogue written again from what their items say."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import orjson

from fair_models.catalog.items import collections
from fair_models.catalog.items.search_fields import SearchQuery
from fair_models.catalog.items.tombstones import TOMBSTONE
from fair_models.catalog.local import database, journal, tombstones
from fair_models.catalog.local.change import collection_document
from fair_models.catalog.local.database import Unusable
from fair_models.catalog.local.index import Index
from fair_models.catalog.local.journal import Step
from fair_models.catalog.local.layout import CATALOG_FILE, collection_path
from fair_models.catalog.local.lock import held
from fair_models.catalog.local.survey import is_absolute
from fair_models.errors import Unavailable
from fair_models.store.atomic import encode_json, translate_os_errors
from fair_models.types import CollectionId, Json


def refresh(root: Path, timeout_s: float = 60.0) -> list[str]:
    """Write the collections whose files say otherwise than their items: as one change, through the journal.

    Extents, summaries, links to items and the links to root and parent are made anew; all else that a file
    says stays. Links to tombstones of items that exist again go.

    Args:
        root: The catalogue's folder.
        timeout_s: Seconds to wait for another writer.

    Returns:
        Paths of the files that were written, relative to the catalogue's folder.

    Raises:
        Corrupted: A file of the catalogue cannot be read. Nothing was changed.
        Unavailable: Another writer did not end in time, or the folder is full or not ours to write.
    """
    doing = "its collections"
    with translate_os_errors(f"change the catalogue {root}"), held(root, doing, timeout_s):
        journal.recover(root)
        try:
            database.rebuild(root)
            with database.writing(root) as index:
                steps = _steps(root, index)
                if steps:
                    journal.stage(root, steps)
                    journal.seal(root)
                    journal.apply(root)
                    index.sign(collections.COLLECTIONS, [])
        except Unusable as error:
            raise Unavailable(
                f"The index of the catalogue {root} cannot be written ({error}). Check the free space and "
                "the permissions, then try again"
            ) from error
        with suppress(OSError):  # done all the same: going through the journal again changes nothing
            journal.clear(root)
    return [step.path for step in steps]


def _steps(root: Path, index: Index) -> list[Step]:
    made: dict[str, Json] = {
        collection_path(name): _document(index, name) for name in collections.COLLECTIONS
    }
    made[CATALOG_FILE] = _catalog(root)
    there = {path: orjson.loads((root / path).read_bytes()) for path in made if (root / path).is_file()}
    return [Step(path, encode_json(made[path])) for path, document in there.items() if document != made[path]]


def _document(index: Index, collection: CollectionId) -> Json:
    items = {
        document["id"]
        for _, document in index.search(collection, SearchQuery(), "id")
        if TOMBSTONE not in document.get("properties", {})
    }
    head = tombstones.head_with(index.head(collection), collection, {}, items)
    up = f"../{CATALOG_FILE}"
    for link in head["links"]:
        if link["rel"] in ("root", "parent") and is_absolute(link["href"]):
            link["href"] = up
    index.set_head(collection, head)
    return collection_document(index, collection)


def _catalog(root: Path) -> Json:
    """catalog.json with the links that have to be relative made so."""
    document: Json = orjson.loads((root / CATALOG_FILE).read_bytes())
    document["links"] = [link for link in document["links"] if link["rel"] != "self"]
    for link in document["links"]:
        if link["rel"] == "root" and is_absolute(link["href"]):
            link["href"] = f"./{CATALOG_FILE}"
        elif link["rel"] == "child" and Path(link["href"]).is_relative_to(root):
            link["href"] = f"./{Path(link['href']).relative_to(root).as_posix()}"
    return document
