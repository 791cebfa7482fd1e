"""The catalogue in pgstac: rows of a database that a STAC API serves, changed in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import SecretStr
from pystac import Collection, Item

from fair_models.catalog.changes import expectations
from fair_models.catalog.changes.documents import MALFORMED, Documents, prepare
from fair_models.catalog.items.search_fields import SearchQuery
from fair_models.catalog.items.tombstones import not_found
from fair_models.catalog.items.versions import split_id
from fair_models.catalog.pgstac.database import Database
from fair_models.catalog.pgstac.places import Places
from fair_models.catalog.pgstac.rows import Rows
from fair_models.catalog.protocol import Change
from fair_models.catalog.search.query import ItemPage, ItemSearch
from fair_models.errors import Corrupted, NotFound
from fair_models.types import CollectionId, Json


class PgstacCatalog:
    """Items in pgstac, tombstones in a table of ours beside it, where no API finds them.

    `fair-models catalog init` makes both. Other programs may read pgstac at any time.

    Args:
        url: "postgresql://user:password@host:port/name".
        api_url: Root of the STAC API that serves it; addresses of items begin so. Default: "pgstac://", host,
            port and name of the database, which no browser opens.
        timeout_s: Seconds to wait for another writer.
        exclusive_s: Seconds to wait for a name: whoever holds it may be putting files.
    """

    def __init__(
        self,
        url: SecretStr,
        api_url: str | None = None,
        *,
        timeout_s: float = 60.0,
        exclusive_s: float = 600.0,
    ) -> None:
        self.database = Database(url)
        self._places = Places(api_url or f"pgstac://{self.database.address}")
        self._timeout_s = timeout_s
        self._exclusive_s = exclusive_s

    def get(self, collection: CollectionId, item_id: str) -> Item:
        """One item.

        Raises:
            NotFound: There is none of that id; names the nearest.
        """
        with self._reading() as rows:
            found = rows.stored(collection, item_id)
            if found is None:
                raise self._not_found(rows, collection, item_id)
        return self._places.item(found)

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
        with self._reading() as rows:
            found = rows.search(
                collection, SearchQuery(name, deprecated, tasks, keywords), order, after, limit
            )
        return (self._places.item(each) for each in found)

    def find(self, search: ItemSearch) -> ItemPage:
        """A page of what a search finds, as things were at the time of the call.

        Raises:
            Invalid: The condition compares what cannot be compared, the token is of another search, or it
                takes too long.
        """
        with self._reading() as rows:
            return rows.find(search)

    def describe(self, collection: CollectionId) -> Json:
        """A collection as raw JSON with extent and summaries of what everybody sees, without its links."""
        with self._reading() as rows:
            document = rows.head(collection) or rows.collection(collection)
        return {key: value for key, value in document.items() if key != "links"}

    def href(self, collection: CollectionId, item_id: str) -> str:
        """The address that an item has or would have at the API."""
        return self._places.href(collection, item_id)

    def collection(self, collection: CollectionId) -> Collection:
        """The collection with its summaries and extent as they are now.

        Raises:
            Corrupted: Its row is no STAC collection.
        """
        with self._reading() as rows:
            document = rows.collection(collection)
        href = self._places.collection_href(collection)
        try:
            return Collection.from_dict(document, href=href, migrate=False, preserve_dict=False)
        except MALFORMED as error:
            raise Corrupted(
                f"{href} is not a STAC collection ({error!r}): put its row in pgstac.collections right"
            ) from error

    def derivatives(self, collection: CollectionId, item_id: str) -> list[Item]:
        """Items of any collection that derive from one."""
        with self._reading() as rows:
            found = rows.derived(collection, item_id)
        return [self._places.item(each) for each in found]

    def holding(self, checksum: str) -> list[Item]:
        """Items of any collection with a file of this digest, by collection and id."""
        with self._reading() as rows:
            found = rows.holding(checksum)
        return [self._places.item(each) for each in found]

    def tombstones(self, collection: CollectionId, name: str | None = None) -> list[Item]:
        """What stays of deleted items, by name and number."""
        with self._reading() as rows:
            found = rows.tombstones(collection, name)
        return [self._places.item(each) for each in found]

    @contextmanager
    def exclusive(self, collection: CollectionId, name: str) -> Iterator[None]:
        """Hold a name while what is published of it is changed.

        Raises:
            Unavailable: Another held it for too long, or the database does not answer.
        """
        with self.database.holding(f"{collection}/{name}", self._exclusive_s):
            yield

    def commit(self, change: Change) -> None:
        """Make a change: all of it or nothing, in one transaction.

        Raises:
            Conflict: `expect`, `seen`, `needs`, `unused` or `free` does not hold.
            NotFound: What is to be taken out is not there.
            InvalidItem: An item cannot be stored.
            Invalid: The change contradicts itself.
            Unavailable: Another writer did not end in time, or the database cannot be written.
        """
        documents = prepare(change)
        with self.database.changing(self._timeout_s) as connection:
            rows = Rows(connection, self._places)
            expectations.check(rows, change, documents.seen)
            _make(rows, change, documents)

    def init(self) -> str:
        """Make or update what the catalogue needs in its database; items stay as they are.

        Returns:
            The version of pgstac that the database has now.

        Raises:
            Unavailable: The database does not answer, or its user may not do this.
        """
        from fair_models.catalog.pgstac import setup

        return setup.init(self.database, self._timeout_s)

    @contextmanager
    def _reading(self) -> Iterator[Rows]:
        with self.database.reading() as connection:
            yield Rows(connection, self._places)

    def _not_found(self, rows: Rows, collection: CollectionId, item_id: str) -> NotFound:
        name, _ = split_id(item_id)
        return not_found(
            collection,
            item_id,
            [self._places.item(each) for each in rows.tombstones(collection, name)],
            rows.versions(collection, name),
            lambda: rows.ids(collection),
        )


def _make(rows: Rows, change: Change, documents: Documents) -> None:
    unchanged = rows.unchanged(documents.put)
    new = [each for each in documents.put if (each["collection"], each["id"]) not in unchanged]
    if new:
        rows.put(new)
    for collection, item_id in change.remove:
        if not rows.has(collection, item_id):
            raise NotFound(
                f"{collection} has no item {item_id}: it cannot be taken out, and nothing was changed"
            )
        rows.remove(collection, item_id)
    for tombstone in documents.tombstones:
        rows.bury(tombstone)
    rows.sum_up({*(each["collection"] for each in new), *(collection for collection, _ in change.remove)})
