"""Changes over HTTP, each on the state that was read: title, description, words, metadata and pins."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from fair_models.catalog import validation
from fair_models.catalog.changes.transitions import publish, publishing
from fair_models.catalog.protocol import Change
from fair_models.ownership import OWNER, PRIVATE, VISIBILITY
from fair_models.settings import Settings
from fair_models.web.auth import audit_log
from fair_models.web.registry import Registry
from tests.services import free_port
from tests.web.api.sites import Site, base_model, dataset, fill, local_model, problem
from tests.web.auth.people import Service, service

MODEL = "/api/models/banepa-roofs"
PIN = "/api/models/banepa-roofs/versions/2/pin"


def tag(site: Site, path: str = MODEL) -> dict[str, str]:
    return {"If-Match": site.http.get(path).headers["etag"]}


def test_what_people_read_of_a_version_is_changed(own_site: Site) -> None:
    before = own_site.http.get(MODEL).json()
    wanted = {
        "title": "Dächer von Banepa",
        "description": "Two\nlines.",
        "keywords": ["building", "semantic-segmentation", "polygon", "drone"],
        "tags": ["nepal", "2026", "nepal"],
        "metadata": {"project": {"name": "Banepa", "budget": 5.5}, "done": True, "steps": [1, None, "x"]},
    }
    answer = own_site.http.patch(MODEL, json=wanted, headers=tag(own_site))
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert {name: after[name] for name in wanted} == {**wanted, "tags": ["nepal", "2026"]}
    same = set(before) - {*wanted, "updated"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert before["updated"] is None
    assert after["updated"] is not None
    again = own_site.http.get(MODEL)
    assert again.json() == after
    assert again.headers["etag"] == answer.headers["etag"]
    item = own_site.registry.catalog.get("local-models", "banepa-roofs-v2")
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    assert own_site.http.get("/api/models?tag=nepal&q=D%C3%A4cher").json()["found"][0]["id"] == item.id
    assert own_site.http.get("/api/models/banepa-roofs-v1").json()["title"] == "Roofs of Banepa"


def test_a_patch_merges_metadata_and_leaves_the_rest(own_site: Site) -> None:
    def patch(body: dict[str, Any]) -> dict[str, Any]:
        content, kind = json.dumps(body), "application/merge-patch+json"
        answer = own_site.http.patch(MODEL, content=content, headers={**tag(own_site), "Content-Type": kind})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    title = own_site.http.get(MODEL).json()["title"]
    assert patch({"metadata": {"a": {"b": 1, "c": 2}, "d": "e"}})["metadata"] == {
        "a": {"b": 1, "c": 2},
        "d": "e",
    }
    found = patch({"metadata": {"a": {"b": None, "x": 3}, "d": None, "nothing": None}})
    assert found["metadata"] == {"a": {"c": 2, "x": 3}}
    assert found["title"] == title
    assert patch({"tags": ["a"]})["metadata"] == {"a": {"c": 2, "x": 3}}
    assert patch({"metadata": None, "tags": None})["tags"] == []
    assert own_site.http.get(MODEL).json()["metadata"] == {}


def test_the_same_again_changes_nothing(own_site: Site) -> None:
    first = own_site.http.patch(MODEL, json={"title": "New"}, headers=tag(own_site))
    again = own_site.http.patch(MODEL, json={"title": "New"}, headers=tag(own_site))
    assert again.headers["etag"] == first.headers["etag"]


def test_a_change_needs_the_state_that_was_read(own_site: Site) -> None:
    stale = tag(own_site)
    for path, method, body in (
        (MODEL, "PATCH", {"title": "New"}),
        (PIN, "PUT", {"reason": "In use"}),
        (PIN, "DELETE", None),
    ):
        assert problem(own_site.http.request(method, path, json=body))["status"] == 428
        for wrong in ('"other"', f"W/{stale['If-Match']}"):
            refused = own_site.http.request(method, path, json=body, headers={"If-Match": wrong})
            assert problem(refused)["code"] == "precondition-failed"
        assert own_site.http.request(method, path, json=body, headers={"If-Match": "x"}).status_code == 400
    assert own_site.http.get(MODEL).headers["etag"] == stale["If-Match"]
    assert own_site.http.patch(MODEL, json={"title": "First"}, headers=stale).status_code == 200
    second = own_site.http.patch(MODEL, json={"title": "Second"}, headers=stale)
    assert problem(second)["status"] == 412
    assert own_site.http.get(MODEL).json()["title"] == "First"
    assert own_site.http.patch(MODEL, json={"title": "Third"}, headers={"If-Match": "*"}).status_code == 200
    other = {"If-Match": f'"x", {own_site.http.get(MODEL).headers["etag"]}'}
    assert own_site.http.patch(MODEL, json={"title": "Fourth"}, headers=other).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "title",
        None,
        {"name": "other"},
        {"fair:owner": "me"},
        {"license": "MIT"},
        {"title": None},
        {"title": ""},
        {"title": "   "},
        {"title": "a\nb"},
        {"title": "a/b"},
        {"title": "x" * 121},
        {"title": "a\u202eb"},
        {"title": "a\x00b"},
        {"title": 5},
        {"description": ""},
        {"description": "a\x00b"},
        {"description": "x" * 20_001},
        {"keywords": []},
        {"keywords": ["no-such-word"]},
        {"keywords": ["building"]},
        {"keywords": "building"},
        {"keywords": None},
        {"tags": [""]},
        {"tags": ["a\nb"]},
        {"tags": ["x" * 61]},
        {"tags": ["x"] * 51},
        {"metadata": []},
        {"metadata": "x"},
        {"metadata": {"a\x00": 1}},
        {"metadata": {"a": "b\x07"}},
        {"metadata": {"a": 2**53}},
        {"metadata": {"a": "x" * 70_000}},
        {"metadata": {str(number): 1 for number in range(201)}},
        {"metadata": json.loads('{"a":' * 12 + "1" + "}" * 12)},
    ],
)
def test_what_nobody_should_read_is_refused(site: Site, body: Any) -> None:
    before = site.http.get(MODEL).content
    assert problem(site.http.patch(MODEL, json=body, headers=tag(site)))["status"] == 422
    assert site.http.get(MODEL).content == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"metadata": {"a": NaN}}',
        b'{"metadata": {"a": 1e999}}',
        b'{"metadata": {"a": "\\ud800"}}',
        b'{"title": "\\ud800"}',
        b'{"title": "a", "title": ""}',
        b'{"metadata": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        b"\xff\xfe",
    ],
)
def test_what_is_no_json_that_all_read_alike_is_refused(site: Site, body: bytes) -> None:
    before = site.http.get(MODEL).content
    headers = {**tag(site), "Content-Type": "application/json"}
    assert problem(site.http.patch(MODEL, content=body, headers=headers))["status"] in {400, 422}
    assert site.http.get(MODEL).content == before


def test_a_version_is_pinned_and_the_pin_taken_off(own_site: Site) -> None:
    pinned = own_site.http.put(PIN, json={"reason": "In use for floods"}, headers=tag(own_site))
    assert pinned.status_code == 200, pinned.text
    assert pinned.json()["pinned"]["reason"] == "In use for floods"
    assert own_site.http.get("/api/models?where=pinned").json()["found"][0]["id"] == "banepa-roofs-v2"
    again = own_site.http.put(PIN, json={"reason": "In use for floods"}, headers=tag(own_site))
    assert again.json() == pinned.json()
    off = own_site.http.delete(PIN, headers=tag(own_site))
    assert (off.status_code, off.json()["pinned"]) == (200, None)
    assert own_site.http.delete(PIN, headers=tag(own_site)).status_code == 200
    data = "/api/datasets/banepa-buildings"
    done = own_site.http.put(
        f"{data}/versions/1/pin", json={"reason": "Reference"}, headers=tag(own_site, data)
    )
    assert done.json()["pinned"]["reason"] == "Reference"
    for wrong in (
        {},
        {"reason": ""},
        {"reason": "ab"},
        {"reason": "a\nb"},
        {"reason": "x" * 501},
        {"reason": "abc", "by": "me"},
    ):
        assert problem(own_site.http.put(PIN, json=wrong, headers=tag(own_site)))["status"] == 422


def test_a_version_that_was_described_anew_can_be_published_again_without_a_change(own_site: Site) -> None:
    catalog = own_site.registry.catalog
    base, data = catalog.get("base-models", "roofs-unet-v1"), catalog.get("datasets", "banepa-buildings-v1")
    item = local_model(own_site.registry, base, data, 2, metrics={"fair:building_iou": 0.74})
    assert not publishing(catalog, item).effects
    own_site.http.patch(MODEL, json={"title": "New", "tags": ["a"]}, headers=tag(own_site))
    assert not publishing(catalog, item).effects
    publish(catalog, item)
    assert own_site.http.get(MODEL).json()["title"] == "New"


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[Service]:
    """A service where banepa-roofs belongs to account-contributor, and secret-roofs too, which is private."""
    registry = Registry.open(Settings(home=tmp_path, prefect_port=free_port()))
    fill(registry)
    items = list(registry.catalog.search("local-models"))
    base, data = base_model(registry.store), dataset(registry.store)
    items.append(local_model(registry, base, data, name="secret-roofs"))
    for item in items:
        item.properties[OWNER] = "account-contributor"
    items[-1].properties[VISIBILITY] = PRIVATE
    registry.catalog.commit(Change(put=items))
    with service(registry.settings) as running:
        yield running


def noted(owned: Service, what: str) -> list[tuple[str, str, str]]:
    """What the audit log has; it is written after the answer."""
    for _ in range(200):
        found = [(each.who, each.what, each.result) for each in audit_log.read(owned.database)]
        if any(each[1] == what for each in found):
            return found
        time.sleep(0.05)
    return []


@pytest.mark.parametrize(
    ("who", "path", "status"),
    [
        (None, "banepa-roofs", 401),
        ("reader", "banepa-roofs", 403),
        ("publisher", "banepa-roofs", 403),
        ("contributor", "banepa-roofs", 200),
        ("admin", "banepa-roofs", 200),
        ("contributor", "roofs-unet", 403),
        ("publisher", "secret-roofs", 404),
        ("contributor", "secret-roofs", 200),
        ("admin", "roofs-unet", 200),
    ],
)
def test_only_owners_and_admins_change_a_version_and_the_audit_log_says_so(
    owned: Service, who: str | None, path: str, status: int
) -> None:
    place = f"/api/models/{path}"
    read = owned.ask("GET", place, who if status != 404 else "admin")
    headers = {"If-Match": read.headers["etag"]}
    for method, where, body in (
        ("PATCH", place, {"title": "New"}),
        ("PUT", f"{place}/versions/{'2' if path.startswith('banepa') else '1'}/pin", {"reason": "In use"}),
    ):
        answer = owned.ask(method, where, who, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        if status == 200:
            headers = {"If-Match": answer.headers["etag"]}
            assert (f"account-{who}", f"{method} {where}", "200") in noted(owned, f"{method} {where}")
    if status == 200:
        assert answer.json()["pinned"]["by"] == f"account-{who}"
    else:
        assert owned.ask("GET", place, "admin").json()["title"] != "New"


def test_of_several_who_change_one_state_at_once_one_does(own_site: Site) -> None:
    headers = tag(own_site)

    def patch(number: int) -> int:
        answer = httpx.patch(
            f"{own_site.http.base_url}{MODEL}", json={"title": f"Title {number}"}, headers=headers, timeout=60
        )
        return answer.status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(patch, range(6)))
    assert statuses == [200, 412, 412, 412, 412, 412]
