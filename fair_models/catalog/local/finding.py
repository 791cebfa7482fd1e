"""Searches of the kind that STAC APIs know, over the index of the local catalogue."""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from fair_models.catalog import hidden
from fair_models.catalog.items.building import WORLD
from fair_models.catalog.items.search_fields import words_of
from fair_models.catalog.local.layout import to_absolute
from fair_models.catalog.search import geometry, sql
from fair_models.catalog.search.query import ItemPage, ItemSearch, SortKey, Viewer, token
from fair_models.catalog.search.sql import Column, Kind, Sql, made
from fair_models.types import BBox, Json

TABLES = """
CREATE TABLE looked (item INTEGER PRIMARY KEY, words TEXT NOT NULL, geometry TEXT);
CREATE TABLE property (
    field TEXT, item INTEGER, number REAL, text TEXT, flag INTEGER, listed INTEGER NOT NULL,
    PRIMARY KEY (field, item)
) WITHOUT ROWID;
CREATE INDEX property_item ON property (item);
CREATE TABLE element (field TEXT, value TEXT, item INTEGER, PRIMARY KEY (field, value, item)) WITHOUT ROWID;
CREATE INDEX element_item ON element (item);
"""
NAMES = ("looked", "property", "element")
"""What is searched beside the columns of `item`, by its rowid."""

_LARGEST = 1e308
_MAX_BOXES = 8
_ANYWHERE = "(west IS NULL OR (west <= -180 AND east >= 180 AND south <= -90 AND north >= 90))"
_LOOKED = "(SELECT {} FROM looked WHERE looked.item = item.rowid)"
_PROPERTY = "(SELECT {} FROM property WHERE property.field = ? AND property.item = item.rowid)"
_ELEMENT = "SELECT 1 FROM element WHERE element.field = ? AND element.item = item.rowid"
_WORLD = orjson.dumps(WORLD).decode()


class SqliteDialect:
    """How the index is asked. See `sql.Dialect`."""

    placeholder = "?"
    start = "coalesce(start, 0.0)"
    end = 'coalesce("end", start, 0.0)'

    def field(self, name: str, kind: Kind) -> Sql:
        """A property as a kind; NULL where it is missing or of another kind."""
        if name in ("id", "collection"):
            return Sql(name if kind == "text" else "NULL")
        return Sql(_PROPERTY.format("moment(text)" if kind == "time" else kind), (name,))

    def is_missing(self, name: str) -> Sql:
        """Whether an item has no such property, or null."""
        if name in ("id", "collection", "geometry", "datetime"):
            return Sql("1 = 0")
        return Sql(f"{_PROPERTY.format('1')} IS NULL", (name,))

    def moment(self, seconds: float) -> Sql:
        """Times are seconds here."""
        return Sql("?", (seconds,))

    def contains(self, name: str, wanted: Sequence[str]) -> Sql:
        """Whether the property, a list, has all of these texts."""
        has = [Sql(f"EXISTS ({_ELEMENT} AND value = ?)", (name, each)) for each in wanted]
        return _of_list(name, sql.joined(" AND ", has) if has else Sql("1 = 1"))

    def overlaps(self, name: str, wanted: Sequence[str]) -> Sql:
        """Whether the property, a list, has one of these texts."""
        return _of_list(name, Sql(f"EXISTS ({_ELEMENT} AND value IN ({_marks(wanted)}))", (name, *wanted)))

    def is_within(self, name: str, wanted: Sequence[str]) -> Sql:
        """Whether the property, a list, has none but these texts."""
        other = f"NOT EXISTS ({_ELEMENT} AND value NOT IN ({_marks(wanted)}))"
        return _of_list(name, Sql(other, (name, *wanted)))

    def spatial(self, operator: str, area: Json) -> Sql:
        """Boxes decide where they can: most items are far from an area."""
        exact = Sql(f"relates(?, {_LOOKED.format('geometry')}, ?)", (operator, orjson.dumps(area).decode()))
        if operator != "intersects":
            return exact
        touched = sql.joined(" OR ", [_touches(each) for each in _boxes(area)])
        return made(f"({_ANYWHERE} OR (({{}}) AND {{}}))", touched, exact)

    def has_text(self, name: str, text: str) -> Sql:
        """Whether the property is this text."""
        return made("{} = ?", self.field(name, "text"))._replace(
            values=(*self.field(name, "text").values, text)
        )

    def plain(self, text: Sql) -> Sql:
        """SQLite orders so anyway."""
        return text

    def folded(self, text: Sql) -> Sql:
        """A text in lower case."""
        return made("folded({})", text)

    def unaccented(self, text: Sql) -> Sql:
        """A text without accents."""
        return made("unaccented({})", text)

    def has_word(self, word: str) -> Sql:
        """Whether a word is in what free text looks at."""
        return Sql(f"instr({_LOOKED.format('words')}, ?) > 0", (word.lower(),))

    def visible(self, viewer: Viewer) -> Sql:
        """Whether an item is there for somebody."""
        if viewer.sees_all:
            return Sql("")
        seen = [Sql("NOT private")]
        if viewer.owner is not None:
            seen.append(Sql("owner = ?", (viewer.owner,)))
        seen += [Sql("(item.collection = ? AND item.name = ?)", each) for each in sorted(viewer.names)]
        return made("({})", sql.joined(" OR ", seen))

    def columns(self, key: SortKey) -> list[Column]:
        """What an order by a field compares."""
        own = {"id": "id", "collection": "collection", "datetime": self.start, "end_datetime": self.end}
        if key.field in own:
            return [_column(Sql(own[key.field]), key.descending)]
        missing, number, text = sql.property_values(key, self)
        return [_column(missing, False), *(_column(each, key.descending) for each in (number, text))]


def put(db: sqlite3.Connection, row: int | None, document: Json) -> None:
    """Note what of an item is searched beside the columns of its row."""
    properties = document.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    shape = document.get("geometry")
    geojson = json.dumps(shape) if isinstance(shape, dict) else None
    db.execute("INSERT INTO looked VALUES (?, ?, ?)", (row, words_of(document["id"], properties), geojson))
    db.executemany(
        "INSERT INTO property VALUES (?, ?, ?, ?, ?, ?)",
        [(name, row, *_columns(value)) for name, value in properties.items() if value is not None],
    )
    db.executemany(
        "INSERT OR IGNORE INTO element VALUES (?, ?, ?)",
        [
            (name, each, row)
            for name, value in properties.items()
            if isinstance(value, list)
            for each in value
            if isinstance(each, str)
        ],
    )


def remove(db: sqlite3.Connection, collection: str, item_id: str) -> None:
    """Forget what of an item was searched. Its row is still there."""
    for table in NAMES:
        db.execute(
            f"DELETE FROM {table} WHERE item = "  # noqa: S608 - one of three
            "(SELECT rowid FROM item WHERE collection = ? AND id = ?)",
            (collection, item_id),
        )


def find(db: sqlite3.Connection, root: Path, search: ItemSearch) -> tuple[ItemPage, dict[str, str]]:
    """A page of what a search finds, and how the files that it came from lay on disk.

    Raises:
        Invalid: The condition compares what cannot be compared, or the token is none.
    """
    _teach(db)
    dialect = SqliteDialect()
    asked = sql.where(search, dialect)
    order = sql.Ordering(search.order, dialect.columns)
    matched = _count(db, asked) if search.is_plain else None
    if search.ids is None:  # not by the index of collections: the one by time has the order of most answers
        asked = asked._replace(text=f"+{asked.text}")
    if search.after is not None:
        asked = sql.joined(" AND ", [asked, order.after(search.after)])
    query = made(
        "SELECT collection, id, {} FROM item WHERE {} ORDER BY {} LIMIT ?",
        order.shown,
        asked,
        order.clause,
    )
    rows = db.execute(query.text, (*query.values, search.limit + 1)).fetchall()
    has_next, rows = len(rows) > search.limit, rows[: search.limit]
    stored, seen = _stored(db, [(row[0], row[1]) for row in rows])
    items = [to_absolute(*each, root) for each in stored]
    _name_items(db, root, items)
    _leave_out_hidden(db, items, search.viewer)
    return ItemPage(items, token(rows[-1][2:]) if has_next else None, matched), seen


def _column(value: Sql, descending: bool) -> Column:
    return Column(value, descending, value, "?")


def _columns(value: object) -> tuple[float | None, str | None, bool | None, bool]:
    """Number, text, flag, and whether it is a list."""
    if isinstance(value, bool):
        return None, None, value, False
    if isinstance(value, int | float):
        return (float(value) if abs(value) < _LARGEST else None), None, None, False
    return None, value if isinstance(value, str) else None, None, isinstance(value, list)


def _count(db: sqlite3.Connection, asked: Sql) -> int:
    (count,) = db.execute(f"SELECT count(*) FROM item WHERE {asked.text}", asked.values).fetchone()  # noqa: S608 - our own text
    return int(count)


def _stored(
    db: sqlite3.Connection, keys: Iterable[tuple[str, str]]
) -> tuple[list[tuple[Json, str]], dict[str, str]]:
    """Documents with their paths, and signatures by path."""
    found, seen = [], {}
    for key in keys:
        path, signature, body = db.execute(
            "SELECT path, signature, json FROM item JOIN body USING (collection, id) "
            "WHERE collection = ? AND id = ?",
            key,
        ).fetchone()
        found.append((orjson.loads(body), path))
        seen[path] = signature
    return found, seen


def _name_items(db: sqlite3.Connection, root: Path, items: Sequence[Json]) -> None:
    """Name items in links as `query.LINK` says."""
    start = f"{root}/"
    for item in items:
        for link in item["links"]:
            if not link["href"].startswith(start):
                continue
            row = db.execute(
                "SELECT collection, id FROM item WHERE path = ?", (link["href"].removeprefix(start),)
            ).fetchone()
            if row is not None:
                link["href"] = f"collections/{row[0]}/items/{row[1]}"


def _leave_out_hidden(db: sqlite3.Connection, items: Sequence[Json], viewer: Viewer) -> None:
    visible = SqliteDialect().visible(viewer)
    query = f"SELECT {visible.text or '1'} FROM item WHERE collection = ? AND id = ?"  # noqa: S608 - our own text
    found = {key: db.execute(query, (*visible.values, *key)).fetchone() for key in hidden.named(items)}
    hidden.leave_out(
        items,
        there={key for key, row in found.items() if row is not None},
        seen={key for key, row in found.items() if row is not None and row[0]},
    )


def _teach(db: sqlite3.Connection) -> None:
    """Functions that SQLite does not bring along; and LIKE as CQL2 has it, which tells A from a."""
    db.create_function("relates", 3, _relates, deterministic=True)
    db.create_function("moment", 1, _moment, deterministic=True)
    db.create_function("folded", 1, _folded, deterministic=True)
    db.create_function("unaccented", 1, _unaccented, deterministic=True)
    db.execute("PRAGMA case_sensitive_like = 1")


def _relates(operator: str, item: str | None, area: str) -> bool | None:
    """`geometry.relates`; an item without a geometry is everywhere."""
    return geometry.relates(operator, item or _WORLD, area)


def _moment(text: str | None) -> float | None:
    try:
        moment = datetime.fromisoformat(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _folded(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _unaccented(text: str | None) -> str | None:
    if text is None:
        return None
    return "".join(each for each in unicodedata.normalize("NFD", text) if not unicodedata.combining(each))


def _of_list(name: str, condition: Sql) -> Sql:
    """A condition on a list: NULL where the property is none."""
    is_list = Sql(_PROPERTY.format("listed"), (name,))
    return made("CASE WHEN NOT {} THEN NULL ELSE {} END", made("coalesce({}, 0)", is_list), condition)


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _boxes(area: Json) -> list[BBox]:
    """A box around each part of an area, or around all of it where the parts are many."""
    if area["type"] == "MultiPolygon" and len(area["coordinates"]) <= _MAX_BOXES:
        return [geometry.bounds({"type": "Polygon", "coordinates": each}) for each in area["coordinates"]]
    return [geometry.bounds(area)]


def _touches(box: BBox) -> Sql:
    """Whether the box of an item touches another one; its west > east where it is over the antimeridian."""
    west, south, east, north = box
    return Sql(
        "(south <= ? AND north >= ? AND CASE WHEN west <= east THEN west <= ? AND east >= ? "
        "ELSE west <= ? OR east >= ? END)",
        (north, south, east, west, east, west),
    )
