"""Servers that are away, overloaded or refuse. Real sockets, no Prefect."""

import base64
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from fair_models.client import Client, disk_watch, http
from fair_models.client.http import Http, Refused
from fair_models.client.runs import read_run
from fair_models.errors import NotFound, Unavailable

Answer = tuple[int, Any]


@contextmanager
def server(*answers: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn, the last one for ever; its address and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers[min(len(asked), len(answers) - 1)]
            asked.append(self.path)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/api", asked
    finally:
        running.shutdown()
        running.server_close()


def no_answer_at() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/api"


def test_where_no_server_answers_the_error_says_how_to_start_one() -> None:
    with pytest.raises(Unavailable, match="fair-models up"), Client(no_answer_at()) as client:
        client.start("promote", {"model": "some-model"})


def test_where_a_full_disk_ended_the_local_server_the_error_names_the_folder() -> None:
    full = Path("/proc")  # a file system without any free space
    assert shutil.disk_usage(full).free == 0
    with pytest.raises(Unavailable, match=r"0 bytes are free in /proc.*make room there.*fair-models up"):
        Http(no_answer_at(), 5, home=full).get("/thing")


@pytest.mark.parametrize("answers_first", [True, False])
def test_a_server_that_a_full_disk_keeps_from_answering_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, answers_first: bool
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("fair_models.client.http.time.sleep", slept.append)
    with server((200, {}), (503, {})) as (address, _):
        connection = Http(address, 5, home=Path("/proc"))
        assert connection.get("/thing") == {}
        if answers_first:
            with pytest.raises(Unavailable, match=r"it answers 503\). The disk is full"):
                connection.get("/thing")
    if not answers_first:  # it ended
        with pytest.raises(Unavailable, match="The disk is full"):
            connection.get("/thing")

    assert len(slept) == 3


RUNNING = {
    **dict.fromkeys(("id", "name", "flow_id"), str(uuid4())),
    "created": "2026-01-01T00:00:00+00:00",
    "state": {"type": "RUNNING", "name": "Running"},
}


@pytest.mark.parametrize("way", ["wait", "follow"])
def test_a_run_that_a_full_disk_keeps_from_ending_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(disk_watch, "FULL_S", 0.0)
    answers: list[Answer] = [(200, RUNNING), (200, {"name": "promote"}), (200, [])]
    with server(*answers) as (address, _), Client(address) as client:
        client._http.home = Path("/proc")
        with pytest.raises(Unavailable, match=rf"disk is full, 0 bytes.*fair-models follow {RUNNING['id']}"):
            client.wait(str(RUNNING["id"])) if way == "wait" else list(client.follow(str(RUNNING["id"])))


def test_a_disk_that_was_full_for_a_moment_ends_no_wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = read_run(RUNNING, "promote")
    connection = Http(no_answer_at(), 5, home=Path("/proc"))
    watch = disk_watch.DiskWatch(connection)
    watch.look(run)
    connection.home = tmp_path  # has room
    watch.look(run)
    monkeypatch.setattr(disk_watch, "FULL_S", 1e-9)
    connection.home = Path("/proc")
    watch.look(run)  # full again, as of now

    with pytest.raises(Unavailable):
        watch.look(run)


def test_a_disk_with_room_and_a_home_that_is_not_there_yet_are_not_blamed(tmp_path: Path) -> None:
    for home in (tmp_path, tmp_path / "none"):
        with pytest.raises(Unavailable) as told:
            Http(no_answer_at(), 5, home=home).get("/thing")
        assert "full" not in str(told.value)


def test_the_client_looks_at_the_home_of_the_local_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_HOME", "/proc")
    monkeypatch.setenv("FAIR_PREFECT_PORT", no_answer_at().split(":")[2].removesuffix("/api"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(Unavailable, match="free in /proc"), Client() as client:
        client.start("promote", {"model": "some-model"})
    with pytest.raises(Unavailable) as told, Client(no_answer_at()) as client:
        client.start("promote", {"model": "some-model"})
    assert "free in" not in str(told.value)


def test_a_server_that_is_overloaded_for_a_moment_is_asked_again() -> None:
    with server((503, {}), (429, {}), (200, {"well": True})) as (address, asked):
        assert Http(address, 5).get("/thing") == {"well": True}
    assert asked == ["/api/thing"] * 3


def test_a_server_that_stays_overloaded_is_unavailable() -> None:
    with server((503, {})) as (address, asked), pytest.raises(Unavailable, match="503"):
        Http(address, 5, pauses_s=[0.01] * 3).get("/thing")
    assert len(asked) == 4


def test_requests_that_were_refused_together_are_sent_again_at_different_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("fair_models.client.http.time.sleep", slept.append)
    courses = []
    for _ in range(2):
        slept.clear()
        with server((503, {})) as (address, asked), pytest.raises(Unavailable, match="503"):
            Http(address, 5).get("/thing")
        assert len(asked) == len(slept) + 1 == len(http.PAUSES_S) + 1
        courses.append([*slept])

    assert courses[0] != courses[1]
    for course in courses:
        assert all(0.5 * pause <= s <= 1.5 * pause for pause, s in zip(http.PAUSES_S, course, strict=True))
    assert 1.5 * sum(http.PAUSES_S) < 35


def test_a_request_whose_tries_take_long_is_not_sent_again_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_LAST_TRY_S", -1.0)  # as if the first try had taken all the time
    with server((503, {})) as (address, asked), pytest.raises(Unavailable, match="503"):
        Http(address, 5).get("/thing")
    assert len(asked) == 1


def test_a_connection_that_breaks_off_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            listening.accept()[0].close()
            connection, _ = listening.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        threading.Thread(target=answer, daemon=True).start()
        assert Http(f"http://127.0.0.1:{listening.getsockname()[1]}/api", 5).get("/thing") == {}


def test_a_refusal_is_told_at_once_with_its_reason() -> None:
    with server((409, {"detail": "no such parameter"})) as (address, asked):
        connection = Http(address, 5)
        with pytest.raises(Refused, match=r"\(409\): no such parameter") as raised:
            connection.post("/thing", {})
    assert raised.value.status == 409
    assert len(asked) == 1


def test_what_does_not_exist_is_not_found() -> None:
    with server((404, {"detail": "Flow run not found"})) as (address, _), pytest.raises(NotFound):
        Http(address, 5).get("/thing")


def test_an_answer_that_is_no_json_is_told_as_it_is() -> None:
    with server((400, "plain")) as (address, _), pytest.raises(Refused, match="plain"):
        Http(address, 5).get("/thing")


def test_a_list_is_read_page_by_page_and_what_moves_between_pages_is_told_once() -> None:
    pages = [[{"id": "a"}, {"id": "b"}], [{"id": "b"}, {"id": "c"}], [{"id": "d"}]]
    with server(*((200, page) for page in pages)) as (address, asked):
        found = Http(address, 5).pages("/things", {}, size=2)
        assert (next(found), len(asked)) == ({"id": "a"}, 1)
        assert [each["id"] for each in found] == ["b", "c", "d"]
    assert len(asked) == 3


@contextmanager
def guarded(header: str) -> Iterator[str]:
    """A server that answers those alone who send this header; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_right = self.headers.get("Authorization") == header
            self.send_response(200 if is_right else 401)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/api"
    finally:
        running.shutdown()
        running.server_close()


def test_a_server_that_wants_a_password_gets_it_and_no_error_repeats_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with guarded(f"Basic {base64.b64encode(b'fair:pass:word').decode()}") as address:
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", "fair:pass:word")
        with Client(address) as client:
            assert client.deployment("promote") == {}
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", "fair:mistyped")
        with Client(address) as client, pytest.raises(Refused, match="PREFECT_API_AUTH_STRING") as raised:
            client.deployment("promote")
    assert "mistyped" not in str(raised.value)


def test_the_client_loads_neither_prefect_nor_anything_heavy() -> None:
    heavy = ("prefect", "torch", "zenml", "mlflow", "rasterio", "pystac")
    code = f"import fair_models.client, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
