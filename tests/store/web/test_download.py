"""Files from the web: what comes of good servers, bad servers, and addresses that must not be asked."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from fair_models.errors import Corrupted, FairModelsError, Invalid, NotFound, Unavailable
from fair_models.store import locations
from fair_models.store.download import download
from fair_models.store.protocol import StoredFile
from fair_models.store.web.connections import MAX_REDIRECTS, Timeouts
from tests.store.web_server import WebServer, break_off

CONTENT = b"weights" * 1000
CHECKSUM = "1220" + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(CONTENT)
    with WebServer(folder).running() as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "file.bin"


def get(href: str, target: Path, **options: object) -> StoredFile:
    return download(locations.parse_download(href), target, **{"largest_bytes": 1_000_000, **options})  # type: ignore[arg-type]


def nothing_was_kept(target: Path) -> bool:
    return not target.parent.exists() or list(target.parent.iterdir()) == []


def test_a_file_is_written_whole_with_its_digest_and_size(web: WebServer, target: Path) -> None:
    found = get(web.url("weights.bin"), target, checksum=CHECKSUM)
    assert found == StoredFile(str(target), CHECKSUM, len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"]


def test_redirects_are_followed_also_relative_ones(web: WebServer, target: Path) -> None:
    web.redirect("a", "/b")
    web.redirect("b", web.url("weights.bin"), status=308)
    assert get(web.url("a"), target).checksum == CHECKSUM
    assert web.asked == ["/a", "/b", "/weights.bin"]


def test_only_so_many_redirects_are_followed(web: WebServer, target: Path) -> None:
    web.redirect("loop", "/loop")
    with pytest.raises(Invalid, match=f"more than {MAX_REDIRECTS} times"):
        get(web.url("loop"), target)
    assert len(web.asked) == MAX_REDIRECTS + 1


def test_no_redirect_is_followed_where_none_is_wanted(web: WebServer, target: Path) -> None:
    web.redirect("a", "/weights.bin")
    with pytest.raises(Invalid, match="more than 0 times"):
        get(web.url("a"), target, redirects=0)
    assert web.asked == ["/a"]


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("http://localhost:{port}/weights.bin", "not one of FAIR_ALLOWED_HOSTS"),
        ("http://[::1]:{port}/weights.bin", "not one of FAIR_ALLOWED_HOSTS"),
        ("http://user:pass@127.0.0.1:{port}/weights.bin", "has a login"),
        ("http://169.254.169.254/latest/meta-data", "not one of FAIR_ALLOWED_HOSTS"),
        ("file:///etc/passwd", "its scheme is file"),
        ("ftp://127.0.0.1/x", "its scheme is ftp"),
        ("http://127.0.0.1:99999/", "no address"),
    ],
)
def test_redirects_to_what_may_not_be_read_are_refused(
    web: WebServer, target: Path, to: str, told: str
) -> None:
    web.redirect("a", to.format(port=web.port))
    with pytest.raises(Invalid, match=told) as refused:
        get(web.url("a"), target)
    assert "/a redirects to" in str(refused.value)
    assert web.asked == ["/a"]
    assert nothing_was_kept(target)


def test_a_redirect_into_this_network_is_refused_where_any_public_host_is_allowed(
    web: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1", "*"]')
    web.redirect("a", f"https://localhost:{web.port}/weights.bin")
    with pytest.raises(Invalid, match=r"leads to .*no public address"):
        get(web.url("a"), target)
    assert web.asked == ["/a"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.1",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ],
)
def test_this_machine_is_never_asked_unless_it_is_named(
    web: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.delenv("FAIR_ALLOWED_HOSTS")
    with pytest.raises(Invalid, match="no public address"):
        get(f"https://{host}:{web.port}/weights.bin", target)
    with pytest.raises(Invalid, match="plain http"):
        get(f"http://{host}:{web.port}/weights.bin", target)
    assert web.asked == []


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.0.1", "169.254.169.254", "[fd00::1]", "224.0.0.1"])
def test_machines_of_this_network_are_never_asked_unless_they_are_named(
    target: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.delenv("FAIR_ALLOWED_HOSTS", raising=False)
    with pytest.raises(Invalid, match="no public address"):
        get(f"https://{host}/x", target)


def test_a_name_with_a_public_and_a_private_address_is_refused(
    web: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a name server does that wants to be asked twice; the name is resolved once, and all of it judged."""
    resolved: list[str] = []

    def two_addresses(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        resolved.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("8.8.8.8", "127.0.0.1")]

    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["*"]')
    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    with pytest.raises(Invalid, match=r"rebind\.example is refused: it leads to 127"):
        get(f"https://rebind.example:{web.port}/weights.bin", target)
    assert resolved == ["rebind.example"]
    assert web.asked == []


def test_a_host_that_is_named_may_lie_in_this_network(
    web: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["localhost"]')
    assert get(web.url("weights.bin", host="localhost"), target).size == len(CONTENT)


def test_wrong_bytes_are_refused_and_what_was_there_stays(web: WebServer, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"old")
    with pytest.raises(Corrupted, match="holds other bytes than its checksum says"):
        get(web.url("weights.bin"), target, checksum="1220" + 64 * "0")
    assert target.read_bytes() == b"old"
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"]


def test_a_digest_that_is_none_is_refused_before_anything_is_asked(web: WebServer, target: Path) -> None:
    with pytest.raises(Invalid, match="not a sha-256 multihash"):
        get(web.url("weights.bin"), target, checksum="md5:1")
    assert web.asked == []


def test_a_body_that_never_ends_is_left_at_the_limit(web: WebServer, target: Path) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        while True:
            request.wfile.write(bytes(65536))

    web.answers["/endless"] = endless
    with pytest.raises(Invalid, match="more than 1000000 bytes"):
        get(web.url("endless"), target)
    assert nothing_was_kept(target)


def test_the_limit_counts_bytes_not_what_the_server_says(web: WebServer, target: Path) -> None:
    def chunked(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"7d0\r\n" + bytes(2000) + b"\r\n0\r\n\r\n")

    web.answers["/chunked"] = chunked
    assert get(web.url("chunked"), target, largest_bytes=2000).size == 2000
    with pytest.raises(Invalid, match="more than 1999 bytes"):
        get(web.url("chunked"), target, largest_bytes=1999)


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (404, NotFound, "does not exist"),
        (410, NotFound, "does not exist"),
        (401, Invalid, "not given to everyone"),
        (403, Invalid, "not given to everyone"),
        (206, Invalid, "the server says 206"),
        (302, Invalid, "the server says 302"),
        (429, Unavailable, "try again later"),
        (500, Unavailable, "try again later"),
        (503, Unavailable, "try again later"),
    ],
)
def test_each_answer_that_is_no_file_is_told(
    web: WebServer, target: Path, status: int, error: type[FairModelsError], told: str
) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()

    web.answers["/x"] = answer
    with pytest.raises(error, match=told):
        get(web.url("x"), target)
    assert nothing_was_kept(target)


def broken_off(request: BaseHTTPRequestHandler) -> None:
    break_off(request, b"half", promised=1000)


def no_http(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"SSH-2.0-OpenSSH\r\n")
    request.close_connection = True


def silent(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True


@pytest.mark.parametrize("answer", [broken_off, no_http, silent])
def test_a_broken_connection_is_unavailable(web: WebServer, target: Path, answer: object) -> None:
    web.answers["/x"] = answer  # type: ignore[assignment]
    with pytest.raises(Unavailable, match="cannot be had"):
        get(web.url("x"), target)
    assert nothing_was_kept(target)


def test_a_server_that_says_nothing_is_unavailable(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/x"
        with pytest.raises(Unavailable, match="too slow"):
            get(address, target, timeouts=Timeouts(step_s=0.2))


def test_a_server_that_drips_is_left_when_the_time_for_the_whole_file_is_over(
    web: WebServer, target: Path
) -> None:
    def dripping(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        while True:
            request.wfile.write(b".")

    web.answers["/drip"] = dripping
    with pytest.raises(Unavailable, match="too slow"):
        get(web.url("drip"), target, largest_bytes=10**12, timeouts=Timeouts(step_s=5, total_s=0.3))
    assert nothing_was_kept(target)


def test_nobody_listening_is_unavailable(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Unavailable, match="cannot be had"):
        get(f"http://127.0.0.1:{port}/x", target)


def test_an_unknown_host_is_unavailable(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAIR_ALLOWED_HOSTS", raising=False)
    with pytest.raises(Unavailable, match=r"nowhere\.invalid is not known"):
        get("https://nowhere.invalid/x", target)


def test_a_server_without_the_right_certificate_is_not_believed(web: WebServer, target: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be had"):
        get(f"https://127.0.0.1:{web.port}/weights.bin", target)
    assert "/weights.bin" not in web.asked


def test_a_body_that_comes_packed_unasked_is_refused(web: WebServer, target: Path) -> None:
    def packed(request: BaseHTTPRequestHandler) -> None:
        assert request.headers["Accept-Encoding"] == "identity"
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", "2")
        request.end_headers()
        request.wfile.write(b"xx")

    web.answers["/x"] = packed
    with pytest.raises(Invalid, match=r"comes packed \(gzip\)"):
        get(web.url("x"), target)


def test_messages_show_no_signature_of_an_address(web: WebServer, target: Path) -> None:
    with pytest.raises(NotFound) as told:
        get(web.url("nothing?signature=secret"), target)
    assert "secret" not in str(told.value)
    assert web.asked == ["/nothing"]


def test_a_folder_that_cannot_be_written_is_told(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="Cannot write"):
        get(web.url("weights.bin"), tmp_path / "file" / "x")


def test_settings_are_read_as_json_lists(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fair_models import settings

    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", json.dumps(["a.org", "*"]))
    monkeypatch.setenv("FAIR_ALLOWED_FOLDERS", json.dumps([str(tmp_path), "~"]))
    current = settings.current()
    assert current.allowed_hosts == ("a.org", "*")
    assert current.allowed_folders == (tmp_path.resolve(), Path.home().resolve())
