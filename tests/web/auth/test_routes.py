"""What routes about accounts answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from fair_models.catalog.protocol import Change
from fair_models.errors import Unavailable
from fair_models.settings import Settings
from fair_models.web import health
from fair_models.web.auth import audit_log
from fair_models.web.database import tables
from tests.catalog.small_items import small_item
from tests.web.auth.people import Service, bearer


def test_an_account_learns_who_it_is(people: Service) -> None:
    told = people.ask("GET", "/api/account", "contributor").json()
    assert (told["account"], told["role"]) == ("account-contributor", "contributor")
    assert told["scopes"] == ["read", "upload", "run"]
    assert told["signed_in_by"].startswith("token:")
    assert datetime.fromisoformat(told["expires"]).tzinfo is not None


def test_a_token_is_made_used_listed_and_revoked(people: Service) -> None:
    asked = {"title": "QGIS", "scopes": ["read"], "days": 1}
    made = people.ask("POST", "/api/tokens", "contributor", json=asked)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    token = made.json()["token"]
    assert people.ask("GET", "/api/account", headers=bearer(token)).json()["scopes"] == ["read"]
    listed = people.ask("GET", "/api/tokens", "contributor")
    assert [each["title"] for each in listed.json()["tokens"]] == ["QGIS", "contributor"]
    assert token.rpartition("_")[2] not in listed.text
    gone = people.ask("DELETE", f"/api/tokens/{made.json()['id']}", "contributor")
    assert gone.status_code == 204
    assert people.ask("GET", "/api/account", headers=bearer(token)).status_code == 401


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"title": "x", "scopes": ["admin"]}, 422),
        ({"title": "x", "scopes": []}, 422),
        ({"title": "x", "scopes": ["fly"]}, 422),
        ({"title": "", "scopes": ["read"]}, 422),
        ({"title": "x\u0000y", "scopes": ["read"]}, 422),
        ({"title": "x", "scopes": ["read"], "days": 0}, 422),
        ({"title": "x", "scopes": ["read"], "days": 1e308}, 422),
        ({"title": "x", "scopes": ["read"], "owner": "account-admin"}, 422),
        ({"scopes": ["read"]}, 422),
        ([], 422),
    ],
)
def test_a_token_that_cannot_be_is_not_made(people: Service, asked: Any, status: int) -> None:
    before = people.ask("GET", "/api/tokens", "contributor").json()
    assert people.ask("POST", "/api/tokens", "contributor", json=asked).status_code == status
    after = people.ask("GET", "/api/tokens", "contributor").json()
    assert [each["id"] for each in after["tokens"]] == [each["id"] for each in before["tokens"]]


def test_a_small_token_makes_no_larger_one_and_none_that_outlives_it(people: Service) -> None:
    small = people.ask(
        "POST", "/api/tokens", "admin", json={"title": "small", "scopes": ["read"], "days": 1}
    ).json()
    headers = bearer(small["token"])
    larger = people.ask("POST", "/api/tokens", headers=headers, json={"title": "x", "scopes": ["admin"]})
    assert larger.status_code == 422
    same = people.ask(
        "POST", "/api/tokens", headers=headers, json={"title": "x", "scopes": ["read"], "days": 90}
    )
    assert same.json()["expires"] == small["expires"]


@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("PATCH", "/api/users/account-reader", {"json": {"disabled": 0}}),
        ("PATCH", "/api/users/account-reader", {"json": {"disabled": "false"}}),
        ("PATCH", "/api/users/account-reader", {"json": {"role": "king"}}),
        ("POST", "/api/users", {"json": {"account": "a@example.org"}}),
        ("POST", "/api/users", {"json": {"account": "amina-v2"}}),
        ("POST", "/api/users", {"json": {"account": "nobody"}}),
        ("GET", "/api/audit-log", {"params": {"since": "0.5"}}),
        ("GET", "/api/audit-log", {"params": {"since": "2026-11-29T00:00:00"}}),
        ("GET", "/api/audit-log", {"params": {"before": "0"}}),
        ("GET", "/api/users", {"params": {"limit": "0"}}),
        ("GET", "/api/users/Account", {}),
        ("PUT", "/api/names/model/roofs/maintainers", {"json": {"maintainers": ["a"]}}),
        ("PUT", "/api/names/thing/roofs/maintainers", {"json": {"maintainers": []}}),
    ],
)
def test_what_is_wrong_is_refused_with_the_reason(
    people: Service, method: str, path: str, asked: dict[str, Any]
) -> None:
    answer = people.ask(method, path, "admin", **asked)
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_addresses_tell_all_their_methods(people: Service) -> None:
    for path, methods in (("/api/tokens", "GET, POST"), ("/api/users/amina", "GET, PATCH")):
        answer = people.ask("PUT", path, "admin", json={})
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)


def test_tokens_of_others_are_not_there_but_for_admins(people: Service) -> None:
    made = people.ask("GET", "/api/tokens", "publisher").json()["tokens"][0]["id"]
    assert people.ask("DELETE", f"/api/tokens/{made}", "contributor").status_code == 404
    assert people.ask("GET", "/api/account", "publisher").status_code == 200
    assert people.ask("DELETE", f"/api/tokens/{made}", "admin").status_code == 204
    assert people.ask("GET", "/api/account", "publisher").status_code == 401


def test_admins_make_change_and_disable_accounts(people: Service) -> None:
    made = people.ask("POST", "/api/users", "admin", json={"account": "bikash", "role": "contributor"})
    assert (made.status_code, made.headers["location"]) == (201, "/api/users/bikash")
    again = people.ask("POST", "/api/users", "admin", json={"account": "bikash"})
    assert again.status_code == 409
    changed = people.ask("PATCH", "/api/users/bikash", "admin", json={"role": "publisher", "disabled": True})
    assert (changed.json()["role"], bool(changed.json()["disabled"])) == ("publisher", True)
    assert (
        people.ask("PATCH", "/api/users/bikash", "admin", json={"disabled": False}).json()["disabled"] is None
    )
    assert people.ask("GET", "/api/users/nobody-here", "admin").status_code == 404
    last = people.ask("PATCH", "/api/users/account-admin", "admin", json={"disabled": True})
    assert last.status_code == 409


def test_a_role_that_becomes_less_makes_its_tokens_less_at_once(people: Service) -> None:
    people.ask("POST", "/api/users", "admin", json={"account": "second-admin", "role": "admin"})
    people.ask("PATCH", "/api/users/account-publisher", "admin", json={"role": "reader"})
    assert people.ask("GET", "/api/account", "publisher").json()["scopes"] == ["read"]


def test_accounts_come_page_by_page(people: Service) -> None:
    seen: list[str] = []
    path: str | None = "/api/users?limit=3"
    while path:
        answer = people.ask("GET", path, "admin")
        seen += [each["account"] for each in answer.json()["users"]]
        path = answer.links["next"]["url"].removeprefix(people.address) if "next" in answer.links else None
    assert seen == ["account-admin", "account-contributor", "account-publisher", "account-reader"]


def test_what_is_done_and_what_is_refused_is_noted_and_reading_is_not(people: Service) -> None:
    people.ask("GET", "/api/account", "reader")
    people.ask("POST", "/api/users", "admin", json={"account": "bikash"}, headers={"X-Request-ID": "mine-1"})
    people.ask("GET", "/api/users", "reader")
    people.ask("GET", "/api/users?token=hush")
    entries = people.ask("GET", "/api/audit-log", "admin").json()["entries"]
    noted = [(each["who"], each["what"], each["result"]) for each in entries]
    assert noted == [
        ("", "GET /api/users", "401"),
        ("account-reader", "GET /api/users", "403"),
        ("account-admin", "POST /api/users", "201"),
    ]
    assert entries[2]["request_id"] == "mine-1"
    assert entries[2]["how"].startswith("token:")
    assert entries[2]["address"] == "127.0.0.1"


def test_making_and_revoking_tokens_is_noted_and_searching_is_not(people: Service) -> None:
    made = people.ask("POST", "/api/tokens", "reader", json={"title": "x", "scopes": ["read"]}).json()["id"]
    people.ask("DELETE", f"/api/tokens/{made}", "reader")
    people.ask("POST", "/stac/search", "reader", json={})
    entries = people.ask("GET", "/api/audit-log", "admin").json()["entries"]
    assert [(each["what"], each["result"]) for each in entries] == [
        (f"DELETE /api/tokens/{made}", "204"),
        ("POST /api/tokens", "201"),
    ]


def test_old_entries_are_deleted_by_the_service_itself(people: Service) -> None:
    audit_log.write(people.database, who="bikash", how="cli", what="long ago", result="done")
    with people.database.writing() as session:
        session.execute(update(tables.AuditEntry).values(time=datetime.now(UTC) - timedelta(days=366)))
    people.ask("POST", "/api/users", "admin", json={"account": "bikash"})
    assert [entry.what for entry in audit_log.read(people.database)] == ["POST /api/users"]


def test_a_full_or_busy_disk_does_not_close_the_service_to_readers(
    people: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise Unavailable("database or disk is full")

    monkeypatch.setattr(type(people.database), "writing", full)
    assert people.ask("GET", "/api/account", "reader").status_code == 200
    assert people.ask("POST", "/api/users", "admin", json={"account": "bikash"}).status_code == 503


def test_readiness_names_the_database_of_accounts(people: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def parts() -> dict[str, bool]:
        answer = people.ask("GET", "/health/ready?part=accounts")
        return {each["part"]: each["works"] for each in answer.json()["parts"]}

    assert parts() == {"accounts": True}
    monkeypatch.setattr(health, "KEPT_S", -1.0)

    def away(_: object) -> None:
        raise Unavailable("it does not answer")

    monkeypatch.setattr(type(people.database), "ping", away)
    assert parts() == {"accounts": False}


def test_owners_show_and_hide_what_has_their_name(people: Service) -> None:
    catalog = people.app.state.registry.catalog
    theirs = {"fair:owner": "account-contributor", "fair:visibility": "private"}
    catalog.commit(Change(put=[small_item("roofs-v1", **theirs), small_item("roofs-v2", **theirs)]))

    def put(who: str, visibility: str) -> Any:
        body = {"visibility": visibility}
        return people.ask("PUT", "/api/names/model/roofs/visibility", who, json=body)

    def seen() -> int:
        return people.ask("GET", "/stac/collections/local-models/items/roofs-v1").status_code

    assert put("publisher", "public").status_code == 404
    assert seen() == 404
    shown = put("contributor", "public")
    assert shown.json() == {"visibility": "public", "changed": ["roofs-v1", "roofs-v2"]}
    assert seen() == 200
    assert put("contributor", "public").json()["changed"] == []
    assert put("publisher", "private").status_code == 404
    assert put("admin", "private").json()["changed"] == ["roofs-v1", "roofs-v2"]
    assert seen() == 404
    assert put("contributor", "secret").status_code == 422


def test_maintainers_see_and_change_what_they_maintain(people: Service) -> None:
    catalog = people.app.state.registry.catalog
    theirs = {"fair:owner": "account-contributor", "fair:visibility": "private"}
    catalog.commit(Change(put=[small_item("roofs-v1", **theirs)]))
    place = "/api/names/model/roofs"
    named = {"maintainers": ["account-publisher"]}
    assert people.ask("GET", place, "publisher").status_code == 404
    assert people.ask("PUT", f"{place}/maintainers", "publisher", json=named).status_code == 404
    assert people.ask("PUT", f"{place}/maintainers", "contributor", json=named).json()["maintainers"] == [
        "account-publisher"
    ]
    assert people.ask("GET", place, "publisher").json()["owner"] == "account-contributor"
    item = "/stac/collections/local-models/items/roofs-v1"
    assert people.ask("GET", item, "publisher").status_code == 200
    assert people.ask("GET", item, "reader").status_code == 404
    assert people.ask("GET", "/api/account", "publisher").json()["maintains"] == ["model/roofs"]
    assert people.ask("PUT", f"{place}/maintainers", "publisher", json=named).status_code == 409
    assert people.ask("GET", "/api/account/names", "contributor").json()["names"] == [
        {"kind": "model", "name": "roofs"}
    ]


def test_the_audit_log_is_read_page_by_page_and_by_account(people: Service) -> None:
    for number in range(5):
        audit_log.write(people.database, who="bikash", how="cli", what=str(number), result="done")
    first = people.ask("GET", "/api/audit-log?limit=2&who=bikash", "admin")
    assert [each["what"] for each in first.json()["entries"]] == ["4", "3"]
    following = first.links["next"]["url"].removeprefix(people.address)
    assert [each["what"] for each in people.ask("GET", following, "admin").json()["entries"]] == ["2", "1"]
    later = datetime.fromisoformat(first.json()["entries"][0]["time"]) + timedelta(minutes=1)
    query = {"since": later.isoformat(), "who": "bikash"}
    assert people.ask("GET", "/api/audit-log", "admin", params=query).json()["entries"] == []


def test_without_authentication_everybody_here_is_an_admin_and_there_are_no_accounts(
    http: Any, settings: Settings
) -> None:
    told = http.get("/api/account").json()
    assert (told["account"], told["role"], told["signed_in_by"]) == (None, "admin", "local")
    for path in ("/api/tokens", "/api/users", "/api/audit-log"):
        answer = http.get(path)
        assert answer.status_code == 409
        assert "FAIR_WEB_AUTH" in answer.json()["detail"]
    assert not settings.web_database_file.exists()
