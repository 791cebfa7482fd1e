"""The catalogue in pgstac: what the database keeps, serves and survives."""

from __future__ import annotations

import json
import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from pystac import Item

from fair_models.catalog.changes import transitions
from fair_models.catalog.items import tombstones
from fair_models.catalog.items.collections import COLLECTIONS
from fair_models.catalog.pgstac.catalog import PgstacCatalog
from fair_models.catalog.protocol import Change
from fair_models.errors import FairModelsError, Invalid, InvalidItem, Unavailable
from tests.catalog.item_factory import base_item, dataset_item, local_item, raw
from tests.catalog.pgstac.writers import publish
from tests.catalog.small_items import small_item
from tests.services import PASSWORD, Postgres

API = "https://stac.example.org"
PLACE = {"self", "root", "parent", "collection"}


@pytest.fixture
def url(shared_pgstac_url: str) -> str:
    return shared_pgstac_url


@pytest.fixture
def database(url: str) -> PgstacCatalog:
    return PgstacCatalog(SecretStr(url), API)


def said(item: Item) -> dict[str, Any]:
    document = raw(item)
    document["links"] = [link for link in document["links"] if link["rel"] not in PLACE]
    return document


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def ask(url: str, query: str, *values: Any) -> list[Any]:
    with psycopg.connect(url, options="-c search_path=pgstac,public") as connection:
        return connection.execute(query, values).fetchall()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "item", [base_item(), dataset_item(), local_item()], ids=lambda item: item.collection_id
)
def test_every_kind_of_item_comes_out_as_it_went_in(database: PgstacCatalog, item: Item) -> None:
    before = said(item)
    database.commit(Change(put=[item]))
    assert said(database.get(item.collection_id, item.id)) == before  # type: ignore[arg-type]

    transitions.publish(database, item)  # the same again
    assert said(database.get(item.collection_id, item.id)) == before  # type: ignore[arg-type]


def test_eight_publishers_at_once_win_each_version_once_and_lose_none(
    database: PgstacCatalog, url: str
) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(8, mp_context=context) as pool:
        told = [pool.submit(publish, url, writer, 3) for writer in range(8)]
        won = [version for each in told for version in each.result()]

    items = list(database.search("local-models", name="roofs", order="version"))
    assert [item.id for item in items] == [f"roofs-v{number}" for number in range(1, 25)]
    assert sorted(item_id for item_id, _ in won) == sorted(item.id for item in items)
    assert [item.properties["deprecated"] for item in items] == [True] * 23 + [False]


def test_links_follow_the_api_that_serves_them(database: PgstacCatalog, url: str) -> None:
    transitions.publish(database, small_local(1))
    transitions.publish(database, small_local(2))

    elsewhere = PgstacCatalog(SecretStr(url), "https://other.example.org/stac/")
    first = elsewhere.get("local-models", "banepa-roofs-v1")
    assert (
        first.get_self_href()
        == "https://other.example.org/stac/collections/local-models/items/banepa-roofs-v1"
    )
    assert first.get_single_link("successor-version").href == elsewhere.href(
        "local-models", "banepa-roofs-v2"
    )
    assert API not in json.dumps(ask(url, "SELECT content, private FROM items"))


def small_local(number: int) -> Item:
    return local_item(number)


def test_what_another_program_wrote_is_read_as_it_is_served(database: PgstacCatalog, url: str) -> None:
    document = {**raw(small_item("roofs-v1", title="by hand")), "collection": "local-models"}
    ask(url, "SELECT upsert_item(%s::jsonb)::text", json.dumps(document))

    item = database.get("local-models", "roofs-v1")
    assert item.properties["title"] == "by hand"
    assert [each.id for each in database.search("local-models", name="roofs", keywords=["building"])] == [
        "roofs-v1"
    ]
    item.properties["title"] = "changed"
    database.commit(Change(put=[item], seen=[database.get("local-models", "roofs-v1")]))
    assert database.get("local-models", "roofs-v1").properties["title"] == "changed"


@pytest.mark.parametrize(
    "properties",
    [{"title": "a\0b"}, {"start_datetime": "2026-02-01T00:00:00Z", "end_datetime": "2026-01-01T00:00:00Z"}],
    ids=["a NUL", "an end before its start"],
)
def test_what_pgstac_cannot_hold_is_refused_by_name(
    database: PgstacCatalog, properties: dict[str, Any]
) -> None:
    with pytest.raises(InvalidItem, match="Item roofs-v2 is not valid: pgstac cannot hold it"):
        database.commit(Change(put=[small_item("roofs-v1"), small_item("roofs-v2", **properties)]))
    assert list(database.search("local-models")) == []


def test_tombstones_are_in_no_collection_that_is_served(database: PgstacCatalog, url: str) -> None:
    item = small_item()
    database.commit(Change(put=[item]))
    assert item.datetime is not None
    buried = tombstones.of(item, item.datetime, "", {})
    database.commit(Change(remove=[("local-models", "roofs-v1")], tombstones=[buried]))

    assert [each.id for each in database.tombstones("local-models")] == ["roofs-v1"]
    assert ask(url, "SELECT search('{}')->'features'") == [([],)]
    ((served,),) = ask(url, "SELECT jsonb_path_query_array(all_collections(), '$[*].id')")
    assert set(served) == set(COLLECTIONS)


def test_collections_are_served_with_their_sums(database: PgstacCatalog, url: str) -> None:
    database.commit(Change(put=[small_item(box=[1, 2, 3, 4], gsd=0.3)]))
    ((served,),) = ask(url, "SELECT get_collection('local-models')")
    assert served["extent"]["spatial"]["bbox"] == [[1, 2, 3, 4]]
    assert served["summaries"]["keywords"] == ["building"]
    assert served["item_assets"].keys() >= {"model", "checkpoint"}


def test_names_tasks_and_keywords_are_indexed(database: PgstacCatalog, url: str) -> None:
    database.commit(Change(put=[small_item()]))
    made = " ".join(
        text for (text,) in ask(url, "SELECT indexdef FROM pg_indexes WHERE starts_with(tablename, '_items')")
    )
    for field in ("mlm:name", "mlm:tasks", "keywords", "deprecated", "version"):
        assert f"'{field}'" in made
    assert "regexp_replace" in made
    ((served,),) = ask(url, "SELECT get_queryables('local-models')->'properties'")
    assert {"mlm:name", "mlm:tasks", "keywords", "deprecated", "version"} <= served.keys()
    ((served,),) = ask(url, "SELECT get_queryables('datasets')->'properties'")
    assert "label:tasks" in served
    assert "mlm:name" not in served


def test_init_again_changes_nothing(pgstac_url: str) -> None:
    catalog = PgstacCatalog(SecretStr(pgstac_url), API)
    catalog.commit(Change(put=[small_item()]))
    states = []
    for _ in range(2):
        queryables = ask(pgstac_url, "SELECT id, name FROM queryables ORDER BY id")
        states.append(
            (
                queryables,
                ask(pgstac_url, "SELECT content, xmin::text FROM collections ORDER BY key"),
                ask(pgstac_url, "SELECT content, private, xmin::text FROM items"),
            )
        )
        catalog.init()
    assert states[0] == states[1]


def test_a_database_without_a_catalogue_says_how_to_make_one(empty_url: str) -> None:
    catalog = PgstacCatalog(SecretStr(empty_url), API)
    with pytest.raises(Unavailable, match=r"has no catalogue.*Make it with: fair-models catalog init"):
        list(catalog.search("datasets"))
    with pytest.raises(Unavailable, match="fair-models catalog init"):
        catalog.commit(Change(put=[small_item()]))
    catalog.database.close()


def test_a_writer_needs_one_role_and_a_reader_another(database: PgstacCatalog, url: str) -> None:
    database.commit(Change(put=[small_item("roofs-v1")]))
    for user, role in (("writer", "pgstac_ingest"), ("reader", "pgstac_read")):
        if not ask(url, "SELECT 1 FROM pg_roles WHERE rolname = %s", user):
            execute(url, f"CREATE ROLE {user} LOGIN PASSWORD 'secret' IN ROLE {role}")
    writer, reader = (
        PgstacCatalog(SecretStr(f"postgresql://{user}:secret@{url.rpartition('@')[2]}"), API)
        for user in ("writer", "reader")
    )
    gone = writer.get("local-models", "roofs-v1")
    assert gone.datetime is not None
    buried = tombstones.of(gone, gone.datetime, "", {})
    writer.commit(
        Change(put=[small_item("roofs-v2")], remove=[("local-models", "roofs-v1")], tombstones=[buried])
    )

    assert [item.id for item in reader.search("local-models")] == ["roofs-v2"]
    assert [item.id for item in reader.tombstones("local-models")] == ["roofs-v1"]
    with pytest.raises(Unavailable, match=r"permission denied.* what this user may do"):
        reader.commit(Change(put=[small_item("roofs-v3")]))


def test_the_password_is_in_no_error_and_no_address(postgres: Postgres, url: str) -> None:
    wrong = url.replace("pa%3Ass", "other%3Ass")
    places = [
        wrong,
        url.replace(str(postgres.port), "1"),
        url.replace("%2F", "/"),
        url.replace("%3A", ":").replace("%2F", "/").replace("%40", "@"),
    ]
    parts = ("pa:ss", "pa%3Ass", "w0rd", PASSWORD)
    for place in places:
        with pytest.raises(FairModelsError) as failure:
            PgstacCatalog(SecretStr(place)).get("datasets", "x-v1")
        chain: list[BaseException | None] = [failure.value]
        while chain[-1] is not None:
            chain.append(chain[-1].__cause__ or chain[-1].__context__)
        text = "".join(f"{each!r} {each}" for each in chain)
        assert not [part for part in parts if part in text]
    assert "w0rd" not in PgstacCatalog(SecretStr(url)).href("datasets", "x-v1")
    with pytest.raises(Invalid, match="cannot be read"):
        PgstacCatalog(SecretStr("postgresql://user:secret@host:port/x"))


def test_a_reader_goes_on_after_the_server_closed_its_connections(database: PgstacCatalog, url: str) -> None:
    database.commit(Change(put=[small_item()]))
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    ask(url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    assert [item.id for item in database.search("local-models")] == ["roofs-v1"]


@pytest.mark.parametrize("counts", [True, False], ids=["committed", "not committed"])
def test_a_lost_answer_to_a_commit_is_asked_for(
    database: PgstacCatalog, monkeypatch: pytest.MonkeyPatch, counts: bool
) -> None:
    execute = psycopg.Connection.execute

    def lost(connection: Any, query: Any, *values: Any, **options: Any) -> Any:
        if query == "COMMIT":
            if counts:
                execute(connection, query)
            connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return execute(connection, query, *values, **options)

    monkeypatch.setattr(psycopg.Connection, "execute", lost)
    if counts:
        database.commit(Change(put=[small_item()]))
    else:
        with pytest.raises(Unavailable, match="server closed the connection"):
            database.commit(Change(put=[small_item()]))
    assert [item.id for item in database.search("local-models")] == (["roofs-v1"] if counts else [])


def test_a_writer_or_a_name_that_takes_too_long_is_not_waited_for(url: str) -> None:
    patient, other = (PgstacCatalog(SecretStr(url), API, timeout_s=0.2, exclusive_s=0.2) for _ in range(2))
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with patient.exclusive("local-models", "roofs"), patient.database.changing(5):
            held.set()
            leave.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(20)
    try:
        with (
            pytest.raises(Unavailable, match=r"local-models/roofs .* is busy"),
            other.exclusive("local-models", "roofs"),
        ):
            pass
        with pytest.raises(Unavailable, match="is busy: another process is changing it"):
            other.commit(Change(put=[small_item()]))
    finally:
        leave.set()
        holder.join()
    with other.exclusive("local-models", "roofs"):
        other.commit(Change(put=[small_item()]))
