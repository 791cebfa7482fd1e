"""What others find: stac-fastapi serves the catalogue, pystac-client asks it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from pystac import Item
from pystac_client import Client

from fair_models import settings
from fair_models.catalog import query, validation
from fair_models.catalog.items import tombstones
from fair_models.catalog.items.agreement import Agreement, Figure
from fair_models.catalog.items.collections import COLLECTIONS
from fair_models.catalog.pgstac.catalog import PgstacCatalog
from fair_models.catalog.protocol import Change
from fair_models.catalog.schemas import extensions, official
from fair_models.choices import Choice
from fair_models.client import Published
from fair_models.errors import Invalid, Unavailable
from tests.catalog.item_factory import NOW, base_item, dataset_item, local_item, raw
from tests.catalog.small_items import small_item
from tests.services import Postgres, free_port

pytestmark = pytest.mark.service

FAR = [10.0, 50.0, 11.0, 51.0]


@pytest.fixture(scope="module")
def served(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PgstacCatalog, Client]]:
    """A catalogue with items, and a client of the API over it."""
    url, port = postgres.catalog(), free_port()
    root = f"http://127.0.0.1:{port}"
    catalog = PgstacCatalog(SecretStr(url), root)
    fill(catalog)
    log = tmp_path_factory.mktemp("api") / "log.txt"
    command = [sys.executable, "-m", "uvicorn", "stac_fastapi.pgstac.app:create_app", "--factory"]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, **pg_variables(url)},
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        wait(root, server, log)
        yield catalog, Client.open(root)
    finally:
        server.terminate()
        server.wait(20)
        catalog.database.close()
        postgres.drop(url)


def fill(catalog: PgstacCatalog) -> None:
    many = [small_item(f"roofs-v{n}", deprecated=n < 25, **{"mlm:name": "roofs"}) for n in range(1, 26)]
    trees = small_item(
        "trees-v1", box=FAR, keywords=["tree"], **{"mlm:name": "trees", "mlm:tasks": ["object-detection"]}
    )
    gone = small_item("gone-v1", **{"mlm:name": "gone"})
    catalog.commit(Change(put=[*many, trees, gone]))
    assert gone.datetime is not None
    buried = tombstones.of(gone, gone.datetime, "", {})
    catalog.commit(Change(remove=[("local-models", "gone-v1")], tombstones=[buried]))
    catalog.commit(Change(put=[base_item(), dataset_item(), local_item()]))


def pg_variables(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        "PGUSER": parts.username or "",
        "PGPASSWORD": unquote(parts.password or ""),
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port),
        "PGDATABASE": parts.path.lstrip("/"),
    }


def wait(root: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"{root}/_mgmt/ping", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def found(client: Client, **asked: object) -> list[str]:
    return sorted(item.id for item in client.search(limit=10, **asked).items())  # type: ignore[arg-type]


def equals(field: str, value: object) -> dict[str, object]:
    return {"op": "=", "args": [{"property": field}, value]}


def holds(field: str, value: str) -> dict[str, object]:
    return {"op": "a_contains", "args": [{"property": field}, [value]]}


def test_more_than_one_page_is_read(served: tuple[PgstacCatalog, Client]) -> None:
    _, client = served
    assert len(found(client, collections=["local-models"])) == 27
    assert len(list(client.get_collection("local-models").get_items())) == 27


def test_models_are_found_by_name_task_keyword_and_not_deprecated(
    served: tuple[PgstacCatalog, Client],
) -> None:
    _, client = served
    assert len(found(client, filter=equals("mlm:name", "roofs"))) == 25
    assert found(client, filter=holds("mlm:tasks", "object-detection")) == ["trees-v1"]
    assert found(client, filter=holds("keywords", "tree")) == ["trees-v1"]
    current = {"op": "and", "args": [equals("mlm:name", "roofs"), equals("deprecated", False)]}
    assert found(client, filter=current) == ["roofs-v25"]
    assert found(client, query={"mlm:name": {"eq": "trees"}, "deprecated": {"eq": False}}) == ["trees-v1"]
    text = "\"mlm:name\" = 'roofs' AND version = '7'"
    assert found(client, filter=text, filter_lang="cql2-text", method="GET") == ["roofs-v7"]


def test_models_are_found_by_area(served: tuple[PgstacCatalog, Client]) -> None:
    _, client = served
    there = {"type": "Point", "coordinates": [10.5, 50.5]}
    assert found(client, collections=["local-models"], intersects=there) == ["trees-v1"]
    assert found(client, collections=["local-models"], bbox=[10.2, 50.2, 10.3, 50.3]) == ["trees-v1"]


def test_what_is_served_is_the_item_and_its_links_lead_to_items(served: tuple[PgstacCatalog, Client]) -> None:
    catalog, client = served
    ours = local_item()
    response = httpx.get(catalog.href("local-models", ours.id))
    assert response.status_code == 200
    document = response.json()
    assert document["properties"]["mlm:name"] == ours.properties["mlm:name"]
    assert document["assets"].keys() == ours.assets.keys()
    assert document["geometry"] == ours.geometry
    assert client.get_collection("local-models").summaries.to_dict()["mlm:tasks"]


def with_nulls(name: str) -> list[Item]:
    """Items with each null that the schemas of our items allow, but that of a main metric."""
    base = base_item()
    road = {**base.properties["fair:metrics_spec"][0], "key": "fair:road_iou", "name": "Road IoU"}
    base.properties["fair:metrics_spec"].append(road)
    measured = {"fair:building_iou": 0.7, "fair:road_iou": None}
    rows = [{"class": "background", "train": None, "held_out": None, "iou": None}]
    agreed = Agreement((Figure("onnxruntime", "1.31.1", "int8", None),), 3, 3)
    ends = dict.fromkeys(measured)
    model = local_item(
        name=name,
        base=base,
        metrics=measured,
        baseline=measured,
        intervals=ends,
        classes=rows,
        agreement=agreed,
    )
    old = dataset_item(name=f"{name}-old")  # as datasets were published at first
    old.properties["label:properties"] = None
    return [model, old, dataset_item(name=f"{name}-span", start=NOW, end=NOW), base_item()]


def nulls(node: object) -> Iterator[str]:
    """Names of the members that are null, also in lists."""
    if isinstance(node, dict):
        for key, value in node.items():
            if value is None:
                yield str(key)
            yield from nulls(value)
    if isinstance(node, list):
        for value in node:
            yield from nulls(value)


@pytest.mark.shared
def test_what_is_served_keeps_all_schemas_though_pgstac_drops_nulls(
    served: tuple[PgstacCatalog, Client],
) -> None:
    catalog, api = served
    items = with_nulls("nothing")
    given = {name for item in items for name in nulls(raw(item))}
    assert {"label:properties", "datetime", "interval", "train", "iou", "mask_iou", "fair:road_iou"} <= given
    catalog.commit(Change(put=items[:3]))
    try:
        for item in items:
            assert item.collection_id is not None
            answer = httpx.get(catalog.href(item.collection_id, item.id)).json()
            found = httpx.post(f"{api.get_self_href()}/search", json={"ids": [item.id]}).json()["features"]
            for document in (answer, *found):
                assert list(nulls(document)) == []
                assert validation.validate(document).unchecked == []
            assert raw(catalog.get(item.collection_id, item.id))["properties"] == raw(item)["properties"]
    finally:
        catalog.commit(Change(remove=[(item.collection_id, item.id) for item in items[:3]]))


@pytest.mark.shared
def test_labels_in_rasters_are_served_without_the_extension_that_wants_nulls(
    served: tuple[PgstacCatalog, Client],
) -> None:
    catalog, _ = served
    item = dataset_item(name="rasters", label_type="raster")
    catalog.commit(Change(put=[item]))
    try:
        answer = httpx.get(catalog.href("datasets", item.id)).json()
    finally:
        catalog.commit(Change(remove=[("datasets", item.id)]))
    assert extensions.LABEL not in answer["stac_extensions"]
    assert official.check(answer, settings.current().schema_folder).problems == []


def test_what_was_deleted_is_not_served(served: tuple[PgstacCatalog, Client]) -> None:
    catalog, client = served
    assert httpx.get(catalog.href("local-models", "gone-v1")).status_code == 404
    assert found(client, filter=equals("mlm:name", "gone")) == []
    assert {each.id for each in client.get_collections()} == set(COLLECTIONS)


@pytest.mark.parametrize("order", ["name", "newest", "-fair:building_iou"])
def test_the_python_client_lists_the_same_pages_as_the_catalogue(
    served: tuple[PgstacCatalog, Client], order: str
) -> None:
    catalog, api = served
    texts = ["not name contains tree", "not id = roofs-v25"]
    choice = Choice.of(texts, collections=("base-models", "local-models"), order=order, limit=7)
    choice = choice.model_copy(update={"deprecated": None})
    with Published(str(api.get_self_href())) as client:
        first = client.page(choice)
        rest = query.every(catalog, choice.model_copy(update={"cursor": first.next}))
        listed = [*(item["id"] for item in first.found), *(item.id for item in rest)]
        assert listed == [item.id for item in query.every(catalog, choice)]
        assert len(listed) == 26
        measured = Choice.of(["fair:building_iou > 0.5 OR id = 'none-v1'", "trained", "not pinned"])
        found = [item["id"] for item in client.every(measured)]
    assert found == [item.id for item in query.every(catalog, measured)] != []


def test_the_python_client_says_what_it_needs(served: tuple[PgstacCatalog, Client]) -> None:
    with pytest.raises(Invalid, match="set FAIR_CATALOG_API_URL"):
        Published()
    with (
        pytest.raises(Invalid, match=r"refuses \(404\)"),
        Published(f"{served[1].get_self_href()}/no") as client,
    ):
        client.page(Choice())
    with pytest.raises(Unavailable, match="No STAC API answers"), Published("http://127.0.0.1:9") as client:
        client.page(Choice())
