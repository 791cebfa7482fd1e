"""The catalogue in a folder: STAC JSON that any tool reads, changed by one writer at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from pystac import Collection, Item

from fair_models.catalog.changes.documents import MALFORMED, prepare
from fair_models.catalog.items import collections
from fair_models.catalog.items.search_fields import SearchQuery
from fair_models.catalog.items.tombstones import not_found
from fair_models.catalog.items.versions import split_id
from fair_models.catalog.local import database, files, journal
from fair_models.catalog.local import tombstones as local_tombstones
from fair_models.catalog.local.change import collection_document, make
from fair_models.catalog.local.database import OpenIndex, Unusable
from fair_models.catalog.local.index import Index
from fair_models.catalog.local.layout import collection_path, item_path, to_item
from fair_models.catalog.local.lock import held, held_if_free
from fair_models.catalog.protocol import Change
from fair_models.catalog.search.query import ItemPage, ItemSearch
from fair_models.errors import Corrupted, NotFound, Unavailable
from fair_models.store.atomic import translate_os_errors
from fair_models.types import CollectionId, Json

T = TypeVar("T")

LOCKS = ".locks"
"""Folder with one lock for each name that was ever changed."""


class LocalCatalog:
    """Self-contained STAC JSON in a folder, with a journal, a lock and an index that are ours.

    Plain tools may read it at any time, and change it while nobody here writes: that is noticed, and the
    index made again. An absent catalogue reads as an empty one; the first commit makes it.

    Args:
        root: The folder, with catalog.json in it.
        timeout_s: Seconds to wait for another writer.
        exclusive_s: Seconds to wait for a name: whoever holds it may be putting files.
        stays_open: Whether connections to the index are kept, for a process that is asked all the time.
    """

    def __init__(
        self,
        root: Path,
        *,
        timeout_s: float = 60.0,
        exclusive_s: float = 600.0,
        stays_open: bool = False,
    ) -> None:
        self.root = root.expanduser().resolve()
        self._timeout_s = timeout_s
        self._exclusive_s = exclusive_s
        self._reading = OpenIndex(self.root).reading if stays_open else partial(database.reading, self.root)

    def get(self, collection: CollectionId, item_id: str) -> Item:
        """One item.

        Raises:
            NotFound: There is none of that id; names the nearest.
        """
        found = self._read(lambda index: index.item(collection, item_id))
        if found is None:
            raise self._not_found(collection, item_id)
        path, document = found
        return to_item(document, self.root, path)

    def search(
        self,
        collection: CollectionId,
        *,
        name: str | None = None,
        deprecated: bool | None = None,
        tasks: Sequence[str] = (),
        keywords: Sequence[str] = (),
        order: Literal["id", "version", "created"] = "id",
        after: Sequence[Any] | None = None,
        limit: int | None = None,
    ) -> Iterator[Item]:
        """Items that have all of what is asked for, as they were at the time of the call.

        Args:
            collection: Where to look.
            name: Id without "-v<n>".
            deprecated: Only those that are, or are not.
            tasks: Values that `mlm:tasks` or `label:tasks` must hold.
            keywords: Values that `keywords` must hold.
            order: By id, by name and number, or by time of creation.
            after: A place in that order, see `facts.place`: only what comes after it.
            limit: Only so many.
        """
        asked = SearchQuery(name, deprecated, tasks, keywords)
        found = self._read(lambda index: index.search(collection, asked, order, after, limit))
        return (to_item(document, self.root, path) for path, document in found)

    def find(self, search: ItemSearch) -> ItemPage:
        """A page of what a search finds, as things were at the time of the call.

        Raises:
            Invalid: The condition compares what cannot be compared, or the token is of another search.
        """
        return self._read(lambda index: index.find(search))

    def describe(self, collection: CollectionId) -> Json:
        """A collection as raw JSON with extent and summaries of what everybody sees, without its links."""
        document = self._read(
            lambda index: collections.with_sums(collection, index.head(collection), index.sums(collection))
        )
        return {key: value for key, value in document.items() if key != "links"}

    def href(self, collection: CollectionId, item_id: str) -> str:
        """The absolute path that an item has or would have."""
        found = self._read(lambda index: index.path(collection, item_id))
        return str(self.root / (found or item_path(collection, item_id)))

    def collection(self, collection: CollectionId) -> Collection:
        """The collection with its links, summaries and extent as they are now.

        Raises:
            Corrupted: Its file is no STAC collection.
        """
        document = self._read(lambda index: collection_document(index, collection))
        href = str(self.root / collection_path(collection))
        try:
            return Collection.from_dict(document, href=href, migrate=False, preserve_dict=False)
        except MALFORMED as error:
            raise Corrupted(
                f"{href} is not a STAC collection ({error!r}): repair the file or put it back"
            ) from error

    def derivatives(self, collection: CollectionId, item_id: str) -> list[Item]:
        """Items of any collection that derive from one."""
        found = self._read(lambda index: index.derivatives(collection, item_id))
        return [to_item(document, self.root, path) for path, document in found]

    def holding(self, checksum: str) -> list[Item]:
        """Items of any collection with a file of this digest, by collection and id."""
        found = self._read(lambda index: index.holding(checksum))
        return [to_item(document, self.root, path) for path, document in found]

    def tombstones(self, collection: CollectionId, name: str | None = None) -> list[Item]:
        """What stays of deleted items, by name and number.

        Raises:
            Corrupted: A tombstone's file cannot be read.
        """
        paths = self._read(lambda index: local_tombstones.paths(index, collection, name))
        return [to_item(local_tombstones.read(self.root, path), self.root, path) for path in paths]

    @contextmanager
    def exclusive(self, collection: CollectionId, name: str) -> Iterator[None]:
        """Hold a name while what is published of it is changed.

        Raises:
            Unavailable: Another held it for too long, or the folder is full or not ours to write.
        """
        place = self.root / LOCKS / collection / name
        with ExitStack() as stack:
            with translate_os_errors(f"hold {collection}/{name} in {self.root}"):
                stack.enter_context(held(place, f"a change of {name}", self._exclusive_s, "The name at"))
            yield

    def commit(self, change: Change) -> None:
        """Make a change: all of it or nothing, whatever stops it.

        Raises:
            Conflict: `expect`, `seen`, `needs`, `unused` or `free` does not hold.
            NotFound: What is to be taken out is not there.
            InvalidItem: An item cannot be stored.
            Invalid: The change contradicts itself.
            Unavailable: Another writer did not end in time, or the folder is full or not ours to write.
            Unsettled: The change counts, but the folder can no longer be written.
        """
        documents = prepare(change)
        doing = f"a change of {len(change.put) + len(change.remove)} items"
        with (
            translate_os_errors(f"change the catalogue {self.root}"),
            held(self.root, doing, self._timeout_s),
        ):
            with suppress(Unusable):
                self._settle()
                return make(self.root, change, documents)
            with self._told_of_index():
                database.rebuild(self.root)
                return make(self.root, change, documents)

    def rebuild(self) -> None:
        """Make the index again from the files, e.g. after somebody edited items by hand.

        Raises:
            Corrupted: A file cannot be read.
            Unavailable: Another writer did not end in time, or the folder is full or not ours to write.
        """
        if files.exists(self.root):
            with translate_os_errors(f"index {self.root}"), held(self.root, "its index", self._timeout_s):
                journal.recover(self.root)
                with self._told_of_index():
                    database.rebuild(self.root)

    # Reading

    def _read(self, query: Callable[[Index], T]) -> T:
        """The answer to a question, from one snapshot."""
        if not files.exists(self.root) and not journal.is_pending(self.root):
            with database.in_memory(self.root) as index:
                return query(index)
        snapshot: list[T] = []
        with suppress(Unusable), self._reading() as index:
            snapshot.append(query(index))
            if index.is_current() and not journal.is_pending(self.root):
                return snapshot[0]
        try:
            with held_if_free(self.root) as free:
                if free:
                    return self._read_settled(query)
            if snapshot:  # a commit is under way: this is how things were before it
                return snapshot[0]
            with held(self.root, "its index", self._timeout_s):
                return self._read_settled(query)
        except (OSError, Unusable):  # nothing can be written here, so no index either
            with translate_os_errors(f"read the catalogue {self.root}"):
                return self._read_files(query)

    def _read_settled(self, query: Callable[[Index], T]) -> T:
        """Answer as the holder of the lock, after mending what was found."""
        self._settle(thorough=True)
        with database.reading(self.root) as index:
            return query(index)

    def _read_files(self, query: Callable[[Index], T], attempts: int = 40, pause_s: float = 0.05) -> T:
        """Answer from files that cannot be locked: read until nothing changed meanwhile."""
        failure: Exception | None = None
        for _ in range(attempts):
            try:
                with database.in_memory(self.root) as index:
                    answer = query(index)
                    if index.is_current_throughout() and not journal.is_pending(self.root):
                        return answer
            except Corrupted as error:  # perhaps only half of a change
                failure = error
            time.sleep(pause_s)
        raise failure or Unavailable(
            f"The catalogue {self.root} is being changed, or a change of it was interrupted: read it once as "
            "somebody who may write there"
        )

    def _not_found(self, collection: CollectionId, item_id: str) -> NotFound:
        """The error for an id, with other versions of its name, or else the ids that look most like it."""
        name, _ = split_id(item_id)
        return not_found(
            collection,
            item_id,
            self.tombstones(collection, name),
            self._read(lambda index: index.versions(collection, name)),
            lambda: self._read(lambda index: index.ids(collection)),
        )

    # Writing, always as the holder of the lock

    def _settle(self, *, thorough: bool = False) -> None:
        """Finish what was interrupted, and have an index that agrees with the files."""
        changed = journal.recover(self.root)
        if not changed:
            with suppress(Unusable), database.reading(self.root) as index:
                if index.is_current_throughout() if thorough else index.is_current():
                    return
        database.rebuild(self.root)

    @contextmanager
    def _told_of_index(self) -> Iterator[None]:
        try:
            yield
        except Unusable as error:
            raise Unavailable(
                f"The index of the catalogue {self.root} cannot be written ({error}); nothing was changed. "
                "Check the free space and the permissions, then try again"
            ) from error
