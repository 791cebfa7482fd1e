"""The local catalogue's files looked at without trusting any: what is there, what is broken, what is behind.

Readers get an error where a file is broken. A survey names it and goes on with the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import orjson

from fair_models.catalog.changes.documents import STRUCTURAL
from fair_models.catalog.items import collections
from fair_models.catalog.items.tombstones import REL as TOMBSTONE_LINK
from fair_models.catalog.local import database, files, journal
from fair_models.catalog.local.change import collection_document
from fair_models.catalog.local.database import Unusable
from fair_models.catalog.local.index import Index
from fair_models.catalog.local.layout import CATALOG_FILE, collection_path
from fair_models.catalog.local.lock import held
from fair_models.errors import Corrupted
from fair_models.types import CollectionId, Json

_ITEM_LINKS = ("item", TOMBSTONE_LINK)


@dataclass(frozen=True)
class SurveyedFile:
    """One item file, or a tombstone's.

    path: Relative to the catalogue's folder.
    data: Its bytes as they were read.
    """

    collection: CollectionId
    path: str
    data: bytes


@dataclass
class Survey:
    """What one look at the files found.

    root: The catalogue's folder.
    items, tombstones: Files that collections link to.
    broken: Why a file cannot be read, by its path.
    unlinked: Item files that no collection links to.
    absolute: Relations of structural links that are absolute, by the path of a collection or the catalogue.
    behind: What a collection says otherwise than its items, in words, by collection.
    stale: Ids that the index has otherwise than the files, or words of why it cannot be read.
    interrupted: Whether a change had been interrupted; looking finished or forgot it, as any reading does.
    compared: Whether `behind` and `stale` could be found out: not where files are broken.
    """

    root: Path
    items: list[SurveyedFile] = field(default_factory=list)
    tombstones: list[SurveyedFile] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    unlinked: list[str] = field(default_factory=list)
    absolute: dict[str, list[str]] = field(default_factory=dict)
    behind: dict[str, list[str]] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
    interrupted: bool = False
    compared: bool = True


def survey(root: Path, timeout_s: float = 60.0) -> Survey:
    """Look at all files while nobody changes them.

    A folder that cannot be written has no writers that could be asked to wait: it is read as it is.

    Args:
        root: The catalogue's folder.
        timeout_s: Seconds to wait for a writer.

    Raises:
        Unavailable: A writer did not end in time.
    """
    found = Survey(root)
    if not files.exists(root) and not journal.is_pending(root):
        return found
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(held(root, "an audit", timeout_s))
            found.interrupted = journal.is_pending(root)
            journal.recover(root)
        _read(found)
        _compare(found)
    return found


def is_absolute(href: str) -> bool:
    """Whether an address would be wrong after the folder was moved."""
    return href.startswith("/") or "://" in href


def _read(found: Survey) -> None:
    _note_absolute(found, CATALOG_FILE, _parsed(found, CATALOG_FILE) or {})
    for collection in collections.COLLECTIONS:
        path = collection_path(collection)
        if not (found.root / path).is_file():
            continue
        document = _parsed(found, path)
        there = {each.relative_to(found.root).as_posix() for each in _item_files(found.root / collection)}
        if document is None:  # nobody knows what it links to: what lies there is looked at
            linked = [(each, "item") for each in sorted(there)]
        else:
            linked = list(_linked(found, collection, document))
            _note_absolute(found, path, document)
        found.unlinked += sorted(there.difference(each for each, _ in linked))
        for item_path, rel in linked:
            _read_item(found, collection, item_path, rel)


def _parsed(found: Survey, path: str) -> Json | None:
    try:
        document: Any = orjson.loads((found.root / path).read_bytes())
        for link in document["links"]:
            if not isinstance(link["rel"], str) or not isinstance(link["href"], str):
                raise TypeError("a link without rel or href")
    except (OSError, ValueError, KeyError, TypeError) as error:
        found.broken[path] = f"it is no STAC catalogue or collection ({error!r})"
        return None
    return cast(Json, document)


def _linked(found: Survey, collection: str, document: Json) -> Iterator[tuple[str, str]]:
    """Path and relation of what a collection links to, each once."""
    folder = os.path.dirname(os.path.join(found.root, collection_path(collection)))
    pairs = (
        (os.path.relpath(os.path.join(folder, link["href"]), found.root).replace(os.sep, "/"), link["rel"])
        for link in document["links"]
        if link["rel"] in _ITEM_LINKS
    )
    return iter(dict.fromkeys(pairs))


def _item_files(folder: Path) -> Iterator[Path]:
    """Files where items lie: <collection>/<id>/<id>.json."""
    for entry in os.scandir(folder):
        path = Path(entry.path, f"{entry.name}.json")
        if entry.is_dir() and path.is_file():
            yield path


def _read_item(found: Survey, collection: CollectionId, path: str, rel: str) -> None:
    try:
        data = (found.root / path).read_bytes()
        document: Any = orjson.loads(data)
        if not isinstance(document, dict) or not isinstance(document.get("id"), str):
            raise ValueError("it is no STAC item")
    except OSError as error:
        found.broken[path] = error.strerror or str(error)
        return
    except ValueError as error:
        found.broken[path] = str(error)
        return
    kept = found.items if rel == "item" else found.tombstones
    kept.append(SurveyedFile(collection, path, data))


def _note_absolute(found: Survey, path: str, document: Json) -> None:
    structural = {*STRUCTURAL, "child", *_ITEM_LINKS}
    links = document.get("links", [])
    rels = {str(link["rel"]) for link in links if link["rel"] in structural and is_absolute(link["href"])}
    if rels:
        found.absolute[path] = sorted(rels)


def _compare(found: Survey) -> None:
    try:
        with database.in_memory(found.root) as index:
            found.behind = {
                collection: said
                for collection in collections.COLLECTIONS
                if (said := _behind(found.root, collection, collection_document(index, collection)))
            }
            if not found.interrupted:
                found.stale = _stale(found.root, index)
    except Corrupted:
        found.compared = False


def _behind(root: Path, collection: CollectionId, expected: Json) -> list[str]:
    path = root / collection_path(collection)
    if not path.is_file():
        return []
    document = orjson.loads(path.read_bytes())
    wrong = [
        f"its {part} {'is' if part == 'extent' else 'are'} not that of its items"
        for part in ("extent", "summaries")
        if document.get(part, {}) != expected.get(part, {})
    ]
    said, wanted = (_titles(path.parent, each) for each in (document, expected))
    if said != wanted:
        odd = sorted({Path(href).stem for href, _ in said ^ wanted})
        wrong.append(f"its links to items say otherwise than {', '.join(odd[:5])}")
    return wrong


def _titles(folder: Path, document: Json) -> set[tuple[str, str | None]]:
    return {
        (os.path.normpath(folder / link["href"]), link.get("title"))
        for link in document["links"]
        if link["rel"] == "item"
    }


def _stale(root: Path, fresh: Index) -> list[str]:
    """Ids for which the index on disk differs from one made of the files; none where there is none yet."""
    try:
        with database.reading(root) as index:
            return sorted({item_id for item_id, _ in set(index.rows()) ^ set(fresh.rows())})
    except Unusable as error:
        return [f"all of it ({error})"] if (root / database.FOLDER).exists() else []
