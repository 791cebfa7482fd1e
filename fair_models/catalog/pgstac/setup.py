"""Making the database of a catalogue: pgstac's tables, our collections, what they can be searched by."""

from __future__ import annotations

from typing import Any, cast

from psycopg.types.json import Jsonb
from pypgstac.db import PgstacDB
from pypgstac.migrate import Migrate

from fair_models.catalog.items import collections
from fair_models.catalog.pgstac.database import Connection, Database
from fair_models.catalog.pgstac.finding import NAME
from fair_models.catalog.pgstac.places import Places
from fair_models.catalog.pgstac.rows import Rows
from fair_models.catalog.search.queryables import PROPERTIES

_TABLES = f"""
CREATE SCHEMA IF NOT EXISTS fair_models;
CREATE TABLE IF NOT EXISTS fair_models.tombstones (
    collection text, id text, document jsonb NOT NULL, PRIMARY KEY (collection, id)
);
COMMENT ON SCHEMA fair_models IS 'What fair-models keeps beside pgstac';
COMMENT ON TABLE fair_models.tombstones IS 'What stays of deleted items; never served as an item';
GRANT USAGE ON SCHEMA fair_models TO pgstac_read, pgstac_ingest;
GRANT SELECT ON fair_models.tombstones TO pgstac_read;
GRANT ALL ON fair_models.tombstones TO pgstac_ingest;
CREATE INDEX IF NOT EXISTS fair_models_name ON pgstac.items (({NAME}));
CREATE INDEX IF NOT EXISTS fair_models_name_template ON pgstac.queryable_index_template (({NAME}));
"""
# The second index is how pgstac knows the first one as its own: else its maintenance calls it an orphan.

_INDEXES = {
    "mlm:name": "BTREE",
    "mlm:tasks": "GIN",
    "label:tasks": "GIN",
    "fair:base_model_id": "BTREE",
    "fair:dataset_id": "BTREE",
    "keywords": "GIN",
    "deprecated": "BTREE",
    "version": "BTREE",
}


def init(database: Database, timeout_s: float = 60.0) -> str:
    """Make or update what a catalogue needs. What is right already stays as it is, and so do items.

    Args:
        database: Where. The first time its user has to be allowed to make extensions and roles.
        timeout_s: Seconds to wait for another writer.

    Returns:
        The version of pgstac that the database has now.

    Raises:
        Unavailable: The database does not answer, or its user may not do this.
    """
    with database.holding("init", timeout_s):
        version = _migrate(database)
        with database.changing(timeout_s) as connection:
            connection.execute(_TABLES.encode(), prepare=False)
            Rows(connection, Places("")).sum_up(collections.COLLECTIONS)
            _describe(connection)
    return version


def _migrate(database: Database) -> str:
    with database.translate_errors("change"), database.connect() as connection:
        # pypgstac asks for a pool as well, and with a connection never takes one from it.
        tool = PgstacDB(dsn="", connection=connection)
        try:
            return str(Migrate(tool).run_migration())
        finally:
            tool.close()


def _describe(connection: Connection) -> None:
    """Say what can be asked for, and index it."""
    rows = connection.execute(
        "SELECT name, collection_ids, definition, property_index_type FROM pgstac.queryables"
    ).fetchall()
    there = {(name, tuple(ids or ())): (definition, index) for name, ids, definition, index in rows}
    for name, asked in PROPERTIES.items():
        definition, index = {"title": asked.title, **asked.schema}, _INDEXES.get(name)
        ids = tuple(sorted(asked.collections))
        if there.get((name, ids)) != (definition, index):
            values: list[Any] = [name, Jsonb(definition), index, cast(Any, list(ids))]
            connection.execute("SELECT upsert_queryable(%s, %s, NULL, %s, %s::text[])", values)
