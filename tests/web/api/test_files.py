"""Downloads over HTTP: whole, in parts, by links, as archives; and files that are not what they should be."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pystac
import pytest
from pystac import Asset

from fair_models.catalog.protocol import Change
from fair_models.store.protocol import FileState
from fair_models.store.zip_stream import Member, safe_name, stream
from fair_models.web.api import ranges
from fair_models.web.api.assets import disposition
from fair_models.web.app import create_app
from fair_models.web.registry import Registry
from tests.catalog.item_factory import NOW
from tests.catalog.small_items import small_item
from tests.web.api.sites import Site, content, problem
from tests.web.serving import serving

MODEL = "/api/collections/local-models/items/banepa-roofs-v2/assets/model/m.onnx"
BYTES = content("model", 2)
SIZE = len(BYTES)
TAG = f'"{hashlib.sha256(BYTES).hexdigest()}"'


@pytest.fixture
def streaming(own_site: Site) -> Iterator[Site]:
    """A site of a test's own that hands out files itself, also those of a bucket."""
    settings = own_site.registry.settings.model_copy(update={"web_downloads": "stream"})
    registry = Registry(own_site.registry.catalog, own_site.registry.store, settings)
    with serving(create_app(registry)) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield Site(registry, client)


@pytest.fixture(scope="module")
def http(site: Site) -> Iterator[httpx.Client]:
    """The same for tests that change nothing."""
    settings = site.registry.settings.model_copy(update={"web_downloads": "stream"})
    registry = Registry(site.registry.catalog, site.registry.store, settings)
    with serving(create_app(registry)) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


def damage(site: Site, href: str, data: bytes) -> None:
    """Put other bytes where a file lies."""
    if href.startswith("s3://"):
        parts = urlsplit(href)
        boto3.client("s3").put_object(Bucket=parts.netloc, Key=parts.path[1:], Body=data)
        return
    Path(href).chmod(0o644)
    Path(href).write_bytes(data)


def href_of(site: Site, key: str = "model") -> str:
    return str(site.registry.catalog.get("local-models", "banepa-roofs-v2").assets[key].href)


def test_a_file_is_sent_whole_with_its_digest(http: httpx.Client) -> None:
    answer = http.get(MODEL, headers={"Accept-Encoding": "gzip"})
    assert (answer.status_code, answer.content) == (200, BYTES)
    headers = answer.headers
    assert headers["etag"] == TAG
    assert headers["content-length"] == str(SIZE)
    assert headers["accept-ranges"] == "bytes"
    assert headers["content-disposition"] == 'attachment; filename="m.onnx"'
    assert headers["content-type"] == "application/octet-stream; framework=onnx"
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert "content-encoding" not in headers
    digest = base64.b64encode(hashlib.sha256(BYTES).digest()).decode()
    assert headers["repr-digest"] == f"sha-256=:{digest}:"
    head = http.head(MODEL)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(SIZE)
    assert head.headers["etag"] == TAG


PARTS: dict[str, tuple[int, bytes | None]] = {
    "bytes=0-99": (206, BYTES[:100]),
    "bytes=100-": (206, BYTES[100:]),
    "bytes=-7": (206, BYTES[-7:]),
    f"bytes=-{SIZE * 10}": (206, BYTES),
    f"bytes=10-{'9' * 20}": (206, BYTES[10:]),
    f"bytes={SIZE - 1}-": (206, BYTES[-1:]),
    "BYTES = 5-5": (206, BYTES[5:6]),
    "bytes=0-9,5-19,20-29": (206, BYTES[:30]),
    f"bytes=0-1,{SIZE + 5}-": (206, BYTES[:2]),
    f"bytes={SIZE}-": (416, None),
    f"bytes={SIZE}-{SIZE + 1}": (416, None),
    "bytes=-0": (416, None),
    f"bytes={'9' * 20}-": (416, None),
    "bytes=9-5": (200, BYTES),
    "bytes=": (200, BYTES),
    "bytes=-": (200, BYTES),
    "bytes=a-b": (200, BYTES),
    "bytes=-5-9": (200, BYTES),
    "bytes=1.5-3": (200, BYTES),
    "bytes=٣-9": (200, BYTES),
    f"bytes={'9' * 5000}-": (200, BYTES),
    "chips=0-5": (200, BYTES),
    "0-5": (200, BYTES),
    "bytes=" + ",".join(f"{n * 3}-{n * 3}" for n in range(17)): (200, BYTES),
}


@pytest.mark.parametrize("asked", PARTS)
def test_the_parts_that_are_asked_for_are_sent(http: httpx.Client, asked: str) -> None:
    status, body = PARTS[asked]
    answer = http.get(MODEL, headers={"Range": asked.encode()})
    assert answer.status_code == status
    if body is None:
        assert problem(answer)["code"] == "range-not-satisfiable"
        assert answer.headers["content-range"] == f"bytes */{SIZE}"
        return
    assert answer.content == body
    assert answer.headers["content-length"] == str(len(body))
    assert ("content-range" in answer.headers) == (status == 206)
    assert answer.headers["etag"] == TAG


def test_several_parts_come_with_their_places(http: httpx.Client) -> None:
    answer = http.get(MODEL, headers={"Range": "bytes=10-19, 0-3, -5"})
    assert answer.status_code == 206
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    parts = answer.content.split(f"--{boundary}".encode())
    assert parts[0] == b""
    assert parts[-1] == b"--\r\n"
    found = [part.strip(b"\r\n").split(b"\r\n\r\n") for part in parts[1:-1]]
    assert [head.split(b"bytes ")[1] for head, _ in found] == [
        f"10-19/{SIZE}".encode(),
        f"0-3/{SIZE}".encode(),
        f"{SIZE - 5}-{SIZE - 1}/{SIZE}".encode(),
    ]
    assert [body for _, body in found] == [BYTES[10:20], BYTES[:4], BYTES[-5:]]
    assert answer.headers["content-length"] == str(len(answer.content))


def test_ranges_that_touch_are_joined() -> None:
    assert ranges.asked("bytes=0-0,2-2,1-1", 10) == [(0, 3)]
    assert ranges.asked("bytes=5-9,0-1", 10) == [(5, 10), (0, 2)]
    assert ranges.asked("bytes=0-", 0) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": TAG}, 304),
        ({"If-None-Match": f"W/{TAG}"}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": TAG, "Range": "bytes=0-1"}, 304),
        ({"If-Range": TAG, "Range": "bytes=0-1"}, 206),
        ({"If-Range": f"W/{TAG}", "Range": "bytes=0-1"}, 200),
        ({"If-Range": '"other"', "Range": "bytes=0-1"}, 200),
        ({"If-Range": "Wed, 21 Oct 2026 07:28:00 GMT", "Range": "bytes=0-1"}, 200),
        ({"If-Match": TAG}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": f"W/{TAG}"}, 412),
        ({"If-Match": "junk"}, 400),
    ],
)
def test_conditions_on_a_download_hold(http: httpx.Client, headers: dict[str, str], status: int) -> None:
    assert http.get(MODEL, headers=headers).status_code == status
    head = http.head(MODEL, headers={name: value for name, value in headers.items() if name != "Range"})
    assert head.status_code == (200 if status == 206 else status)


@pytest.mark.parametrize(
    "path",
    [
        MODEL.replace("m.onnx", "other.onnx"),
        MODEL.replace("m.onnx", "..%2fm.onnx"),
        MODEL.replace("m.onnx", "%2e%2e"),
        MODEL.replace("m.onnx", "m.onnx%00"),
        MODEL.replace("m.onnx", "m.onnx%0d%0aSet-Cookie:x"),
        MODEL.replace("m.onnx", "x" * 500),
        MODEL.replace("/model/", "/..%5c..%5cmodel/"),
        MODEL.replace("/model/", "/nothing/"),
        MODEL.replace("/model/", "/%F0%9F%8F%A0/"),
        MODEL.replace("banepa-roofs-v2", "banepa-roofs"),
        MODEL.replace("banepa-roofs-v2", "..%2f..%2fetc"),
        MODEL.replace("local-models", "other"),
        MODEL.replace("local-models", "base-models"),
        MODEL.replace("model/m.onnx", "training-runtime/local:worker"),
    ],
)
def test_what_is_no_file_of_an_item_is_refused(http: httpx.Client, path: str) -> None:
    assert problem(http.get(path))["status"] in {404, 422}
    assert http.head(path).status_code in {404, 422}


def test_files_of_a_bucket_are_had_by_a_link_that_ends(site: Site) -> None:
    answer = site.http.get(MODEL)
    if not site.registry.settings.store_is_a_bucket:
        assert answer.content == BYTES
        return
    assert answer.status_code == 307
    assert answer.headers["cache-control"] == "no-store"
    link = answer.headers["location"]
    assert "X-Amz-Expires=300" in link
    followed = httpx.get(link)
    assert followed.content == BYTES
    assert followed.headers["content-disposition"] == 'attachment; filename="m.onnx"'
    assert site.http.get(MODEL, headers={"If-None-Match": TAG}).status_code == 304
    head = site.http.head(MODEL)
    assert (head.status_code, head.headers["content-length"]) == (200, str(SIZE))


ACTIVE = (
    "text/html",
    "image/svg+xml",
    "application/xhtml+xml",
    "text/javascript",
    "a b",
    "text/html\r\nX: y",
    None,
)


def test_what_a_browser_would_run_is_saved_as_bytes(streaming: Site) -> None:
    item, names = small_item("pages-v1"), {}
    for number, said in enumerate((*ACTIVE, "image/png", "text/plain; charset=utf-8")):
        stored = streaming.registry.store.put(f"pages/v1/p{number}.html", b"<script>alert(1)</script>")
        fields = {"file:checksum": stored.checksum, "file:size": stored.size}
        item.add_asset(f"p{number}", Asset(stored.href, media_type=said, roles=["x"], extra_fields=fields))
        names[f"p{number}"] = said
    streaming.registry.catalog.commit(Change(put=[item]))
    for key, said in names.items():
        place = f"/api/collections/local-models/items/pages-v1/assets/{key}/{key}.html"
        headers = streaming.http.get(place).headers
        sent_as = "application/octet-stream" if said in ACTIVE else said
        assert headers["content-type"] == sent_as
        assert headers["content-disposition"].startswith("attachment;")
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("m.onnx", 'attachment; filename="m.onnx"'),
        (
            "दीवार x.tif",
            'attachment; filename="x.tif"; '
            "filename*=UTF-8''%E0%A4%A6%E0%A5%80%E0%A4%B5%E0%A4%BE%E0%A4%B0%20x.tif",
        ),
        ('a"b;c.tif', "attachment; filename=\"a_b_c.tif\"; filename*=UTF-8''a%22b%3Bc.tif"),
        ("a\r\nX: y", "attachment; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
        ("é", "attachment; filename=\"e\"; filename*=UTF-8''%C3%A9"),
        ("家", "attachment; filename=\"file\"; filename*=UTF-8''%E5%AE%B6"),
    ],
)
def test_any_name_can_be_saved_under(name: str, told: str) -> None:
    assert disposition(name) == told
    told.encode("latin-1")


def test_only_files_of_the_store_are_handed_out(streaming: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hush")
    item = small_item("thief-v1")
    places = {"a": str(secret), "b": f"file://{secret}", "c": "/etc/passwd", "d": "s3://elsewhere/secret.txt"}
    if not streaming.registry.settings.store_is_a_bucket:
        root = streaming.registry.settings.store_folder
        (root / "way").symlink_to(secret)
        places |= {"e": str(root / "way"), "f": f"{root}/../secret.txt"}
    for key, place in places.items():
        item.add_asset(key, Asset(place, roles=["x"]))
    item.add_asset("web", Asset("https://example.org/far/away.bin", roles=["x"]))
    streaming.registry.catalog.commit(Change(put=[item]))
    for each in streaming.http.get("/api/models/thief/files").json()["files"]:
        if each["key"] not in {*places, "web"}:
            continue
        answer = streaming.http.get(each["href"])
        assert "hush" not in answer.text
        if each["key"] == "web":
            assert (answer.status_code, answer.headers["location"]) == (
                307,
                "https://example.org/far/away.bin",
            )
        else:
            told = problem(answer)
            assert told["status"] == 404
            assert str(tmp_path) not in told["detail"]
    archive = streaming.http.get("/api/models/thief/versions/1/archive").content
    assert zipfile.ZipFile(io.BytesIO(archive)).namelist() == ["thief-v1/item.json"]


def test_a_missing_file_is_gone(streaming: Site) -> None:
    streaming.registry.store.delete(href_of(streaming))
    for answer in (streaming.http.get(MODEL), streaming.http.get(MODEL, headers={"Range": "bytes=0-1"})):
        told = problem(answer)
        assert (told["status"], told["code"]) == (410, "gone")
        assert "m.onnx" in told["detail"]
        assert str(streaming.registry.settings.home) not in answer.text
        assert "s3://" not in answer.text
    assert streaming.http.head(MODEL).status_code == 410
    archive = streaming.http.get("/api/models/banepa-roofs/versions/2/archive")
    assert problem(archive)["status"] == 410


@pytest.mark.parametrize("data", [b"short", b"x" * SIZE, b""])
def test_other_bytes_are_told_and_never_sent(streaming: Site, data: bytes) -> None:
    damage(streaming, href_of(streaming), data)
    told = problem(streaming.http.get(MODEL))
    assert (told["status"], told["code"]) == (502, "corrupted")
    assert "m.onnx" in told["detail"]
    whole = "/api/models/banepa-roofs/versions/2/archive"
    try:
        assert problem(streaming.http.get(whole))["code"] == "corrupted"
    except httpx.RemoteProtocolError:  # members before it went out before it was read
        assert len(data) == SIZE


def test_a_large_file_of_other_bytes_breaks_off(streaming: Site) -> None:
    good = b"\x01" * (3 << 20)
    stored = streaming.registry.store.put("large/v1/large.bin", good)
    item = small_item("large-v1")
    fields = {"file:checksum": stored.checksum, "file:size": stored.size}
    item.add_asset("large", Asset(stored.href, roles=["x"], extra_fields=fields))
    streaming.registry.catalog.commit(Change(put=[item]))
    place = "/api/collections/local-models/items/large-v1/assets/large/large.bin"
    assert streaming.http.get(place).content == good
    assert (
        streaming.http.get(place, headers={"Range": "bytes=1048570-2097160"}).content == good[1048570:2097161]
    )
    if streaming.registry.settings.store_is_a_bucket:
        return  # its server says that they differ before the first byte
    damage(streaming, stored.href, good[:-1] + b"\x02")
    with pytest.raises(httpx.RemoteProtocolError):
        streaming.http.get(place)
    assert streaming.http.get("/health/live").status_code == 200


def test_a_version_is_one_zip_with_its_item(http: httpx.Client) -> None:
    answer = http.get("/api/models/banepa-roofs/versions/2/archive")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="banepa-roofs-v2.zip"'
    again = http.get("/api/models/banepa-roofs/versions/2/archive")
    assert again.content == answer.content
    tag = answer.headers["etag"]
    assert (
        http.get("/api/models/banepa-roofs/versions/2/archive", headers={"If-None-Match": tag}).status_code
        == 304
    )
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert archive.read("banepa-roofs-v2/m.onnx") == BYTES
    text = archive.read("banepa-roofs-v2/item.json").decode()
    item = pystac.Item.from_dict(json.loads(text))
    held = {key: asset.href for key, asset in item.assets.items() if not key.endswith("runtime")}
    assert sorted(archive.namelist()) == sorted(
        [
            "banepa-roofs-v2/item.json",
            *(f"banepa-roofs-v2/{href.removeprefix('./')}" for href in held.values()),
        ]
    )
    derived = [str(link.href) for link in item.get_links("derived_from")]
    assert len(derived) == 2
    assert all(href.startswith(f"{http.base_url}/stac/collections/") for href in derived)
    assert (
        zipfile.ZipFile(
            io.BytesIO(http.get("/api/datasets/banepa-buildings/versions/1/archive").content)
        ).testzip()
        is None
    )


def test_members_of_one_name_lie_below_their_keys(streaming: Site) -> None:
    item = small_item("twins-v1")
    del item.assets["model"]
    for key, name in {"a": "x.bin", "b": "X.bin", "c": "item.json", "d": "con.txt", "e": "a:b?.bin"}.items():
        stored = streaming.registry.store.put(
            f"twins/v1/{key}/{'y' if name == 'a:b?.bin' else name}", key.encode()
        )
        fields = {"file:checksum": stored.checksum, "file:size": stored.size}
        item.add_asset(key, Asset(stored.href, roles=["x"], extra_fields=fields))
    streaming.registry.catalog.commit(Change(put=[item]))
    archive = zipfile.ZipFile(io.BytesIO(streaming.http.get("/api/models/twins/versions/1/archive").content))
    assert archive.namelist() == [
        "twins-v1/item.json",
        "twins-v1/a/x.bin",
        "twins-v1/b/X.bin",
        "twins-v1/c/item.json",
        "twins-v1/_con.txt",
        "twins-v1/y",
    ]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("model.onnx", "model.onnx"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        ("a/../b", "a_.._b"),
        ("..\\b", "_b"),
        ("C:\\x", "C__x"),
        ("NUL", "_NUL"),
        ("lpt1.txt", "_lpt1.txt"),
        ("a\x00b", "a_b"),
        ("x. ", "x"),
        ("दीवार.tif", "दीवार.tif"),
        ("x" * 300 + ".onnx", "x" * 145 + ".onnx"),
    ],
)
def test_names_in_archives_lead_nowhere(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_archives_of_more_than_4_gib_can_be_read(tmp_path: Path) -> None:
    piece, count = bytes(1 << 24), 257  # 4 GiB and 16 MiB
    members = [
        Member("large.bin", len(piece) * count, lambda: (piece for _ in range(count))),
        Member("small.txt", 5, lambda: [b"after"]),
    ]
    head, tail, length = b"", b"", 0
    for part in stream(members, NOW):
        head, tail, length = (head + part)[:100], (tail + part)[-400:], length + len(part)
    sparse = tmp_path / "large.zip"
    with sparse.open("wb") as file:  # zeros between are holes, and take no space
        file.write(head)
        file.seek(length - len(tail))
        file.write(tail)
    archive = zipfile.ZipFile(sparse)
    assert [(info.filename, info.file_size) for info in archive.infolist()] == [
        ("large.bin", len(piece) * count),
        ("small.txt", 5),
    ]
    assert archive.read("small.txt") == b"after"


def test_files_are_found_by_their_digest(site: Site) -> None:
    digest = TAG.strip('"')
    (found,) = site.http.get("/api/files", params={"sha256": digest.upper()}).json()["found"]
    assert (found["collection"], found["item"], found["key"]) == ("local-models", "banepa-roofs-v2", "model")
    assert (found["sha256"], found["size"]) == (digest, SIZE)
    shared = hashlib.sha256(content("source-code", 1)).hexdigest()
    many = site.http.get("/api/files", params={"sha256": shared}).json()["found"]
    assert {each["item"] for each in many} == {"roofs-unet-v1", "banepa-roofs-v1", "banepa-roofs-v2"}
    assert site.http.get("/api/files", params={"sha256": "0" * 64}).json() == {"found": []}
    for wrong in ("", "0" * 63, "0" * 65, "g" * 64, "1220" + "0" * 64, "0" * 63 + "\n"):
        assert problem(site.http.get("/api/files", params={"sha256": wrong}))["status"] == 422


class Slow:
    """A store whose files never end, and that counts what is read."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.read, self.closed = 0, threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def state(self, href: str) -> Any:
        return FileState(1 << 40, None, "x")

    def pieces(self, href: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        try:
            while True:
                self.read += 1
                yield bytes(1 << 18)
        finally:
            self.closed.set()


def test_a_client_that_goes_away_ends_the_work(own_site: Site) -> None:
    slow = Slow(own_site.registry.store)
    item = own_site.registry.catalog.get("local-models", "banepa-roofs-v2")
    for asset in item.assets.values():
        asset.extra_fields.pop("file:size", None)
    own_site.registry.catalog.commit(Change(put=[item]))
    settings = own_site.registry.settings.model_copy(update={"web_downloads": "stream"})
    with serving(create_app(Registry(own_site.registry.catalog, slow, settings))) as address:  # type: ignore[arg-type]
        place = urlsplit(address)
        with socket.create_connection((str(place.hostname), place.port or 0), timeout=20) as raw:
            raw.sendall(f"GET {MODEL} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
            raw.recv(1 << 16)
            time.sleep(0.3)
            assert slow.read < 200  # it waits for the client, and reads nothing ahead
            # other requests, downloads too, are answered meanwhile
            assert httpx.get(f"{address}/api/models/banepa-roofs", timeout=20).status_code == 200
            with httpx.stream("GET", f"{address}{MODEL}", timeout=20) as other:
                assert next(other.iter_raw())
        assert slow.closed.wait(20)
        before = slow.read
        time.sleep(0.3)
        assert slow.read == before
