"""The application without its routes: start, errors, limits, headers, health, numbers."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import Depends, FastAPI, Query

from fair_models import errors
from fair_models.ownership import OWNER, VISIBILITY
from fair_models.settings import Settings
from fair_models.web import callers, links, middleware, problems
from fair_models.web.access import EVERYBODY
from fair_models.web.app import create_app
from fair_models.web.callers import ANONYMOUS, Caller
from fair_models.web.registry import Registry
from tests.web.serving import serving

PROJECT = Path(__file__).resolve().parent.parent.parent
STRANGERS = ("prefect", "torch", "zenml", "mlflow", "onnxruntime")


def test_the_service_loads_nothing_heavy_and_is_small_when_idle(tmp_path: Path) -> None:
    code = f"""
import sys
import psutil
from fair_models.web.access import EVERYBODY
from fair_models.web.app import create_app
create_app()
print([name for name in {STRANGERS!r} if name in sys.modules], psutil.Process().memory_info().rss)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={"FAIR_HOME": str(tmp_path), "PYTHONPATH": str(PROJECT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded, _, memory = done.stdout.strip().rpartition(" ")
    assert loaded == "[]"
    assert int(memory) < 200_000_000


def problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == answer.status_code
    assert document["type"].startswith("urn:fair-models:problem:")
    assert document["code"] == document["type"].rpartition(":")[2]
    assert document["description"] == document["detail"]
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


def test_an_address_that_leads_nowhere_is_a_problem(http: httpx.Client) -> None:
    told = problem(http.get("/nothing/here"))
    assert told["status"] == 404
    assert "/nothing/here" in told["detail"]


def test_a_method_that_a_route_does_not_take_is_a_problem(http: httpx.Client) -> None:
    answer = http.post("/health/live")
    assert problem(answer)["code"] == "method-not-allowed"
    assert answer.headers["allow"] == "GET"


def test_every_error_of_the_library_has_a_kind_and_every_kind_a_status() -> None:
    def family(of: type[errors.FairModelsError]) -> Iterator[type[errors.FairModelsError]]:
        yield of
        for child in of.__subclasses__():
            yield from family(child)

    for each in family(errors.FairModelsError):
        assert problems.kind_of(each.__new__(each)) in problems.STATUSES


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.NotFound("no roofs"), 404, "not-found"),
        (errors.Conflict("taken"), 409, "conflict"),
        (errors.Invalid("wrong"), 422, "invalid"),
        (errors.IncompatibleDataset("a", "b", ["c"]), 422, "invalid"),
        (errors.InvalidDocument("x.json", ["no JSON"]), 400, "malformed"),
        (errors.Unavailable("away"), 503, "unavailable"),
        (errors.Unsettled("not yet"), 503, "unsettled"),
        (errors.Corrupted("other bytes"), 502, "corrupted"),
        (problems.Problem("unauthenticated", "who?", headers={"WWW-Authenticate": "Bearer"}), 401, None),
    ],
)
def test_an_error_of_the_library_is_told_with_its_own_words(
    app: FastAPI, error: Exception, status: int, code: str | None
) -> None:
    @app.get("/broken", dependencies=[EVERYBODY])
    def broken() -> None:
        raise error

    with serving(app) as address:
        answer = httpx.get(f"{address}/broken")
    told = problem(answer)
    assert told["status"] == status
    assert told["code"] == code or code is None
    assert told["detail"] == str(error)
    assert ("retry-after" in answer.headers) == (status == 503)
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


def test_a_failure_that_nobody_foresaw_shows_its_number_and_no_trace(app: FastAPI) -> None:
    @app.get("/broken", dependencies=[EVERYBODY])
    def broken() -> None:
        raise ZeroDivisionError("secret words")

    with serving(app) as address:
        answer = httpx.get(f"{address}/broken")
    told = problem(answer)
    assert told["code"] == "internal"
    assert told["request_id"] in told["detail"]
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text


def test_parameters_that_are_not_valid_are_listed_in_one_shape(app: FastAPI) -> None:
    @app.get("/asked", dependencies=[EVERYBODY])
    def asked(limit: int = Query(ge=1)) -> int:
        return limit

    with serving(app) as address:
        told = problem(httpx.get(f"{address}/asked", params={"limit": "hush"}))
    assert told["status"] == 422
    assert [(each["place"], each["pointer"]) for each in told["errors"]] == [("query", "#/limit")]
    assert "hush" not in json.dumps(told)


@pytest.mark.parametrize(("given", "kept"), [("abc-1", True), ("a b", False), ("x" * 65, False), ("", False)])
def test_a_request_keeps_a_name_that_is_a_plain_word(http: httpx.Client, given: str, kept: bool) -> None:
    answer = http.get("/health/live", headers={"X-Request-ID": given})
    assert (answer.headers["x-request-id"] == given) == kept


def test_each_request_is_one_line_of_the_log_without_its_query(
    http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "fair_models.web.access"):
        answer = http.get("/health/live?signature=hush")
        http.get("/health/live")  # the line is written after the answer
    line = next(each for each in caplog.records if each.__dict__.get("path") == "/health/live")
    assert line.__dict__["status"] == 200
    assert line.__dict__["request_id"] == answer.headers["x-request-id"]
    assert "hush" not in str(line.__dict__)


def test_browsers_are_told_to_load_nothing_from_elsewhere(http: httpx.Client) -> None:
    headers = http.get("/health/live").headers
    policy = headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert (
        "access-control-allow-origin"
        not in http.get("/health/live", headers={"Origin": "https://evil.example"}).headers
    )
    assert "strict-transport-security" not in headers


def test_only_origins_that_are_named_may_read(settings: Settings) -> None:
    named = settings.model_copy(update={"web_cors_origins": ("https://browser.example.org",)})
    with serving(create_app(Registry.open(named))) as address:
        allowed = httpx.get(f"{address}/health/live", headers={"Origin": "https://browser.example.org"})
        other = httpx.get(f"{address}/health/live", headers={"Origin": "https://evil.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://browser.example.org"
    assert "access-control-allow-origin" not in other.headers


@pytest.fixture
def echo(settings: Settings) -> Iterator[str]:
    """A service with a small maximum, and a route that takes a body."""
    small = settings.model_copy(update={"web_max_body_bytes": 2000, "web_timeout_s": 0.5})
    app = create_app(Registry.open(small))

    @app.post("/echo", dependencies=[EVERYBODY])
    def echoed(body: dict[str, Any]) -> int:
        return len(str(body))

    @app.get("/slow", dependencies=[EVERYBODY])
    async def slow() -> None:
        await asyncio.sleep(5)

    with serving(app) as address:
        yield address


def test_a_body_that_is_too_large_is_refused_however_it_is_announced(echo: str) -> None:
    large = json.dumps({"x": "y" * 3000}).encode()
    assert problem(httpx.post(f"{echo}/echo", content=large))["code"] == "too-large"
    pieces = (large[start : start + 500] for start in range(0, len(large), 500))
    assert problem(httpx.post(f"{echo}/echo", content=pieces))["maximum"] == 2000
    assert httpx.post(f"{echo}/echo", json={"x": 1}).status_code == 200


def test_headers_and_addresses_that_are_too_long_are_refused(echo: str) -> None:
    many = [(f"x-{number}", "1") for number in range(middleware.MAX_HEADERS + 1)]
    assert problem(httpx.get(f"{echo}/health/live", headers=many))["status"] == 431
    long = "y" * (middleware.MAX_HEADER_BYTES + 1)
    assert problem(httpx.get(f"{echo}/health/live", headers={"x": long}))["status"] == 431
    asked = httpx.get(f"{echo}/health/live", params={"q": "y" * (middleware.MAX_ADDRESS_BYTES + 1)})
    assert problem(asked)["status"] == 414


@pytest.mark.parametrize("length", ["-1", "1e3", "1_0", "٣"])
def test_a_length_that_is_none_is_refused(echo: str, length: str) -> None:
    place = urlsplit(echo)
    with socket.create_connection((str(place.hostname), place.port or 0), timeout=10) as raw:
        raw.sendall(f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        assert raw.recv(100).split()[1] == b"400"


def test_an_answer_that_does_not_come_is_given_up(echo: str) -> None:
    told = problem(httpx.get(f"{echo}/slow"))
    assert told["code"] == "timeout"
    assert "0.5 s" in told["detail"]


def test_a_body_that_is_no_json_is_malformed(echo: str) -> None:
    answer = httpx.post(f"{echo}/echo", content=b"{", headers={"content-type": "application/json"})
    assert problem(answer)["status"] == 400


def test_the_service_lives_while_parts_behind_it_are_away(http: httpx.Client) -> None:
    assert http.get("/health/live").json() == {"status": "ok"}
    answer = http.get("/health/ready")
    assert answer.status_code == 503
    assert {each["part"]: each["works"] for each in answer.json()["parts"]} == {
        "catalogue": True,
        "store": True,
        "prefect": False,
    }


def test_reading_is_ready_without_prefect(http: httpx.Client) -> None:
    assert http.get("/health/ready?part=catalogue&part=store").status_code == 200
    assert problem(http.get("/health/ready?part=nothing"))["status"] == 422


def test_a_detailed_look_uses_the_store_and_says_why_a_part_does_not_work(
    http: httpx.Client, settings: Settings
) -> None:
    parts = {each["part"]: each for each in http.get("/health/detailed").json()["parts"]}
    assert parts["store"]["works"]
    assert "put, fetched and deleted" in parts["store"]["says"]
    assert str(settings.prefect_port) in parts["prefect"]["says"]


class _Version(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'"3.8.8"')

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_all_is_ready_when_prefect_answers(http: httpx.Client, settings: Settings) -> None:
    server = HTTPServer(("127.0.0.1", settings.prefect_port), _Version)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        answer = http.get("/health/ready")
    finally:
        server.shutdown()
    assert (answer.status_code, answer.json()["works"]) == (200, True)


def test_a_store_that_cannot_be_written_is_named(http: httpx.Client, settings: Settings) -> None:
    settings.store_folder.write_text("a file in place of the folder")
    parts = {each["part"]: each["works"] for each in http.get("/health/detailed").json()["parts"]}
    assert not parts["store"]
    assert parts["catalogue"]


def test_where_people_sign_in_only_admins_are_told_why(settings: Settings) -> None:
    guarded = settings.model_copy(update={"web_auth": "tokens"})
    app = create_app(Registry.open(guarded))
    with serving(app) as address:
        told = httpx.get(f"{address}/health/detailed").json()
    assert all("says" not in each for each in told["parts"])


def test_requests_are_counted_by_route_and_status(http: httpx.Client) -> None:
    http.get("/health/live")
    http.get("/nothing/here")
    http.request("BREW", "/health/live")
    text = http.get("/metrics").text
    assert 'fair_http_requests_total{method="GET",route="/health/live",status="200"} 1.0' in text
    assert 'fair_http_requests_total{method="GET",route="none",status="404"} 1.0' in text
    assert 'method="other"' in text
    assert "BREW" not in text


def test_the_description_names_the_errors_of_every_route(http: httpx.Client) -> None:
    document = http.get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert "HTTPValidationError" not in json.dumps(document)
    for path in document["paths"].values():
        for operation in path.values():
            assert set(operation["responses"]["4XX"]["content"]) == {"application/problem+json"}


def test_large_answers_are_compressed_for_who_takes_that(http: httpx.Client) -> None:
    answer = http.get("/api/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert (
        "content-encoding"
        not in http.get("/api/openapi.json", headers={"Accept-Encoding": "identity"}).headers
    )


@pytest.mark.parametrize(
    ("caller", "owner", "visibility", "sees"),
    [
        (ANONYMOUS, None, None, True),
        (ANONYMOUS, "ann", "public", True),
        (ANONYMOUS, "ann", "private", False),
        (Caller("ben", "publisher"), "ann", "private", False),
        (Caller("ann"), "ann", "private", True),
        (Caller("root", "admin", frozenset({"read", "admin"})), "ann", "private", True),
        (Caller("root", "admin", frozenset({"read"})), "ann", "private", False),
        (ANONYMOUS, None, "private", False),
    ],
)
def test_a_private_item_is_there_for_its_owner_and_admins(
    caller: Caller, owner: str | None, visibility: str | None, sees: bool
) -> None:
    said = {OWNER: owner, VISIBILITY: visibility}
    item = {"properties": {name: value for name, value in said.items() if value}}
    assert caller.may_see(item) == sees


def test_the_caller_of_a_request_is_who_authentication_left_there(app: FastAPI) -> None:
    @app.get("/who", dependencies=[EVERYBODY])
    def who(caller: Caller = Depends(callers.caller_of)) -> str | None:  # noqa: B008 - FastAPI's way
        return caller.owner

    with serving(app) as address:
        assert httpx.get(f"{address}/who").json() is None


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("/srv/store/a b/model-1.onnx", "model-1.onnx"),
        ("s3://bucket/key/model.onnx", "model.onnx"),
        ("https://x.example/a/b%20c.tif?sig=1", "b c.tif"),
        ("https://x.example/", "file"),
    ],
)
def test_a_download_ends_with_the_name_of_the_file(href: str, name: str) -> None:
    assert links.filename_of(href) == name


def test_addresses_hold_no_part_that_leads_elsewhere() -> None:
    assert links.asset("https://x", "c", "i/../j", "k?", "f #.tif") == (
        "https://x/api/collections/c/items/i%2F..%2Fj/assets/k%3F/f%20%23.tif"
    )
