"""Every route with everybody: nobody, tokens that are over, too small or of others, and the right one.

The routes are those of the API's description, so that a new one cannot be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fair_models.settings import Settings
from fair_models.web.app import create_app
from fair_models.web.auth.roles import ROLES, SCOPES, SCOPES_OF
from fair_models.web.registry import Registry
from tests.services import free_port
from tests.web.auth.people import Service, bearer, service

OPEN = {
    "/health/live",
    "/health/ready",
    "/health/detailed",
    "/metrics",
    "/auth/login",
    "/auth/callback",
    "/auth/logout",
}
"""Routes for everybody, whatever the settings say."""

METHODS = ("get", "put", "post", "delete", "patch", "head")


def _operations() -> list[tuple[str, str, list[dict[str, list[str]]]]]:
    settings = Settings(home=Path("/nonexistent/home"), web_auth="tokens")
    document = create_app(Registry.open(settings)).openapi()
    return [
        (method.upper(), path, operation["security"])
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


OPERATIONS = _operations()
GUARDED = [each for each in OPERATIONS if each[1] not in OPEN]
ALL_IDS = [f"{method} {path}" for method, path, _ in OPERATIONS]
IDS = [f"{method} {path}" for method, path, _ in GUARDED]


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = Settings(
        home=tmp_path_factory.mktemp("home"), prefect_port=free_port(), web_failed_rate="100000/minute"
    )
    with service(settings) as running:
        yield running


def asked(everybody: Service, method: str, path: str, token: str | None) -> httpx.Response:
    place = re.sub(r"\{([^}]+)\}", "nothing-of-that-name", path)
    headers = {} if token is None else bearer(token)
    body: dict[str, Any] = {"json": {}} if method in {"POST", "PUT", "PATCH"} else {}
    return httpx.request(method, f"{everybody.address}{place}", headers=headers, timeout=60, **body)


def scopes(security: list[dict[str, list[str]]]) -> set[str]:
    return {scope for way in security for scope in way.get("token", [])}


def test_there_are_routes_of_every_kind() -> None:
    assert {scope for _, _, security in OPERATIONS for scope in scopes(security)} >= {"read", "admin"}


def test_only_the_routes_that_are_named_here_are_for_everybody() -> None:
    assert {path for _, path, security in OPERATIONS if security == []} <= OPEN


@pytest.mark.parametrize(("method", "path", "security"), GUARDED, ids=IDS)
def test_every_route_says_what_it_needs(method: str, path: str, security: list[dict[str, list[str]]]) -> None:
    needed = scopes(security)
    assert needed
    assert needed <= set(SCOPES)
    assert {} not in security or needed == {"read"}


@pytest.mark.parametrize(("method", "path", "security"), GUARDED, ids=IDS)
def test_nobody_may_only_read_what_is_public(
    everybody: Service, method: str, path: str, security: list[dict[str, list[str]]]
) -> None:
    answer = asked(everybody, method, path, None)
    if {} in security:
        assert answer.status_code not in {401, 403}
    else:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("who", ["expired", "revoked", "forged", "another scheme"])
@pytest.mark.parametrize(
    ("method", "path", "security"), OPERATIONS, ids=[f"{m} {p}" for m, p, _ in OPERATIONS]
)
def test_what_opens_nothing_opens_nothing_anywhere(
    everybody: Service, method: str, path: str, security: list[dict[str, list[str]]], who: str
) -> None:
    forged = everybody.tokens["admin"][:-4] + "0000"
    answer = asked(everybody, method, path, everybody.tokens.get(who, forged))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "path", "security"), GUARDED, ids=IDS)
def test_a_role_may_do_what_its_scopes_say(
    everybody: Service, method: str, path: str, security: list[dict[str, list[str]]], role: str
) -> None:
    answer = asked(everybody, method, path, everybody.tokens[role])
    if scopes(security) <= SCOPES_OF[role]:  # type: ignore[index]
        assert answer.status_code not in {401, 403}
        assert answer.status_code < 500 or answer.status_code == 503
    else:
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_a_route_that_says_nothing_answers_nobody(settings: Settings) -> None:
    with service(settings) as running:

        @running.app.get("/forgotten")
        def forgotten() -> str:
            return "a secret"

        answer = running.ask("GET", "/forgotten", "admin")
        assert answer.status_code == 500
        assert "a secret" not in answer.text


def test_only_people_with_an_account_read_where_the_settings_say_so(settings: Settings) -> None:
    with service(settings, web_anonymous_read=False) as running:
        for method, path, security in GUARDED:
            if {} in security:
                assert asked(running, method, path, None).status_code == 401
                assert asked(running, method, path, running.tokens["reader"]).status_code not in {401, 403}


def test_a_wrong_token_takes_as_long_whether_its_id_is_known_or_not(people: Service) -> None:
    known, unknown = people.tokens["admin"][:17] + "_" + "0" * 64, "fair_" + "0" * 12 + "_" + "0" * 64
    answers = [people.ask("GET", "/api/account", headers=bearer(wrong)) for wrong in (known, unknown)]
    bodies = [{**each.json(), "request_id": ""} for each in answers]
    assert bodies[0] == bodies[1]
