"""What the local catalogue is searched by: tables over its files, and questions to them.

All of it comes from the files and can be made again from them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import orjson

from fair_models.catalog.items import lineage
from fair_models.catalog.items.collections import COLLECTIONS, Sums, summed_fields
from fair_models.catalog.items.search_fields import (
    CHECKSUM,
    KEYWORDS,
    TASKS,
    SearchFields,
    SearchQuery,
    box_around,
    facet_text,
    search_fields_of,
    time_text,
)
from fair_models.catalog.local import files, finding
from fair_models.catalog.local.layout import collection_path, item_path
from fair_models.catalog.search.query import ItemPage, ItemSearch
from fair_models.types import CollectionId, Json

TABLES = (
    """
CREATE TABLE collection (id TEXT PRIMARY KEY, signature TEXT NOT NULL, head BLOB NOT NULL);
CREATE TABLE item (
    collection TEXT, id TEXT, path TEXT NOT NULL, signature TEXT NOT NULL,
    name TEXT NOT NULL, number INTEGER NOT NULL, deprecated INTEGER NOT NULL, title TEXT,
    created REAL, start REAL, "end" REAL, west REAL, south REAL, east REAL, north REAL, gsd REAL,
    owner TEXT, private INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
);
CREATE INDEX item_path ON item (path);
CREATE INDEX item_name ON item (collection, name, number);
CREATE INDEX item_seen ON item (collection, private, owner);
CREATE INDEX item_time ON item (coalesce(start, 0.0) DESC, collection, id);
CREATE TABLE body (collection TEXT, id TEXT, json BLOB NOT NULL, PRIMARY KEY (collection, id));
CREATE TABLE facet (
    collection TEXT, field TEXT, value TEXT, id TEXT, PRIMARY KEY (collection, field, value, id)
) WITHOUT ROWID;
CREATE INDEX facet_item ON facet (collection, id);
CREATE INDEX facet_value ON facet (field, value);
"""
    + finding.TABLES
)
_HAS_FACET = (
    "EXISTS (SELECT 1 FROM facet WHERE facet.collection = item.collection AND facet.id = item.id "
    "AND field = ? AND value = ?)"
)
_ORDERS = {
    "id": "item.id",
    "version": "name, number, item.id",
    "created": "created IS NULL, coalesce(created, 0.0), item.id",
}


class Index:
    """The index, within one transaction.

    Args:
        root: Folder of the catalogue.
        connection: To the database, or to one in memory.
    """

    def __init__(self, root: Path, connection: sqlite3.Connection) -> None:
        self._root = root
        self._db = connection
        self._seen: dict[str, str] = {}

    # Reading

    def item(self, collection: str, item_id: str) -> tuple[str, Json] | None:
        """Path and stored document of one item."""
        found = self._documents("item.collection = ? AND item.id = ?", [collection, item_id], "item.id")
        return found[0] if found else None

    def path(self, collection: str, item_id: str) -> str | None:
        """Path of one item, relative to the catalogue's folder."""
        found = self._db.execute(
            "SELECT path, signature FROM item WHERE collection = ? AND id = ?", (collection, item_id)
        ).fetchall()
        self._seen |= dict(found)
        return found[0][0] if found else None

    def search(
        self,
        collection: str,
        asked: SearchQuery,
        order: Literal["id", "version", "created"],
        after: Sequence[Any] | None = None,
        limit: int | None = None,
    ) -> list[tuple[str, Json]]:
        """Paths and stored documents of the items that have all of what is asked for."""
        where, values = ["item.collection = ?"], list[Any]([collection])
        if asked.name is not None:
            where.append("name = ?")
            values.append(asked.name)
        if asked.deprecated is not None:
            where.append("deprecated" if asked.deprecated else "NOT deprecated")
        for fields, wanted in ((TASKS, asked.tasks), ((KEYWORDS,), asked.keywords)):
            for value in wanted:
                where.append(f"({' OR '.join([_HAS_FACET] * len(fields))})")
                for field in fields:
                    values += [field, facet_text(value)]
        if after is not None:
            where.append(f"({_ORDERS[order]}) > ({', '.join('?' * len(after))})")
            values += after
        return self._documents(" AND ".join(where), values, _ORDERS[order], limit)

    def find(self, search: ItemSearch) -> ItemPage:
        """A page of what a search finds. Raises Invalid as `Catalog.find` does."""
        page, seen = finding.find(self._db, self._root, search)
        self._seen |= seen
        return page

    def current(self, collection: str, name: str) -> list[str]:
        """Ids of the items of a name that are not deprecated."""
        rows = self._db.execute(
            "SELECT id, path, signature FROM item "
            "WHERE collection = ? AND name = ? AND NOT deprecated ORDER BY number, id",
            (collection, name),
        ).fetchall()
        self._seen |= {path: signature for _, path, signature in rows}
        return [item_id for item_id, _, _ in rows]

    def ids(self, collection: str) -> list[str]:
        """All ids of a collection."""
        rows = self._db.execute("SELECT id FROM item WHERE collection = ? ORDER BY id", (collection,))
        return [item_id for (item_id,) in rows]

    def versions(self, collection: str, name: str) -> list[str]:
        """Ids of all versions of a name, the newest first."""
        rows = self._db.execute(
            "SELECT id FROM item WHERE collection = ? AND name = ? ORDER BY number DESC, id",
            (collection, name),
        )
        return [item_id for (item_id,) in rows]

    def derivatives(self, collection: CollectionId, item_id: str) -> list[tuple[str, Json]]:
        """Paths and stored documents of the items that derive from one, wherever they are."""
        row = self._db.execute(
            "SELECT path FROM item WHERE collection = ? AND id = ?", (collection, item_id)
        ).fetchone()
        parent = self._root / (row[0] if row else item_path(collection, item_id))
        found = self._documents("instr(json, CAST(? AS BLOB))", [item_id], "item.collection, item.id")
        return [each for each in found if self._derives(*each, collection, item_id, parent)]

    def holding(self, checksum: str) -> list[tuple[str, Json]]:
        """Paths and stored documents of the items with a file of a digest."""
        where = (
            "(item.collection, item.id) IN (SELECT collection, id FROM facet WHERE field = ? AND value = ?)"
        )
        return self._documents(where, [CHECKSUM, facet_text(checksum)], "item.collection, item.id")

    def _derives(
        self, path: str, document: Json, collection: CollectionId, item_id: str, parent: Path
    ) -> bool:
        """Addresses on disk are relative to the item that says them."""
        if (document["collection"], document["id"]) == (collection, item_id):
            return False
        here = os.path.relpath(parent, (self._root / path).parent).replace(os.sep, "/")
        hrefs = {here, f"./{here}", str(parent)}
        return any(lineage.derives(document, collection, item_id, href) for href in hrefs)

    def head(self, collection: str) -> Json:
        """The collection without the links to its items."""
        (head,) = self._db.execute("SELECT head FROM collection WHERE id = ?", (collection,)).fetchone()
        document: Json = orjson.loads(head)
        return document

    def links(self, collection: str) -> list[tuple[str, str | None]]:
        """Path and title of each item, by name and number."""
        return self._db.execute(
            "SELECT path, title FROM item WHERE collection = ? ORDER BY name, number, id", (collection,)
        ).fetchall()

    def sums(self, collection: str) -> Sums:
        """What the items of a collection have together that everybody sees."""
        west, south, east, north, start, end, finest, coarsest = self._db.execute(
            'SELECT min(west), min(south), max(east), max(north), min(start), max("end"), min(gsd), max(gsd) '
            "FROM item WHERE collection = ? AND NOT private",
            (collection,),
        ).fetchone()
        bbox = None if west is None else (west, south, east, north)
        if self._db.execute(
            "SELECT 1 FROM item WHERE collection = ? AND NOT private AND west > east LIMIT 1", (collection,)
        ).fetchone():
            bbox = box_around(
                self._db.execute(
                    "SELECT west, south, east, north FROM item "
                    "WHERE collection = ? AND NOT private AND west IS NOT NULL",
                    (collection,),
                ).fetchall()
            )
        values = {field: self._values(collection, field) for field in summed_fields(collection)}
        return Sums(
            bbox=bbox,
            start=time_text(start),
            end=time_text(end),
            gsd_m=None if finest is None else (finest, coarsest),
            values=values,
        )

    def _values(self, collection: str, field: str) -> list[object]:
        """Distinct values, found one after the other: thousands of items share a few."""
        values, last = [], ""
        while row := self._db.execute(
            "SELECT value FROM facet CROSS JOIN item USING (collection, id) "
            "WHERE collection = ? AND field = ? AND value > ? AND NOT private ORDER BY value LIMIT 1",
            (collection, field, last),
        ).fetchone():
            last = row[0]
            values.append(orjson.loads(last))
        return values

    def _documents(
        self, where: str, values: Sequence[Any], order: str, limit: int | None = None
    ) -> list[tuple[str, Json]]:
        rows = self._db.execute(
            f"SELECT path, signature, json FROM item JOIN body USING (collection, id) "  # noqa: S608 - our own text
            f"WHERE {where} ORDER BY {order} LIMIT ?",
            [*values, -1 if limit is None else limit],
        ).fetchall()
        self._seen |= {path: signature for path, signature, _ in rows}
        return [(path, orjson.loads(body)) for path, _, body in rows]

    def rows(self) -> Iterator[tuple[str, tuple[object, ...]]]:
        """Id and one row of what is kept of an item, for all rows: to be compared with another index."""
        for table in ("item", "body", "facet"):
            for row in self._db.execute(f"SELECT id, {table}.* FROM {table}"):  # noqa: S608 - one of three
                yield row[0], row

    # Comparing with the files

    def is_current(self) -> bool:
        """Whether the collections, and the items read so far, lie on disk as they are here."""
        marks = dict(self._db.execute("SELECT id, signature FROM collection"))
        same = all(self._on_disk(collection_path(name)) == marks.get(name) for name in COLLECTIONS)
        return same and all(self._on_disk(path) == signature for path, signature in self._seen.items())

    def is_current_throughout(self) -> bool:
        """The same for every item."""
        self._seen |= dict(self._db.execute("SELECT path, signature FROM item"))
        return self.is_current()

    def _on_disk(self, path: str) -> str:
        return files.signature(self._root / path)

    # Writing

    def put(self, collection: str, path: str, document: Json, signature: str = "") -> None:
        """Add or replace an item."""
        facts, item_id = search_fields_of(collection, document), document["id"]
        self.remove(collection, item_id)
        row = self._db.execute(
            f"INSERT INTO item VALUES ({', '.join('?' * 18)})",  # noqa: S608 - question marks alone
            (collection, item_id, path, signature, *_columns(facts)),
        ).lastrowid
        finding.put(self._db, row, document)
        self._db.execute("INSERT INTO body VALUES (?, ?, ?)", (collection, item_id, orjson.dumps(document)))
        self._db.executemany(
            "INSERT INTO facet VALUES (?, ?, ?, ?)",
            [(collection, field, value, item_id) for field, value in facts.facets],
        )

    def remove(self, collection: str, item_id: str) -> None:
        """Take an item out."""
        finding.remove(self._db, collection, item_id)
        for table in ("item", "body", "facet"):
            self._db.execute(
                f"DELETE FROM {table} WHERE collection = ? AND id = ?",  # noqa: S608 - one of three
                (collection, item_id),
            )

    def set_head(self, collection: str, head: Json) -> None:
        """Change a collection but for the links to its items."""
        self._db.execute("UPDATE collection SET head = ? WHERE id = ?", (orjson.dumps(head), collection))

    def sign(self, collections: Iterable[str], paths: Iterable[str]) -> None:
        """Note how collections and items lie on disk now."""
        for name in collections:
            mark = self._on_disk(collection_path(name))
            self._db.execute("UPDATE collection SET signature = ? WHERE id = ?", (mark, name))
        self._db.executemany(
            "UPDATE item SET signature = ? WHERE path = ?", [(self._on_disk(path), path) for path in paths]
        )

    def fill(self) -> None:
        """Make all of it again from the files.

        Raises:
            Corrupted: A file cannot be read.
        """
        for table in ("collection", "item", "body", "facet", *finding.NAMES):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
        for collection in files.read_collections(self._root):
            self._db.execute(
                "INSERT INTO collection VALUES (?, ?, ?)",
                (collection.id, collection.signature, orjson.dumps(collection.head)),
            )
            for item in files.read_items(self._root, collection):
                self.put(item.collection, item.path, item.document, item.signature)


def _columns(facts: SearchFields) -> tuple[object, ...]:
    times = facts.created, facts.start, facts.end
    box = facts.bbox or (None, None, None, None)
    first = facts.name, facts.number, facts.deprecated, facts.title
    return *first, *times, *box, facts.gsd_m, facts.owner, facts.private
