"""Headers that attack: names of the service, websites, tokens twice, too long, or of no characters."""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from fair_models.errors import Invalid
from fair_models.settings import Settings
from fair_models.web.app import create_app
from fair_models.web.auth.hosts import require_loopback
from fair_models.web.registry import Registry
from tests.web.auth.people import Service, service
from tests.web.serving import serving


def raw(address: str, lines: list[bytes], method: bytes = b"GET", path: bytes = b"/api/account") -> int:
    """The status of the answer to headers as they are written here."""
    place = urlsplit(address)
    with socket.create_connection((str(place.hostname), place.port or 0), timeout=10) as connection:
        head = [method + b" " + path + b" HTTP/1.1", *lines, b"Connection: close", b"", b""]
        connection.sendall(b"\r\n".join(head))
        return int(connection.recv(1000).split()[1])


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "169.254.169.254"]
)
@pytest.mark.parametrize("mode", ["off", "tokens"])
def test_a_name_that_is_not_ours_is_not_answered(settings: Settings, mode: str, host: str) -> None:
    app = create_app(Registry.open(settings.model_copy(update={"web_auth": mode})))
    with serving(app) as address:
        answer = httpx.get(f"{address}/health/live", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["code"] == "misdirected"


@pytest.mark.parametrize(
    "host", [b"", b"a b", b"a/b", b"a@b", b"localhost:x", b"\xff", b"[::1", b"localhost:999999"]
)
def test_a_host_that_is_none_is_refused(people: Service, host: bytes) -> None:
    assert raw(people.address, [b"Host: " + host]) == 400


def test_two_hosts_and_none_are_refused(people: Service) -> None:
    assert raw(people.address, [b"Host: localhost", b"Host: localhost"]) == 400
    assert raw(people.address, []) == 400


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1",
        "[::1]:80",
        "localhost.",
        "fair.example.org",
        "models.example.org",
    ],
)
def test_names_of_this_machine_and_those_that_are_named_are_ours(settings: Settings, host: str) -> None:
    named = {"public_url": "https://models.example.org/x", "web_hosts": ("fair.example.org",)}
    with service(settings, **named) as running:
        assert running.ask("GET", "/api/account", "reader", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("mode", ["off", "tokens"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": ""},
        {"Origin": "file://"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_other_website_writes(settings: Settings, mode: str, headers: dict[str, str], method: str) -> None:
    app = create_app(Registry.open(settings.model_copy(update={"web_auth": mode})))
    with serving(app) as address:
        answer = httpx.request(method, f"{address}/api/tokens", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden"


def test_pages_of_ours_and_of_named_websites_write(settings: Settings) -> None:
    body: dict[str, Any] = {"json": {"title": "page", "scopes": ["read"]}}
    named = {"web_cors_origins": ("https://fair.example.org",), "public_url": "https://models.example.org"}
    with service(settings, **named) as running:
        port = urlsplit(running.address).port
        for origin in (
            running.address,
            f"https://127.0.0.1:{port}",
            "https://fair.example.org",
            "https://models.example.org",
        ):
            answer = running.ask("POST", "/api/tokens", "reader", headers={"Origin": origin}, **body)
            assert answer.status_code == 201, origin
        same = {"Sec-Fetch-Site": "same-origin", "Origin": running.address}
        assert running.ask("POST", "/api/tokens", "reader", headers=same, **body).status_code == 201
        far = running.ask(
            "POST", "/api/tokens", "reader", headers={"Origin": "http://models.example.org"}, **body
        )
        assert far.status_code == 403


def test_a_page_of_another_website_may_link_here(people: Service) -> None:
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = people.ask("GET", "/api/account", "reader", headers=headers)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_two_tokens_are_refused(people: Service) -> None:
    host = b"Host: localhost"
    one = b"Authorization: Bearer " + people.tokens["admin"].encode()
    assert raw(people.address, [host, one]) == 200
    assert raw(people.address, [host, one, one]) == 400
    assert raw(people.address, [host, one, b"Authorization: Bearer x"]) == 400


@pytest.mark.parametrize(
    "written",
    [
        b"Bearer",
        b"Bearer ",
        b"Basic YWRtaW46YWRtaW4=",
        b"bearer " + b"x" * 20_000,
        b"Bearer \xff\xfe",
        "Bearer fair_\N{CYRILLIC SMALL LETTER A}".encode(),
        b"Bearer fair_0123456789ab_" + b"0" * 64,
        b"Bearer a.b.c",
        b"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
        b"Token fair_0123456789ab_" + b"0" * 64,
        b"",
    ],
)
def test_what_is_no_token_is_refused_without_a_trace(people: Service, written: bytes) -> None:
    assert raw(people.address, [b"Host: localhost", b"Authorization: " + written]) == 401


def test_a_token_in_the_address_is_none(people: Service) -> None:
    assert people.ask("GET", f"/api/account?access_token={people.tokens['admin']}").status_code == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"public_url": "https://models.example.org"},
        {"web_hosts": ("models.example.org",)},
        {"public_url": "http://192.168.1.5:8000"},
    ],
)
def test_without_authentication_the_service_is_for_this_machine_alone(
    settings: Settings, changed: dict[str, Any]
) -> None:
    with pytest.raises(Invalid, match="FAIR_WEB_AUTH"):
        create_app(Registry.open(settings.model_copy(update=changed)))
    guarded = settings.model_copy(update={**changed, "web_auth": "tokens"})
    assert create_app(Registry.open(guarded)).title


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "models.example.org", "", "::ffff:10.0.0.1"]
)
def test_without_authentication_no_other_address_is_listened_on(settings: Settings, host: str) -> None:
    with pytest.raises(Invalid, match="no authentication"):
        require_loopback(settings, host)
    require_loopback(settings.model_copy(update={"web_auth": "tokens"}), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1", "[::1]", "::ffff:127.0.0.1"])
def test_loopback_is_listened_on(settings: Settings, host: str) -> None:
    require_loopback(settings, host)


def test_without_authentication_others_are_not_answered_however_the_server_was_started(
    settings: Settings,
) -> None:
    app = create_app(Registry.open(settings))
    transport = httpx.ASGITransport(app, client=("192.168.1.9", 4000))

    async def ask() -> int:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/health/live")).status_code

    assert asyncio.run(ask()) == 403
