"""Many requests to one host: what is asked again, how long one waits, and what is never followed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Barrier, Lock

import pytest

from fair_models.errors import Invalid, NotFound, Unavailable
from fair_models.store.locations import parse_web
from fair_models.store.web.policy import RetryPolicy, Web, retry_after_s
from fair_models.store.web.tile_cache import TileCache
from tests.store.web_server import WebServer, send

QUICK = RetryPolicy(per_second=1000, attempts=3, first_wait_s=0.01)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    (tmp_path / "file").write_bytes(b"content")
    with WebServer(tmp_path).running() as running:
        yield running


@pytest.fixture
def web() -> Iterator[Web]:
    asking = Web(QUICK)
    yield asking
    asking.close()


def test_a_wait_is_as_long_as_the_server_asks_and_never_longer_than_one_is_patient() -> None:
    retries = RetryPolicy(first_wait_s=1, longest_wait_s=60)
    assert 0.5 <= retries.wait_s(1, None) <= 1
    assert 4 <= retries.wait_s(4, None) <= 8
    assert retries.wait_s(1, 30) == 30
    assert retries.wait_s(1, 3600) == 60


def test_retry_after_is_read_as_seconds_or_as_a_time() -> None:
    assert retry_after_s("12") == 12
    assert retry_after_s(format_datetime(datetime.now(UTC) - timedelta(hours=1))) == 0
    later = retry_after_s(format_datetime(datetime.now(UTC) + timedelta(hours=1)))
    assert later is not None
    assert later > 3000
    assert retry_after_s("soon") is None
    assert retry_after_s("") is None


def test_what_is_missing_is_asked_for_once_and_what_fails_as_often_as_was_said(
    server: WebServer, web: Web
) -> None:
    assert web.get(parse_web(server.url("file")), largest_bytes=100).body == b"content"
    with pytest.raises(NotFound):
        web.get(parse_web(server.url("missing")), largest_bytes=100)
    server.answers["/busy"] = lambda request: request.send_error(503)
    with pytest.raises(Unavailable, match="the server says 503"):
        web.get(parse_web(server.url("busy")), largest_bytes=100)
    assert server.asked == ["/file", "/missing", "/busy", "/busy", "/busy"]


def silent(request: BaseHTTPRequestHandler) -> None:
    """Hang up without an answer."""
    request.close_connection = True


def test_a_connection_that_was_closed_meanwhile_is_no_failure_of_the_server(server: WebServer) -> None:
    known: set[tuple[str, int]] = set()

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.client_address in known:
            silent(request)
        else:
            known.add(request.client_address)
            send(request, b"content")

    server.answers["/file"] = answer
    web = Web(replace(QUICK, attempts=1))
    for _ in range(3):
        assert web.get(parse_web(server.url("file")), largest_bytes=100).body == b"content"
    web.close()
    assert len(known) == 3
    assert len(server.asked) == 5


def test_the_last_status_is_told_where_the_server_breaks_off_after_it(server: WebServer, web: Web) -> None:
    answers = [lambda request: request.send_error(504), silent, silent]
    server.answers["/busy"] = lambda request: answers.pop(0)(request)
    with pytest.raises(Unavailable, match="the server says 504"):
        web.get(parse_web(server.url("busy")), largest_bytes=100)


def test_a_server_that_never_answers_is_told_in_whole_sentences(server: WebServer, web: Web) -> None:
    server.answers["/busy"] = silent
    with pytest.raises(Unavailable) as error:
        web.get(parse_web(server.url("busy")), largest_bytes=100)
    assert str(error.value) == (
        f"{server.url('busy')} cannot be had: Server disconnected without sending a response. Try again later"
    )


def test_threads_that_share_it_ask_one_host_no_more_at_once_than_was_said(server: WebServer) -> None:
    lock, both, now, most = Lock(), Barrier(2), [0], [0]

    def answer(request: BaseHTTPRequestHandler) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        both.wait(30)  # until another request is there too: with a limit of two they come in pairs
        with lock:
            now[0] -= 1
        request.send_response(200)
        request.send_header("Content-Length", "0")
        request.end_headers()

    server.answers["/slow"] = answer
    web = Web(replace(QUICK, at_once=2))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: web.get(parse_web(server.url("slow")), largest_bytes=1), range(8)))
    web.close()
    assert most == [2]


def test_more_than_was_wanted_is_refused_or_cut(server: WebServer, web: Web) -> None:
    with pytest.raises(Invalid, match="more than 3 bytes"):
        web.get(parse_web(server.url("file")), largest_bytes=3)
    assert web.get(parse_web(server.url("file")), largest_bytes=3, cut=True).body == b"con"
    assert web.get(parse_web(server.url("file")), largest_bytes=7).body == b"content"


def test_redirects_in_a_circle_and_into_this_network_are_not_followed(server: WebServer, web: Web) -> None:
    server.redirect("circle", "/circle")
    with pytest.raises(Invalid, match="redirects more than 5 times"):
        web.get(parse_web(server.url("circle")), largest_bytes=100)
    server.redirect("inside", f"http://localhost:{server.port}/file")
    with pytest.raises(Invalid, match="redirects to where nothing may be read"):
        web.get(parse_web(server.url("inside")), largest_bytes=100)
    assert "/file" not in server.asked


def test_the_cache_keeps_bytes_by_digest_and_addresses_by_theirs(tmp_path: Path) -> None:
    cache = TileCache(tmp_path)
    assert cache.find("https://a.example/1?key=secret") is None
    one = cache.put("https://a.example/1?key=secret", b"tile", '"tag"')
    two = cache.put("https://b.example/1", b"tile")
    hole = cache.put("https://a.example/2", None)
    assert cache.find("https://a.example/1?key=secret") == one
    assert (one.digest, one.etag, cache.read(one.digest)) == (two.digest, '"tag"', b"tile")
    assert hole.is_hole
    assert len(list((tmp_path / "data").glob("*/*"))) == 1
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_bytes_that_were_lost_or_damaged_are_not_in_the_cache(tmp_path: Path) -> None:
    cache = TileCache(tmp_path)
    entry = cache.put("https://a.example/1", b"tile")
    (data,) = (tmp_path / "data").glob("*/*")
    data.write_bytes(b"other")
    assert cache.read(entry.digest) is None
    data.unlink()
    assert cache.find("https://a.example/1") is None
    (address,) = (tmp_path / "addresses").glob("*/*")
    address.write_bytes(b"{")
    assert cache.find("https://a.example/1") is None
