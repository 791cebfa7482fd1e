"""Searches of the kind that STAC APIs know, over the rows of pgstac.

They are asked of the tables of pgstac, in the forms that its indexes have. Its own function `search` is left
alone: it writes a row for each search, passes over operators that it does not know, follows a token to items
that are hidden, and gives what pgstac serves instead of the item itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
import psycopg
from psycopg import errors

from fair_models.catalog import hidden
from fair_models.catalog.changes.documents import STRUCTURAL
from fair_models.catalog.pgstac.database import Connection
from fair_models.catalog.pgstac.places import Places
from fair_models.catalog.search import sql
from fair_models.catalog.search.query import (
    ItemPage,
    ItemSearch,
    SortKey,
    Viewer,
    token,
)
from fair_models.catalog.search.sql import Column, Kind, Sql, made
from fair_models.errors import Invalid
from fair_models.ownership import OWNER as OWNER_FIELD
from fair_models.ownership import PRIVATE, VISIBILITY
from fair_models.types import VERSION_SUFFIX, Json

_TIMEOUT_MS = 30_000
NAME = f"regexp_replace(id, '{VERSION_SUFFIX}', '')"
"""The name of a row's item, as the index that `catalog init` makes has it."""
OWN = "fair-models"
"""Key of the item itself in the column `private`."""

ITEM = f"coalesce(private->'{OWN}', content_hydrate(items))"
_FIELD = "(content->'properties'->%s)"
_PREDICATES = {
    "intersects": "st_intersects",
    "disjoint": "st_disjoint",
    "within": "st_within",
    "contains": "st_contains",
    "equals": "st_equals",
    "touches": "st_touches",
    "overlaps": "st_overlaps",
    "crosses": "st_crosses",
}
_WORDS = (
    "lower(concat_ws(E'\\n', id, content->'properties'->>'title', content->'properties'->>'description', "
    "content->'properties'->>'keywords'))"
)
_TIME = (
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    "([Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?$"
)
"""A text that is a time: PostgreSQL refuses a whole search over one that is none."""


class PgstacDialect:
    """How pgstac is asked. See `sql.Dialect`."""

    placeholder = "%s"
    start = "datetime"
    end = "end_datetime"

    def field(self, name: str, kind: Kind) -> Sql:
        """A property as a kind; NULL where it is missing or of another kind."""
        if name in ("id", "collection"):
            return Sql(name if kind == "text" else "NULL::double precision")
        value, is_kind = f"{_FIELD}#>>'{{}}'", f"jsonb_typeof{_FIELD}"
        match kind:
            case "number":
                return Sql(
                    f"CASE WHEN {is_kind} = 'number' THEN ({value})::double precision END", (name, name)
                )
            case "flag":
                return Sql(f"CASE WHEN {is_kind} = 'boolean' THEN ({value})::boolean END", (name, name))
            case "time":
                return Sql(f"CASE WHEN {value} ~ %s THEN to_tstz{_FIELD} END", (name, _TIME, name))
        return Sql(f"CASE WHEN {is_kind} = 'string' THEN to_text{_FIELD} END", (name, name))

    def is_missing(self, name: str) -> Sql:
        """Whether an item has no such property, or null."""
        if name in ("id", "collection", "geometry", "datetime"):
            return Sql("1 = 0")
        return Sql(f"coalesce(jsonb_typeof{_FIELD}, 'null') = 'null'", (name,))

    def moment(self, seconds: float) -> Sql:
        """Times of the database."""
        return Sql("%s::timestamptz", (datetime.fromtimestamp(seconds, UTC),))

    def contains(self, name: str, wanted: Sequence[str]) -> Sql:
        """Whether the property, a list, has all of these texts."""
        return self._list(name, "@>", wanted)

    def overlaps(self, name: str, wanted: Sequence[str]) -> Sql:
        """Whether the property, a list, has one of these texts."""
        return self._list(name, "&&", wanted)

    def is_within(self, name: str, wanted: Sequence[str]) -> Sql:
        """Whether the property, a list, has none but these texts."""
        return self._list(name, "<@", wanted)

    def _list(self, name: str, sign: str, wanted: Sequence[str]) -> Sql:
        """The first half is what an index has; the second knows lists from single values."""
        is_list = f"CASE WHEN jsonb_typeof{_FIELD} = 'array' THEN true END"
        return Sql(f"(to_text_array{_FIELD} {sign} %s::text[] AND {is_list})", (name, [*wanted], name))

    def spatial(self, operator: str, area: Json) -> Sql:
        """Items without a place lie in the whole world here, see `served`."""
        return Sql(
            f"{_PREDICATES[operator]}(geometry, st_setsrid(st_geomfromgeojson(%s), 4326))",
            (orjson.dumps(area).decode(),),
        )

    def has_text(self, name: str, text: str) -> Sql:
        """Whether the property is this text: first as an index has it, then without numbers that look so."""
        if name in ("id", "collection"):
            return Sql(f"{name} = %s", (text,))
        exact = made("({} AND {} = %s)", Sql(f"to_text{_FIELD} = %s", (name, text)), self.field(name, "text"))
        return exact._replace(values=(*exact.values, text))

    def plain(self, text: Sql) -> Sql:
        """Databases have orders of their own by default."""
        return made('({} COLLATE "C")', text)

    def folded(self, text: Sql) -> Sql:
        """A text in lower case."""
        return made("lower({})", text)

    def unaccented(self, text: Sql) -> Sql:
        """A text without accents."""
        return made("unaccent({})", text)

    def has_word(self, word: str) -> Sql:
        """Whether a word is in what free text looks at."""
        return Sql(f"strpos({_WORDS}, %s) > 0", (word.lower(),))

    def visible(self, viewer: Viewer) -> Sql:
        """Whether an item is there for somebody."""
        if viewer.sees_all:
            return Sql("")
        seen = [Sql(f"to_text{_FIELD} IS DISTINCT FROM %s", (VISIBILITY, PRIVATE))]
        if viewer.owner is not None:
            seen.append(Sql(f"coalesce(to_text{_FIELD}, '') = %s", (OWNER_FIELD, viewer.owner)))
        seen += [Sql(f"(collection = %s AND {NAME} = %s)", each) for each in sorted(viewer.names)]
        return made("({})", sql.joined(" OR ", seen))

    def columns(self, key: SortKey) -> list[Column]:
        """What an order by a field compares."""
        if key.field in ("id", "collection"):
            return [_text(Sql(key.field), key.descending)]
        if key.field in ("datetime", "end_datetime"):
            return [Column(Sql(key.field), key.descending, Sql(f"{key.field}::text"), "%s::timestamptz")]
        missing, number, text = sql.property_values(key, self)
        numbers = [(missing, False), (number, key.descending)]
        return [
            *(Column(*each, each[0], "%s::double precision") for each in numbers),
            _text(text, key.descending),
        ]


def find(db: Connection, places: Places, search: ItemSearch) -> ItemPage:
    """A page of what a search finds.

    Raises:
        Invalid: The condition compares what cannot be compared, the token is none, or it takes too long.
    """
    dialect = PgstacDialect()
    asked = sql.where(search, dialect)
    order = sql.Ordering(search.order, dialect.columns)
    try:
        db.execute("SELECT set_config('statement_timeout', %s, true)", [str(_TIMEOUT_MS)])
        matched = _count(db, asked) if search.is_plain else None
        if search.after is not None:
            asked = sql.joined(" AND ", [asked, order.after(search.after)])
        query = made(
            f"SELECT {ITEM}, {{}} FROM items WHERE {{}} ORDER BY {{}} LIMIT %s",  # noqa: S608 - our own text
            order.shown,
            asked,
            order.clause,
        )
        rows = db.execute(query.text.encode(), (*query.values, search.limit + 1)).fetchall()
        has_next, rows = len(rows) > search.limit, rows[: search.limit]
        items = [_linked(row[0], places) for row in rows]
        _leave_out_hidden(db, dialect, items, search.viewer)
    except errors.QueryCanceled as error:
        raise Invalid(
            "The search takes too long: ask for fewer collections, or for a simpler condition"
        ) from error
    except (psycopg.DataError, psycopg.InternalError) as error:
        said = " ".join((error.diag.message_primary or type(error).__name__).split())
        raise Invalid(f"The database cannot compare what the search asks ({said})") from error
    return ItemPage(items, token(rows[-1][1:]) if has_next else None, matched)


def _count(db: Connection, asked: Sql) -> int:
    row = db.execute(f"SELECT count(*) FROM items WHERE {asked.text}".encode(), asked.values).fetchone()  # noqa: S608 - our own text
    return int(row[0]) if row else 0


def _linked(stored: Json, places: Places) -> Json:
    """A document whose links name items as `query.LINK` says."""
    links = [
        {**link, "href": places.relative_href(link["href"])}
        for link in stored.get("links", [])
        if link["rel"] not in STRUCTURAL
    ]
    return {**stored, "links": links}


def _leave_out_hidden(db: Connection, dialect: PgstacDialect, items: Sequence[Json], viewer: Viewer) -> None:
    ids = sorted({item_id for _, item_id in hidden.named(items)})
    if not ids:
        return
    visible = dialect.visible(viewer)
    query = f"SELECT collection, id, {visible.text or 'true'} FROM items WHERE id = ANY(%s)"  # noqa: S608 - our own text
    rows = db.execute(query.encode(), (*visible.values, ids)).fetchall()
    hidden.leave_out(
        items,
        there={(collection, item_id) for collection, item_id, _ in rows},
        seen={(collection, item_id) for collection, item_id, is_visible in rows if is_visible},
    )


def _text(value: Sql, descending: bool) -> Column:
    return Column(made('({} COLLATE "C")', value), descending, value, '%s::text COLLATE "C"')
