"""How one change of the local catalogue is made: checked, written down whole, then put in place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from fair_models.catalog import names
from fair_models.catalog.changes import expectations
from fair_models.catalog.changes.documents import Documents, to_document
from fair_models.catalog.items import collections
from fair_models.catalog.items.versions import split_id
from fair_models.catalog.local import database, files, journal, tombstones
from fair_models.catalog.local.database import Unusable
from fair_models.catalog.local.index import Index
from fair_models.catalog.local.journal import Step
from fair_models.catalog.local.layout import CATALOG_FILE, collection_path, item_path, to_disk, to_item
from fair_models.catalog.protocol import Change
from fair_models.errors import NotFound, Unsettled
from fair_models.store.atomic import encode_json
from fair_models.types import CollectionId, Json


@dataclass
class _Plan:
    """Files of a change, in groups that are written one after the other.

    Whoever reads the plain files meanwhile may see two versions active, but never neither, and no link to an
    item that is not there.
    """

    active: list[Step] = field(default_factory=list)
    collections: list[Step] = field(default_factory=list)
    deprecated: list[Step] = field(default_factory=list)
    removed: list[Step] = field(default_factory=list)

    def steps(self) -> list[Step]:
        return [*self.active, *self.collections, *self.deprecated, *self.removed]


def make(root: Path, change: Change, documents: Documents) -> None:
    """Make a change. Only for the holder of the lock, on an index that agrees with the files.

    Raises:
        Conflict: `expect`, `seen`, `needs`, `unused` or `free` does not hold.
        NotFound: What is to be taken out is not there.
        Unsettled: The change counts, but is not in place yet: the next reader or writer goes on with it.
        Unusable: The index cannot be used, or an item's file was changed by others. Nothing was changed.
        OSError: The folder is full or not ours to write. Nothing was changed.
    """
    sealed = False
    try:
        with database.writing(root) as index:
            _check_files(index, change, documents)
            steps = _plan(root, index, change, documents)
            if not steps:
                return
            journal.stage(root, steps)
            _seal(root)
            sealed = True
            _put_in_place(root)
            index.sign(collections.COLLECTIONS, [step.path for step in steps])
    except Unusable:
        if not sealed:
            raise
        database.discard(root)  # the change is made; whoever reads next makes the index
    with suppress(OSError):  # done all the same: going through the journal again changes nothing
        journal.clear(root)


def collection_document(index: Index, collection: CollectionId) -> Json:
    """A collection as it lies on disk: what its file says, with links, extent and summaries of its items."""
    head = collections.with_sums(collection, index.head(collection), index.sums(collection))
    return {
        **head,
        "links": [*head["links"], *(_item_link(collection, *item) for item in index.links(collection))],
    }


def _plan(root: Path, index: Index, change: Change, documents: Documents) -> list[Step]:
    expectations.check(_State(root, index), change, documents.seen)
    plan, touched = _Plan(), set()
    for document in documents.put:
        collection, item_id = document["collection"], document["id"]
        before = index.item(collection, item_id)
        path = before[0] if before else item_path(collection, item_id)
        stored = to_disk(document, root, path, collections.CATALOG_TITLE)
        if before and before[1] == stored:
            continue
        index.put(collection, path, stored)
        touched.add(collection)
        group = plan.deprecated if stored["properties"].get("deprecated") is True else plan.active
        group.append(Step(path, encode_json(stored)))
    stays = {(each["collection"], each["id"]): each for each in documents.tombstones}
    buried: dict[CollectionId, dict[str, str]] = defaultdict(dict)
    for collection, item_id in change.remove:
        gone = index.path(collection, item_id)
        if gone is None:
            raise NotFound(
                f"{collection} has no item {item_id}: it cannot be taken out, and nothing was changed"
            )
        index.remove(collection, item_id)
        touched.add(collection)
        tombstone = stays.get((collection, item_id))
        if tombstone is None:
            plan.removed.append(Step(gone, None))
        else:
            buried[collection][item_id] = gone
            document = to_disk(tombstone, root, gone, collections.CATALOG_TITLE)
            plan.removed.append(Step(gone, encode_json(document)))
    for collection in touched:
        back = {each["id"] for each in documents.put if each["collection"] == collection}
        head = tombstones.head_with(index.head(collection), collection, buried[collection], back)
        index.set_head(collection, head)
    plan.collections = _collection_steps(root, index, touched)
    return plan.steps()


def _check_files(index: Index, change: Change, documents: Documents) -> None:
    """Look at all items that the change depends on, before the index is trusted about them."""
    for collection, name in change.expect:
        index.current(collection, name)
    for document in (*documents.put, *documents.seen):
        index.path(document["collection"], document["id"])
    for document in documents.put:
        for other in names.rivals(document["collection"]):
            for each in index.versions(other, split_id(document["id"])[0]):
                index.path(other, each)
    for collection, item_id in (*change.remove, *change.needs, *change.free):
        index.path(collection, item_id)
    for collection, item_id in change.unused:
        index.derivatives(collection, item_id)
    if not index.is_current():
        raise Unusable("another program changed the files")


class _State:
    """The catalogue as the index has it."""

    def __init__(self, root: Path, index: Index) -> None:
        self._root = root
        self._index = index
        self.current = index.current
        self.versions = index.versions

    def document(self, collection: CollectionId, item_id: str) -> Json | None:
        found = self._index.item(collection, item_id)
        return None if found is None else to_document(to_item(found[1], self._root, found[0]))

    def has(self, collection: CollectionId, item_id: str) -> bool:
        return self._index.path(collection, item_id) is not None

    def derived(self, collection: CollectionId, item_id: str) -> list[Json]:
        return [document for _, document in self._index.derivatives(collection, item_id)]

    def is_buried(self, collection: CollectionId, item_id: str) -> bool:
        return tombstones.is_buried(self._index, collection, item_id)


def _collection_steps(root: Path, index: Index, touched: Iterable[str]) -> list[Step]:
    missing = {name for name in collections.COLLECTIONS if not (root / collection_path(name)).is_file()}
    steps = [
        Step(collection_path(name), _encode_own(collection_document(index, name)))
        for name in collections.COLLECTIONS
        if name in missing.union(touched)
    ]
    if missing or not files.exists(root):
        document = files.catalog_document(root)
        steps += [Step(CATALOG_FILE, encode_json(document))] if document else []
    return steps


def _encode_own(document: Json) -> bytes:
    """JSON of a document whose values came out of JSON: no need to look for NaN in thousands of links."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _item_link(collection: str, path: str, title: str | None) -> Json:
    inside = path.removeprefix(f"{collection}/")
    href = f"./{inside}" if inside != path else f"../{path}"
    link = {"rel": "item", "href": href, "type": "application/geo+json"}
    return link if title is None else {**link, "title": title}


def _seal(root: Path) -> None:
    try:
        journal.seal(root)
    except OSError as error:
        if journal.is_sealed(root):
            raise _unsettled(root, error) from error
        raise


def _put_in_place(root: Path) -> None:
    try:
        journal.apply(root)
    except OSError as error:
        raise _unsettled(root, error) from error


def _unsettled(root: Path, error: OSError) -> Unsettled:
    return Unsettled(
        f"The change is written down in {root / journal.JOURNAL} but not in place yet ({error}). "
        "Make the folder writable: the next reader or writer goes on with it"
    )
