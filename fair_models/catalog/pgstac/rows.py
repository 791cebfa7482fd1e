"""Items as rows of pgstac: questions to them, and writing them, within one transaction.

pgstac leaves out nulls and makes numbers and geometries its own, so each row keeps beside what it serves the
item itself, in the column `private`. A row that another program wrote has none: then that counts which is
served.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any, Literal

import orjson
import psycopg
from psycopg import errors
from psycopg.types.json import Jsonb

from fair_models.catalog.changes.documents import made_item, to_document
from fair_models.catalog.items import collections, lineage
from fair_models.catalog.items.search_fields import (
    KEYWORDS,
    TASKS,
    SearchQuery,
    place,
    search_fields_of,
    sums_of,
)
from fair_models.catalog.items.versions import split_id
from fair_models.catalog.pgstac.database import Connection
from fair_models.catalog.pgstac.finding import ITEM, NAME, OWN, find
from fair_models.catalog.pgstac.places import Places
from fair_models.catalog.pgstac.served import served
from fair_models.catalog.search.query import ItemPage, ItemSearch
from fair_models.errors import InvalidItem
from fair_models.ownership import VISIBILITY
from fair_models.types import CollectionId, Json

PAGE = 500
"""Rows that are asked for at once."""

_PROPERTY = "content->'properties'->%s"
_SUMMED = (
    "SELECT id, bbox, {} FROM (SELECT id, content->'bbox' AS bbox, content->'properties' AS properties "
    "FROM items WHERE collection = %s OFFSET 0) AS found"
)
# Without OFFSET each row would be unpacked once for each of its columns.
_IDS_OF_NAME = f"SELECT id FROM items WHERE collection = %s AND {NAME} = %s"  # noqa: S608 - our own text
_KEEP = (
    "UPDATE items SET private = new.own "
    "FROM jsonb_to_recordset(%s) AS new(collection text, id text, own jsonb) "
    "WHERE items.collection = new.collection AND items.id = new.id"
)
_NOT_BURIED = (
    "DELETE FROM fair_models.tombstones AS old USING jsonb_to_recordset(%s) AS new(collection text, id text) "
    "WHERE old.collection = new.collection AND old.id = new.id"
)
_TIMES = ("datetime", "start_datetime", "end_datetime", "gsd", VISIBILITY)
_cursors = count()


class Rows:
    """The rows of the three collections, and of tombstones.

    Args:
        connection: Within a transaction.
        places: What is relative in the database.
    """

    def __init__(self, connection: Connection, places: Places) -> None:
        self._db = connection
        self._places = places

    # Reading

    def document(self, collection: CollectionId, item_id: str) -> Json | None:
        """One item, with absolute addresses, as `documents.to_document` makes it."""
        found = self.stored(collection, item_id)
        return None if found is None else self._as_given(collection, found)

    def unchanged(self, documents: Sequence[Json]) -> set[tuple[str, str]]:
        """Collection and id of those documents that are here already, as they are."""
        ids = [each["id"] for each in documents]
        here = self._documents("id = ANY(%s)", [ids]) if ids else []
        known = {(each["collection"], each["id"]): self._as_given(each["collection"], each) for each in here}
        keys = [(each["collection"], each["id"]) for each in documents]
        return {key for key, each in zip(keys, documents, strict=True) if known.get(key) == each}

    def stored(self, collection: CollectionId, item_id: str) -> Json | None:
        """One item as it is kept."""
        found = self._documents("collection = %s AND id = %s", [collection, item_id])
        return found[0] if found else None

    def search(
        self,
        collection: CollectionId,
        asked: SearchQuery,
        order: Literal["id", "version", "created"],
        after: Sequence[Any] | None = None,
        limit: int | None = None,
    ) -> list[Json]:
        """Stored documents of the items that have all of what is asked for."""
        where, values = ["collection = %s"], list[Any]([collection])
        if asked.name is not None:
            where.append(f"{NAME} = %s")
            values.append(asked.name)
        if asked.deprecated is not None:
            where.append(f"({_PROPERTY} = 'true') IS {'' if asked.deprecated else 'NOT '}TRUE")
            values.append("deprecated")
        for fields, wanted in ((TASKS, asked.tasks), ((KEYWORDS,), asked.keywords)):
            for value in wanted:
                where.append(f"({' OR '.join([f'{_PROPERTY} @> %s'] * len(fields))})")
                for field in fields:
                    values += [field, Jsonb(value)]
        if after is not None or limit is not None:
            ids = self._part(collection, " AND ".join(where), values, order, after, limit)
            where, values = ["collection = %s", "id = ANY(%s)"], [collection, ids]
        found = self._documents(" AND ".join(where), values)
        return sorted(found, key=lambda each: place(collection, each, order))

    def find(self, search: ItemSearch) -> ItemPage:
        """A page of what a search finds. Raises Invalid as `Catalog.find` does."""
        return find(self._db, self._places, search)

    def _part(
        self,
        collection: CollectionId,
        where: str,
        values: Sequence[Any],
        order: Literal["id", "version", "created"],
        after: Sequence[Any] | None,
        limit: int | None,
    ) -> list[str]:
        """Ids of a part of what is found. Collations differ between databases, so they are ordered here."""
        created = "content->'properties'->>'created'" if order == "created" else "NULL"
        query = f"SELECT id, {created} FROM items WHERE {where}"  # noqa: S608 - our own text
        places = (
            place(collection, {"id": item_id, "properties": {"created": time}}, order)
            for item_id, time in self._stream(query, *values)
        )
        left = (each for each in places if after is None or each > tuple(after))
        chosen = sorted(left) if limit is None else heapq.nsmallest(limit, left)
        return [each[-1] for each in chosen]

    def has(self, collection: CollectionId, item_id: str) -> bool:
        """Whether there is an item of this id."""
        return bool(
            self._column("SELECT id FROM items WHERE collection = %s AND id = %s", collection, item_id)
        )

    def current(self, collection: CollectionId, name: str) -> list[str]:
        """Ids of the items of a name that are not deprecated, by number."""
        query = f"{_IDS_OF_NAME} AND ({_PROPERTY} = 'true') IS NOT TRUE"
        return sorted(self._column(query, collection, name, "deprecated"), key=_version)

    def versions(self, collection: CollectionId, name: str) -> list[str]:
        """Ids of all versions of a name, the newest first."""
        return sorted(self._column(_IDS_OF_NAME, collection, name), key=_version, reverse=True)

    def ids(self, collection: CollectionId) -> list[str]:
        """All ids of a collection."""
        return sorted(self._column("SELECT id FROM items WHERE collection = %s", collection))

    def derived(self, collection: CollectionId, item_id: str) -> list[Json]:
        """Stored documents of the items that derive from one, wherever they are."""
        field = lineage.PARENT_FIELDS.get(collection, "")
        where = "(content->'properties'->>%s = %s OR strpos((content->'links')::text, %s) > 0)"
        href = self._places.href(collection, item_id)
        found = [
            each
            for each in self._documents(where, [field, item_id, item_id])
            if (each["collection"], each["id"]) != (collection, item_id)
            and lineage.derives(self._places.absolute(each), collection, item_id, href)
        ]
        return sorted(found, key=lambda each: (each["collection"], each["id"]))

    def holding(self, checksum: str) -> list[Json]:
        """Stored documents of the items with a file of a digest."""
        where = f"strpos((content->'assets')::text, %s) > 0 AND jsonb_path_exists({ITEM}, %s, %s)"
        path = '$.assets.*."file:checksum" ? (@ == $sum)'
        found = self._documents(where, [checksum, path, Jsonb({"sum": checksum})])
        return sorted(found, key=lambda each: (each["collection"], each["id"]))

    def tombstones(self, collection: CollectionId, name: str | None) -> list[Json]:
        """Stored tombstones, by name and number."""
        rows = self._db.execute(
            "SELECT document FROM fair_models.tombstones WHERE collection = %s", [collection]
        ).fetchall()
        found = [document for (document,) in rows]
        kept = [each for each in found if name is None or split_id(each["id"])[0] == name]
        return sorted(kept, key=lambda each: _version(each["id"]))

    def is_buried(self, collection: CollectionId, item_id: str) -> bool:
        """Whether an item of this id was deleted."""
        query = "SELECT id FROM fair_models.tombstones WHERE collection = %s AND id = %s"
        return bool(self._column(query, collection, item_id))

    def head(self, collection: CollectionId) -> Json | None:
        """What a collection says of itself, with extent and summaries as they were at the last change."""
        row = self._db.execute("SELECT content FROM collections WHERE id = %s", [collection]).fetchone()
        return row[0] if row else None

    def collection(self, collection: CollectionId) -> Json:
        """A collection with extent and summaries as they are now."""
        head = self.head(collection) or {**collections.template(collection), "links": []}
        fields = [*collections.summed_fields(collection), *_TIMES]
        query = _SUMMED.format(", ".join(["properties->%s"] * len(fields)))
        facts = (
            search_fields_of(
                collection,
                {"id": row[0], "bbox": row[1], "properties": dict(zip(fields, row[2:], strict=True))},
            )
            for row in self._rows(query, *fields, collection)
        )
        return collections.with_sums(collection, head, sums_of(collection, facts))

    def _documents(self, where: str, values: Sequence[Any]) -> list[Json]:
        return self._column(f"SELECT {ITEM} FROM items WHERE {where}", *values)  # noqa: S608 - our own text

    def _column(self, query: str, *values: Any) -> list[Any]:
        return [row[0] for row in self._rows(query, *values)]

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return list(self._stream(query, *values))

    def _stream(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """All rows, a page at a time."""
        with self._db.cursor(name=f"fair_models_{next(_cursors)}") as cursor:
            cursor.itersize = PAGE
            cursor.execute(query.encode(), values)
            yield from cursor

    def _as_given(self, collection: CollectionId, stored: Json) -> Json:
        return to_document(
            made_item(self._places.absolute(stored), self._places.href(collection, stored["id"]))
        )

    # Writing

    def put(self, documents: Sequence[Json]) -> None:
        """Add or replace items. What was deleted and comes back has no tombstone any more.

        Raises:
            InvalidItem: pgstac cannot hold one.
        """
        stored = [self._places.relative(each) for each in documents]
        try:
            with self._db.transaction():
                self._put(stored)
        except _REFUSED as error:
            if len(stored) > 1:
                for each in documents:  # one of them is why
                    self.put([each])
                return
            raise InvalidItem(stored[0]["id"], [f"pgstac cannot hold it: {_said(error)}"]) from error

    def _put(self, stored: Sequence[Json]) -> None:
        self._db.execute("SELECT upsert_items(%s)", [_json([served(each) for each in stored])])
        own = _json(
            [{"collection": each["collection"], "id": each["id"], "own": {OWN: each}} for each in stored]
        )
        self._db.execute(_KEEP, [own])
        self._db.execute(_NOT_BURIED, [own])

    def remove(self, collection: CollectionId, item_id: str) -> None:
        """Take an item out."""
        self._db.execute("DELETE FROM items WHERE collection = %s AND id = %s", [collection, item_id])

    def bury(self, tombstone: Json) -> None:
        """Keep what stays of an item that is taken out."""
        stored = self._places.relative(tombstone)
        self._db.execute(
            "INSERT INTO fair_models.tombstones VALUES (%s, %s, %s) "
            "ON CONFLICT (collection, id) DO UPDATE SET document = EXCLUDED.document",
            [stored["collection"], stored["id"], _json(stored)],
        )

    def sum_up(self, touched: Iterable[CollectionId]) -> None:
        """Write extent and summaries of collections, as others are served them."""
        for collection in sorted(touched):
            document = self.collection(collection)
            if document != self.head(collection):
                self._db.execute(
                    "INSERT INTO collections (content) VALUES (%s) "
                    "ON CONFLICT (id) DO UPDATE SET content = EXCLUDED.content",
                    [_json(document)],
                )


_REFUSED = (
    psycopg.DataError,
    psycopg.InternalError,
    errors.RaiseException,
    errors.NotNullViolation,
    errors.CheckViolation,
)
"""What PostgreSQL, PostGIS and pgstac raise over an item that they cannot hold."""


def _version(item_id: str) -> tuple[str, int, str]:
    name, number = split_id(item_id)
    return name, number or 0, item_id


def _json(value: Any) -> Jsonb:
    return Jsonb(value, dumps=orjson.dumps)


def _said(error: psycopg.Error) -> str:
    return " ".join((error.diag.message_primary or str(error)).split())
