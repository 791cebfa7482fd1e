"""What all routes of the JSON API have in common: queries, entity tags, hostile words, hidden items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fair_models import ownership
from fair_models.catalog.changes.transitions import publish
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Change
from fair_models.settings import Settings
from fair_models.web.api.visible import VisibleCatalog
from fair_models.web.app import create_app
from fair_models.web.callers import Caller
from fair_models.web.registry import Registry
from tests.catalog.small_items import BOX, small_item
from tests.services import free_port
from tests.web.api.sites import Site, base_model, dataset, fill, local_model, problem
from tests.web.auth.people import Service, service
from tests.web.serving import serving


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service that no test of this module changes."""
    registry = Registry.open(Settings(home=tmp_path_factory.mktemp("home"), prefect_port=free_port()))
    fill(registry)
    with serving(create_app(registry)) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("/api/models?limt=1", "did you mean limit?"),
        ("/api/models?limit=1&limit=2", "given 2 times"),
        ("/api/models?Limit=1", "did you mean limit?"),
        ("/api/models?a%00b=1", "is no parameter"),
        ("/api/models?=1", "is no parameter"),
        ("/api/models/banepa-roofs?version=1", "it takes none"),
        ("/api/datasets?framework=pytorch", "is no parameter"),
        ("/api/statistics?x", "it takes none"),
        ("/api/compare?items=a&item=b&item=c", "did you mean item?"),
    ],
)
def test_unknown_parameters_are_refused_with_the_nearest(http: httpx.Client, asked: str, words: str) -> None:
    told = problem(http.get(asked))
    assert (told["status"], told["code"]) == (400, "malformed")
    assert words in told["detail"]
    assert told["errors"][0]["place"] == "query"


@pytest.mark.parametrize(
    "asked",
    [
        "limit=0",
        "limit=-1",
        "limit=1.5",
        "limit=1e3",
        "limit=1001",
        "limit=99999999999999999999",
        "limit=",
        "limit=%D9%A3x",
        "skip=-1",
        "skip=1e99",
        "skip=99999999999999999999",
        "cursor=",
        "cursor=%00",
        "cursor=WyJ4Il0",
        "cursor=" + "A" * 3000,
        "q=",
        "q=%20",
        "q=%00",
        "q=" + "x" * 201,
        "q=" + "+".join("y" * 80),
        "task=%00",
        "owner=" + "x" * 101,
        "metric=iou",
        "at_least=0.5",
        "metric=fair:iou&at_least=nan",
        "metric=fair:iou&at_most=inf",
        "created_after=yesterday",
        "created_after=0.5",
        "created_after=2026",
        "created_after=2026-01-01T00:00:00+02:00",
        "created_after=2026-13-01T00:00:00Z",
        "order=random",
        "order=fair:",
        "kind=dataset",
        "deprecated=maybe",
        "where=",
        "where=x%00",
        "where=" + "(" * 500,
        "where=id%20IN%20(" + "(" * 900 + ")" * 900,
        "where=id%20=%20'" + "x" * 2000 + "'",
        "&".join(["where=trained"] * 60),
    ],
)
def test_values_that_mean_nothing_are_refused(http: httpx.Client, asked: str) -> None:
    assert problem(http.get(f"/api/models?{asked}"))["status"] == 422


@pytest.mark.parametrize(
    "asked",
    [
        "q=R%C3%B6%C3%B6fs",
        "q=%F0%9F%8F%A0",
        "q='; DROP TABLE item;--",
        "owner=%E2%80%AE",
        "q=%5C%25%5F",
        "q=%FF",
    ],
)
def test_any_words_can_be_looked_for(http: httpx.Client, asked: str) -> None:
    answer = http.get(f"/api/models?{asked}")
    assert (answer.status_code, answer.json()["found"]) == (200, [])


@pytest.mark.parametrize(
    "path",
    [
        "/api/models/%2e%2e",
        "/api/models/..%2f..%2fetc%2fpasswd",
        "/api/models/a%00b",
        "/api/models/%F0%9F%8F%A0",
        "/api/models/" + "a" * 300,
        "/api/models/-",
        "/api/models/banepa-roofs/versions/0",
        "/api/models/banepa-roofs/versions/-1",
        "/api/models/banepa-roofs/versions/99999999999",
        "/api/models/banepa-roofs/versions/%D9%A1",
        "/api/models/banepa-roofs%0d%0aX:y",
        "/api/models/banepa-roofs-v2/versions",
    ],
)
def test_names_that_lead_elsewhere_are_refused(http: httpx.Client, path: str) -> None:
    assert problem(http.get(path))["status"] in {404, 422}


PATHS = (
    "/api/models",
    "/api/models/banepa-roofs",
    "/api/models/banepa-roofs/versions",
    "/api/models/banepa-roofs/metrics",
    "/api/models/banepa-roofs/files",
    "/api/models/banepa-roofs/lineage",
    "/api/models/banepa-roofs/card",
    "/api/datasets",
    "/api/datasets/banepa-buildings",
    "/api/datasets/banepa-buildings/card",
    "/api/compare?item=banepa-roofs-v1&item=banepa-roofs-v2",
    "/api/statistics",
)


@pytest.mark.parametrize("path", PATHS)
def test_who_has_an_answer_already_gets_304(http: httpx.Client, path: str) -> None:
    first = http.get(path)
    tag = first.headers["etag"]
    assert tag.startswith('"')
    for said in (tag, f"W/{tag}", "*", f'"other", {tag}', f'W/"other" ,{tag},"more"', f'"a,b", {tag}'):
        again = http.get(path, headers={"If-None-Match": said})
        assert (again.status_code, again.content) == (304, b""), said
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == first.headers["cache-control"]
    for said in ('"other"', 'W/"other"', tag.strip('"'), "", '"', f"x{tag}", f"{tag}x"):
        assert http.get(path, headers={"If-None-Match": said}).status_code == 200, said


def test_a_tag_changes_with_what_it_is_of(own_site: Site) -> None:
    before = own_site.http.get("/api/models/banepa-roofs").headers["etag"]
    listed = own_site.http.get("/api/models").headers["etag"]
    registry = own_site.registry
    base, data = (
        registry.catalog.get("base-models", "roofs-unet-v1"),
        registry.catalog.get("datasets", "banepa-buildings-v1"),
    )
    publish(registry.catalog, local_model(registry, base, data, 3))
    assert own_site.http.get("/api/models/banepa-roofs", headers={"If-None-Match": before}).status_code == 200
    assert own_site.http.get("/api/models", headers={"If-None-Match": listed}).status_code == 200


@pytest.fixture
def kept_apart(tmp_path: Path) -> Iterator[Service]:
    """A service with a private base model, dataset and model of account-contributor, and a public model.

    The public model derives from the private ones.
    """
    settings = Settings(home=tmp_path, prefect_port=free_port())
    registry = Registry.open(settings)
    fill(registry)
    theirs = {ownership.OWNER: "account-contributor", ownership.VISIBILITY: ownership.PRIVATE}
    base, data = base_model(registry.store, name="secret-unet"), dataset(registry.store, name="secret-area")
    hidden = local_model(registry, base, data, name="secret-roofs")
    open_one = local_model(registry, base, data, name="open-roofs", description="Open.")
    for item in (base, data, hidden):
        item.properties |= theirs
    registry.catalog.commit(Change(put=[base, data, hidden, open_one]))
    with service(settings) as running:
        yield running


HIDDEN = (
    "/api/models/secret-roofs",
    "/api/models/secret-roofs-v1",
    "/api/models/secret-roofs/versions",
    "/api/models/secret-roofs/versions/1",
    "/api/models/secret-roofs/metrics",
    "/api/models/secret-roofs/files",
    "/api/models/secret-roofs/lineage",
    "/api/models/secret-roofs/card",
    "/api/datasets/secret-area",
    "/api/datasets/secret-area/versions",
    "/api/compare?item=secret-roofs&item=banepa-roofs",
)


@pytest.mark.parametrize("who", [None, "reader", "publisher"])
def test_what_is_private_is_nowhere_for_others(kept_apart: Service, who: str | None) -> None:
    for path in HIDDEN:
        there = kept_apart.ask("GET", path, who)
        nothing = kept_apart.ask("GET", path.replace("secret-", "absent-"), who)
        assert there.status_code == nothing.status_code == 404
        assert there.json()["detail"].replace("secret-", "absent-") == nothing.json()["detail"]
    for path in (
        "/api/models?deprecated=any",
        "/api/datasets?deprecated=any",
        "/api/models/open-roofs",
        "/api/models/open-roofs/lineage",
        "/api/models/open-roofs/card",
        "/api/models/open-roofs/metrics",
        "/api/compare?item=open-roofs&item=banepa-roofs",
        "/api/models?order=fair:building_iou&limit=1",
        "/api/models?where=name+contains+secret",
    ):
        answer = kept_apart.ask("GET", path, who)
        assert answer.status_code == 200
        assert "secret" not in answer.text.replace("contains+secret", ""), path
    told = kept_apart.ask("GET", "/api/statistics", who).json()
    assert (told["models"], told["datasets"]) == (3, 1)


@pytest.mark.parametrize("who", ["contributor", "admin"])
def test_owners_and_admins_see_what_is_private(kept_apart: Service, who: str) -> None:
    for path in HIDDEN:
        assert kept_apart.ask("GET", path, who).status_code == 200, path
    lineage = kept_apart.ask("GET", "/api/models/open-roofs/lineage", who).json()
    assert {each["id"] for each in lineage["derived_from"]} == {"secret-unet-v1", "secret-area-v1"}
    assert kept_apart.ask("GET", "/api/models/open-roofs", who).json()["base_model"] == "secret-unet-v1"
    told = kept_apart.ask("GET", "/api/statistics", who).json()
    assert (told["models"], told["datasets"]) == (5, 2)


def test_a_collection_sums_up_what_everybody_sees(tmp_path: Path) -> None:
    catalog = LocalCatalog(tmp_path / "catalog")
    far = {"fair:owner": "amina", "fair:visibility": "private", "mlm:tasks": ["scene-classification"]}
    catalog.commit(Change(put=[small_item("near-v1"), small_item("far-v1", box=[10, 10, 11, 11], **far)]))
    for caller in (Caller(), Caller("bikash", "reader")):
        seen = VisibleCatalog(catalog, caller).collection("local-models")
        assert seen.extent.spatial.bboxes == [BOX]
        assert "scene-classification" not in str(seen.summaries.to_dict())
        assert not any("far-v1" in str(link.href) for link in seen.links)


def test_pages_of_somebody_have_no_gaps_where_others_have_private_items(kept_apart: Service) -> None:
    found, address = [], "/api/models?limit=1&deprecated=any"
    while address:
        answer = kept_apart.ask("GET", address.removeprefix(kept_apart.address), "reader")
        assert len(answer.json()["found"]) == 1
        found += [each["id"] for each in answer.json()["found"]]
        address = str(answer.links["next"]["url"]) if "next" in answer.links else ""
    assert found == ["roofs-unet-v1", "banepa-roofs-v1", "banepa-roofs-v2", "open-roofs-v1"]
