"""The STAC API as clients use it. Each test runs over each adapter of the catalogue."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from pystac_client import Client

from fair_models.choices import Choice
from fair_models.client import Published
from tests.catalog.item_factory import base_item, local_item
from tests.web.stac.conftest import ACROSS

PROJECT = Path(__file__).resolve().parents[3]
VISIBLE = 17


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["features"]]


def hrefs(document: dict[str, Any], rel: str) -> list[str]:
    return [link["href"] for link in document["links"] if link["rel"] == rel]


def test_pystac_client_finds_its_way_and_reads_every_page(served: SimpleNamespace) -> None:
    client = Client.open(served.root)
    assert {each.id for each in client.get_collections()} == {"base-models", "local-models", "datasets"}
    everything = [item.id for item in client.search(limit=5).items()]
    assert len(everything) == len(set(everything)) == VISIBLE
    assert [item.id for item in client.search(limit=5, method="GET").items()] == everything
    assert client.search().matched() == VISIBLE
    listed = [item.id for item in client.get_collection("local-models").get_items()]
    assert len(listed) == VISIBLE - 2
    item = client.get_collection("local-models").get_item("roofs-v3")
    assert item is not None
    assert item.properties["title"] == "Roofs 3"


def test_pystac_client_asks_in_every_way_that_it_has(served: SimpleNamespace) -> None:
    client = Client.open(served.root)

    def found(**asked: Any) -> set[str]:
        return {item.id for item in client.search(collections=["local-models"], **asked).items()}

    current = {
        "op": "and",
        "args": [
            {"op": "=", "args": [{"property": "mlm:name"}, "roofs"]},
            {"op": "=", "args": [{"property": "deprecated"}, False]},
        ],
    }
    assert found(filter=current) == {"roofs-v12"}
    assert found(filter="\"mlm:name\" = 'roofs' AND version = '7'", method="GET") == {"roofs-v7"}
    assert found(query={"mlm:name": {"eq": "trees"}}) == {"trees-v1"}
    assert found(query=["gsd>=1.15"]) == {"roofs-v12"}
    assert found(datetime="2026-01-03/2026-01-04") == {"roofs-v3", "roofs-v4"}
    assert found(datetime="../2026-01-02T00:00:00Z") == {"roofs-v1", "roofs-v2"}
    assert found(bbox=[10.2, 50.2, 10.3, 50.3]) == {"trees-v1"}
    assert found(bbox=[10.2, 50.2, 0, 10.3, 50.3, 100]) == {"trees-v1"}
    assert found(intersects={"type": "Point", "coordinates": [10.5, 50.5]}) == {"trees-v1"}
    assert found(ids=["trees-v1", "nothing-v1"]) == {"trees-v1"}
    assert ids(served.http.get("/stac/search?q=crowns,nothing")) == ["trees-v1"]
    assert ids(served.http.post("/stac/search", json={"q": ["CROWN"]})) == ["trees-v1"]
    items = client.search(ids=["roofs-v1", "roofs-v2", "roofs-v3"], sortby=["-properties.gsd"]).items()
    assert [item.id for item in items] == ["roofs-v3", "roofs-v2", "roofs-v1"]


def test_a_box_over_the_antimeridian_finds_what_lies_there(served: SimpleNamespace) -> None:
    def found(*box: float) -> list[str]:
        asked = {"bbox": ",".join(map(str, box)), "collections": "local-models"}
        got = ids(served.http.get("/stac/search", params=asked))
        assert (
            ids(served.http.post("/stac/search", json={"bbox": box, "collections": ["local-models"]})) == got
        )
        return got

    assert found(*ACROSS) == ["fiji-v1"]
    assert found(179.1, -18.5, 179.2, -18.4) == ["fiji-v1"]
    assert found(-170, -20, 170, -10) == []


def test_requests_as_qgis_and_stac_browser_send_them(served: SimpleNamespace) -> None:
    http = served.http
    qgis = {
        "collections": ["local-models"],
        "bbox": [85.0, 27.0, 86.0, 28.0],
        "datetime": "2026-01-01T00:00:00.000Z/2026-01-05T00:00:00.000Z",
        "limit": 2,
        "fields": {"include": ["id", "properties.title"], "exclude": []},
        "something": "of a later version",
    }
    page = http.post("/stac/search", json=qgis)
    assert len(ids(page)) == 2
    (following,) = [link for link in page.json()["links"] if link["rel"] == "next"]
    assert following["method"] == "POST"
    assert len(ids(http.post(following["href"], json=following["body"]))) == 2
    browser = {"limit": "3", "sortby": "-properties.datetime", "filter-lang": "cql2-text"}
    text = {"filter": "casei(title) LIKE casei('%ROOFS 1%')", "utm_source": "x"}
    found = http.get("/stac/collections/local-models/items", params={**browser, **text})
    assert ids(found) == ["roofs-v12", "roofs-v11", "roofs-v10"]
    (following,) = hrefs(found.json(), "next")
    assert ids(httpx.get(following)) == ["roofs-v1"]


def test_links_between_items_lead_through_the_api(served: SimpleNamespace) -> None:
    document = served.http.get(f"/stac/collections/local-models/items/{local_item().id}").json()
    for rel in ("self", "parent", "collection", "root", "derived_from"):
        for href in hrefs(document, rel):
            assert href.startswith(served.root)
            assert httpx.get(href).status_code == 200
    (parent,) = hrefs(document, "derived_from")
    assert parent.endswith(f"/stac/collections/base-models/items/{base_item().id}")
    assert hrefs(document, "license")
    assert hrefs(document, "about") == []


def test_no_place_of_this_machine_or_of_a_bucket_is_told(served: SimpleNamespace) -> None:
    for path in ("/stac/search?limit=100", "/stac/collections/local-models/items/roofs-v1"):
        text = served.http.get(path).text
        assert "/far/away" not in text
        assert "/data/store" not in text
        assert "/srv/place" not in text
        assert str(served.registry.settings.home) not in text
    document = served.http.get("/stac/collections/local-models/items/roofs-v1").json()
    place = f"{served.address}/api/collections/local-models/items/roofs-v1/assets/model/roofs-v1.onnx"
    assert document["assets"]["model"]["href"] == place
    ours = served.http.get(f"/stac/collections/local-models/items/{local_item().id}").json()
    assert ours["assets"]["training-runtime"]["href"] == "local:worker"
    assert ours["assets"]["checkpoint"]["file:checksum"]


def test_private_items_of_others_are_not_there_at_all(served: SimpleNamespace) -> None:
    http = served.http
    assert http.get("/stac/collections/local-models/items/hidden-v1").status_code == 404
    asked = [
        {"ids": "hidden-v1"},
        {"q": "secret"},
        {"filter": "id = 'hidden-v1' OR \"fair:owner\" = 'ann'"},
        {"filter": "NOT (title = 'x') AND \"fair:visibility\" = 'private'"},
        {"query": '{"fair:owner": {"eq": "ann"}}'},
    ]
    for parameters in asked:
        answer = http.get("/stac/search", params=parameters).json()
        assert answer["features"] == []
        assert answer.get("numberMatched", 0) == 0
    for path in (
        "/stac/",
        "/stac/collections",
        "/stac/search?limit=100",
        "/stac/collections/local-models/items",
    ):
        text = http.get(path).text
        assert "hidden" not in text
        assert "Secret" not in text
    told = http.get("/stac/collections/local-models/items/hidden-v1").json()["detail"]
    other = http.get("/stac/collections/local-models/items/nothing-v1").json()["detail"]
    assert told.replace("hidden", "nothing") == other


def test_an_answer_is_not_sent_twice(served: SimpleNamespace) -> None:
    for path in (
        "/stac/",
        "/stac/collections/local-models/items/roofs-v1",
        "/stac/search?limit=2",
        "/stac/queryables",
    ):
        first = served.http.get(path)
        again = served.http.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert served.http.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_queryables_name_what_collections_have(served: SimpleNamespace) -> None:
    everywhere = served.http.get("/stac/queryables")
    assert everywhere.headers["content-type"] == "application/schema+json"
    assert everywhere.json()["$id"] == f"{served.root}queryables"
    models = served.http.get("/stac/collections/base-models/queryables").json()["properties"]
    datasets = served.http.get("/stac/collections/datasets/queryables").json()["properties"]
    assert "mlm:tasks" in models
    assert "label:tasks" in datasets
    assert "mlm:tasks" not in datasets
    assert served.http.get("/stac/collections/nothing/queryables").status_code == 404


def test_fields_are_chosen(served: SimpleNamespace) -> None:
    def item(**parameters: str) -> dict[str, Any]:
        found: dict[str, Any] = served.http.get(
            "/stac/search", params={"ids": "roofs-v1", **parameters}
        ).json()["features"][0]
        return found

    assert set(item(fields="id,properties.title")) == {
        "id",
        "type",
        "stac_version",
        "collection",
        "properties",
    }
    assert item(fields="properties.title")["properties"] == {"title": "Roofs 1"}
    assert item(fields="properties.mlm:name")["properties"] == {"mlm:name": "roofs"}
    assert "geometry" not in item(fields="-geometry")
    assert "title" not in item(fields="-properties.title")["properties"]
    assert item(fields="-properties,properties.title")["properties"] == {"title": "Roofs 1"}
    assert item(fields="nothing.here,assets")["assets"]


def refused(answer: httpx.Response) -> None:
    assert 400 <= answer.status_code < 500, (answer.request.url, answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["code"]
    assert document["description"] == document["detail"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "0"},
        {"limit": "-5"},
        {"limit": "many"},
        {"limit": "9" * 5000},
        {"limit": "٣"},
        {"bbox": "1,2,3"},
        {"bbox": "a,b,c,d"},
        {"bbox": "nan,0,1,1"},
        {"bbox": "inf,0,1,1"},
        {"bbox": "0,10,1,0"},
        {"bbox": "-500,0,500,1"},
        {"bbox": "0,0,1,1", "intersects": '{"type":"Point","coordinates":[0,0]}'},
        {"intersects": "{"},
        {"intersects": "{}"},
        {"intersects": '{"type":"Point","coordinates":[]}'},
        {"intersects": '{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}'},
        {"intersects": '{"type":"Point","coordinates":["a","b"]}'},
        {"intersects": '{"type":"GeometryCollection","geometries":' * 300},
        {"datetime": "yesterday"},
        {"datetime": "2026-01-01"},
        {"datetime": "2026-13-01T00:00:00Z"},
        {"datetime": "2026-01-02T00:00:00Z/2026-01-01T00:00:00Z"},
        {"datetime": "../.."},
        {"datetime": "0000-01-01T00:00:00Z"},
        {"token": "x"},
        {"token": "next:local-models:roofs-v1"},
        {"token": "W10"},
        {"sortby": "geometry"},
        {"sortby": 'a"b'},
        {"sortby": "a,b,c,d,e,f"},
        {"filter": "gsd <"},
        {"filter": "gsd < 'x' + 1"},
        {"filter": "(" * 3000 + "1=1" + ")" * 3000},
        {"filter": "(" * 30 + "gsd="},
        {"filter": "gsd=')))))))))))))))))))))))))' AND " + "(" * 30 + "gsd="},
        {"filter": "NOT " * 2000 + "gsd=1"},
        {"filter": "gsd=" + "-" * 4000 + "1"},
        {"filter": "unknown_function(gsd) = 1"},
        {"filter": "gsd = 1", "filter-lang": "sql"},
        {"filter": "gsd = 1", "filter-lang": "cql2-json"},
        {"filter": "gsd = 1", "filter-crs": "EPSG:3857"},
        {"filter": '{"op":"=","args":[{"property":"gsd"}]}', "filter-lang": "cql2-json"},
        {"filter": '{"op":"drop","args":[]}', "filter-lang": "cql2-json"},
        {"filter": "S_INTERSECTS(geometry, POINT(nan nan))"},
        {"query": "[]"},
        {"query": '{"gsd": {"almost": 1}}'},
        {"q": "\0"},
    ],
)
def test_hostile_parameters_are_refused_and_never_break_anything(
    served: SimpleNamespace, parameters: dict[str, str]
) -> None:
    answer = served.http.get("/stac/search", params=parameters)
    if parameters == {"q": "\0"}:  # found nowhere, or refused: PostgreSQL has no such texts
        assert answer.status_code in (200, 400)
        return
    refused(answer)


@pytest.mark.parametrize(
    "body",
    [
        [],
        "x",
        {"limit": 0},
        {"limit": 1.5},
        {"limit": "x"},
        {"collections": 5},
        {"collections": [5]},
        {"ids": [None]},
        {"ids": ["x"] * 2000},
        {"ids": ["\ud800"]},
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, 3, 4, 5]},
        {"bbox": ["x", 2, 3, 4]},
        {"bbox": [0, 0, 1, 1], "intersects": {"type": "Point", "coordinates": [0, 0]}},
        {"intersects": {"type": "Nothing"}},
        {"datetime": 5},
        {"fields": None},
        {"fields": {"include": 5}},
        {"sortby": [{"direction": "asc"}]},
        {"sortby": [{"field": "gsd", "direction": "up"}]},
        {"filter": {"op": "and", "args": []}},
        {"filter": {"args": []}},
        {"filter": {"op": "=", "args": [{"property": "gsd"}, 10**400]}},
        {"filter": {"op": "=", "args": [{"property": 'a"b'}, 1]}},
        {"filter": {"op": "=", "args": [{"property": "'; DROP TABLE items --"}, {"x": 1}]}},
        {"token": ["x"]},
        {"q": 5},
        {"query": {"gsd": 5}},
    ],
)
def test_hostile_bodies_are_refused_and_never_break_anything(served: SimpleNamespace, body: Any) -> None:
    headers = {"content-type": "application/json"}
    refused(served.http.post("/stac/search", content=json.dumps(body).encode(), headers=headers))


def test_a_body_that_is_nested_without_end_is_refused(served: SimpleNamespace) -> None:
    headers = {"content-type": "application/json"}
    for deep in ('{"filter":' + '{"op":"not","args":[' * 3000 + "true" + "]}" * 3000 + "}", "[" * 100_000):
        refused(served.http.post("/stac/search", content=deep.encode(), headers=headers))
    refused(served.http.post("/stac/search", content=b"{", headers=headers))


def test_what_is_harmless_but_odd_is_answered(served: SimpleNamespace) -> None:
    http = served.http
    assert ids(http.get("/stac/search", params={"collections": "nothing"})) == []
    assert len(ids(http.get("/stac/search", params={"limit": "1000000"}))) == VISIBLE
    assert len(ids(http.get("/stac/search", params={"bbox": "", "ids": "", "datetime": ""}))) == 10
    assert len(ids(http.post("/stac/search", json={}))) == 10
    assert ids(http.get("/stac/search", params={"filter": "\"'; DROP TABLE items --\" = 'x'"})) == []
    assert ids(
        http.get(
            "/stac/search",
            params={"sortby": " title", "limit": "1", "collections": "local-models", "q": "roofs-v"},
        )
    ) == ["roofs-v1"]
    assert ids(http.get("/stac/search", params={"datetime": "1990-12-31T23:59:60Z"})) == []
    assert len(ids(http.get("/stac/search?collections=local-models&collections=datasets"))) in (1, 10)


@pytest.mark.parametrize(
    "path",
    [
        "/stac/collections/nothing",
        "/stac/collections/nothing/items",
        "/stac/collections/local-models/items/nothing-v1",
        "/stac/collections/local-models/items/..%2F..%2Fetc%2Fpasswd",
        "/stac/collections/local-models/items/%00",
        "/stac/collections/%FF/items",
        "/stac/nothing",
    ],
)
def test_what_is_not_there_is_404(served: SimpleNamespace, path: str) -> None:
    answer = served.http.get(path)
    refused(answer)
    assert answer.status_code in (400, 404)


def test_nothing_can_be_written(served: SimpleNamespace) -> None:
    item = "/stac/collections/local-models/items/roofs-v1"
    for method, path in (("PUT", item), ("DELETE", item), ("PATCH", item), ("POST", item.rpartition("/")[0])):
        assert served.http.request(method, path, json={}).status_code in (401, 403, 405)
    assert not [
        each for each in served.http.get("/stac/conformance").json()["conformsTo"] if "transaction" in each
    ]


def test_links_begin_with_the_public_address_where_there_is_one(served: SimpleNamespace) -> None:
    from fair_models.web.app import create_app
    from fair_models.web.registry import Registry
    from tests.web.serving import serving

    known = served.registry
    public = known.settings.model_copy(update={"public_url": "https://models.example.org/fair"})
    with serving(create_app(Registry(known.catalog, known.store, public))) as address:
        headers = {"Host": "models.example.org"}
        landing = httpx.get(f"{address}/stac/", headers=headers).json()
        page = httpx.get(f"{address}/stac/search?limit=1&ids=roofs-v1,roofs-v2", headers=headers).json()
    for document in (landing, page, page["features"][0]):
        for link in document["links"]:
            if link["rel"] != "license":
                assert link["href"].startswith("https://models.example.org/fair/")
    assert page["features"][0]["assets"]["model"]["href"].startswith("https://models.example.org/fair/api/")


@pytest.mark.service
def test_stac_api_validator_finds_no_error(served: SimpleNamespace, shared_schemas: Path) -> None:
    classes = ["core", "collections", "features", "item-search", "filter"]
    classes += [f"item-search#{each}" for each in ("sort", "fields", "query")]
    command = [
        *(sys.executable, "-m", "tests.web.stac.offline_validator", str(shared_schemas)),
        *("--root-url", served.root, "--collection", "local-models", "--log-level", "ERROR"),
        *("--geometry", json.dumps({"type": "Point", "coordinates": [85.52, 27.63]})),
        *("--fields-nested-property", "properties.title", "--validate-pagination"),
        *(part for each in classes for part in ("--conformance", each)),
    ]
    for operator, value in {
        "eq": "0.7",
        "neq": "9",
        "lt": "0.8",
        "lte": "0.7",
        "gt": "0.1",
        "gte": "0.7",
    }.items():
        command += [f"--query-{operator}-value", value]
    command += ["--query-comparison-field", "gsd", "--query-substring-field", "title"]
    command += ["--query-starts-with-value", "Roofs", "--query-ends-with-value", "7"]
    command += ["--query-contains-value", "oofs", "--query-in-field", "version", "--query-in-values", "3,2"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=900)
    errors = (done.stdout + done.stderr).partition("Errors:")[2]
    assert "Errors:" in done.stdout + done.stderr, done.stdout + done.stderr
    assert [line for line in errors.splitlines() if line.startswith("- ")] == []


def test_our_own_client_reads_it(served: SimpleNamespace) -> None:
    with Published(served.root.rstrip("/")) as published:
        listed = published.page(Choice.of(["name contains roofs", "not keyword = road"], limit=50))
        assert {item["id"] for item in listed.found} >= {"roofs-v12"}
