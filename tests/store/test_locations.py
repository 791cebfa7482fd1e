"""Which paths and addresses may be read."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as fuzz_settings
from hypothesis import strategies as st

from fair_models.errors import FairModelsError, Invalid
from fair_models.store import hosts, locations
from fair_models.store.locations import BucketKey, LocalPath, WebAddress, parse_location

SETTINGS = ("FAIR_ALLOWED_HOSTS", "FAIR_ALLOWED_FOLDERS")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


def allow(monkeypatch: pytest.MonkeyPatch, name: str, *values: object) -> None:
    monkeypatch.setenv(name, json.dumps([str(value) for value in values]))


# What a text means


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.org:8443/a%20b?c=d", "https://example.org:8443/a%20b?c=d"),
        ("https://EXAMPLE.org:443/x", "https://example.org/x"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
        (
            "https://tiles.example.org/{z}/{x}/{y}.png",
            "https://tiles.example.org/%7Bz%7D/%7Bx%7D/%7By%7D.png",
        ),
        ("HTTPS://example.org/x", "https://example.org/x"),
    ],
)
def test_an_address_on_the_web_is_kept_as_it_was_written(text: str, url: str) -> None:
    found = parse_location(text)
    assert isinstance(found, WebAddress)
    assert (str(found), str(found.url)) == (text, url)
    assert found == parse_location(url)


def test_a_file_in_a_bucket_is_bucket_and_key() -> None:
    found = parse_location("s3://bucket/a/b%20c.tif")
    assert found == BucketKey("bucket", "a/b%20c.tif")
    assert str(found) == found.shown == "s3://bucket/a/b%20c.tif"


def test_a_path_and_a_file_url_are_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = LocalPath(tmp_path / "a b.json")
    assert parse_location("a b.json") == parse_location("./a b.json") == path
    assert parse_location(f"file://{tmp_path}/a%20b.json") == path
    assert str(path) == str(tmp_path / "a b.json")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://example.org/x", "its scheme is ftp"),
        ("data:text/plain,x", "its scheme is data"),
        ("https://user:secret@example.org/x", "has a login"),
        ("https://example.org:99999/x", "is no address"),
        ("http://example.org/x", "plain http"),
        ("s3://bucket", "write s3://bucket/key"),
        ("s3://bucket/a/../b", "write s3://bucket/key"),
        ("file://elsewhere/x", "write file:///path"),
        ("a\0b", "is no path"),
    ],
)
def test_a_text_that_means_nothing_or_may_not_be_read_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as refused:
        parse_location(text)
    assert "secret" not in str(refused.value)


def test_a_file_system_of_gdal_is_a_plain_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_location("/vsicurl/https://example.org/x") == LocalPath(
        Path("/vsicurl/https:/example.org/x")
    )
    allow(monkeypatch, "FAIR_ALLOWED_FOLDERS", tmp_path)
    with pytest.raises(Invalid, match="lies outside"):
        parse_location("/vsicurl/https://example.org/x")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("b.tif", "https://example.org/items/b.tif"),
        ("../b.tif", "https://example.org/b.tif"),
        ("/b.tif", "https://example.org/b.tif"),
        ("//a.example/b.tif", "https://a.example/b.tif"),
        ("https://a.example/b.tif", "https://a.example/b.tif"),
        ("s3://bucket/b.tif", "s3://bucket/b.tif"),
    ],
)
def test_a_relative_text_is_seen_from_the_document_on_the_web(text: str, meant: str) -> None:
    document = parse_location("https://example.org/items/a.json")
    assert str(parse_location(text, document)) == meant


@pytest.mark.parametrize("text", ["file:///etc/passwd", "ftp://example.org/b.tif"])
def test_a_document_on_the_web_leads_to_no_file_of_this_machine(text: str) -> None:
    with pytest.raises(Invalid, match="its scheme is"):
        parse_location(text, parse_location("https://example.org/items/a.json"))


def test_a_relative_text_is_seen_from_the_folder_of_the_document(tmp_path: Path) -> None:
    document = LocalPath(tmp_path / "items" / "a.json")
    assert parse_location("b.tif", document) == LocalPath(tmp_path / "items" / "b.tif")
    assert parse_location("../b.tif", document) == LocalPath(tmp_path / "b.tif")
    assert parse_location("https://example.org/b.tif", document) == parse_location(
        "https://example.org/b.tif"
    )


# Paths


def test_a_path_is_absolute_without_symlinks_and_need_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    assert locations.local_path("link/new.json") == tmp_path / "real" / "new.json"
    assert locations.local_path("x.json", tmp_path / "real") == tmp_path / "real" / "x.json"
    assert locations.local_path("~") == Path.home().resolve()


@pytest.mark.parametrize("form", ["file://{}", "file://localhost{}", "FILE://{}"])
def test_a_file_url_is_a_path(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a b.json"
    assert locations.local_path(form.format(str(path).replace(" ", "%20"))) == path


@pytest.mark.parametrize(
    "href",
    [
        "https://example.org/item.json",
        "s3://bucket/key",
        "ftp://example.org/x",
        "data:text/plain,x",
        "file://elsewhere/etc/passwd",
        "file:relative",
        "file://[",
        "a\0b",
        "~no-such-user-here/x",
        "x" * 5000,
    ],
)
def test_what_is_no_path_of_this_machine_is_refused(href: str) -> None:
    with pytest.raises(Invalid):
        locations.local_path(href)


def test_any_path_may_be_read_where_no_folders_are_set(tmp_path: Path) -> None:
    assert locations.local_path(tmp_path / "x") == tmp_path / "x"
    assert locations.local_folder(tmp_path) == tmp_path


def test_paths_must_lie_in_the_folders_that_are_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    allow(monkeypatch, "FAIR_ALLOWED_FOLDERS", inside, tmp_path / "other")

    assert locations.local_path(inside / "deep" / "x") == inside / "deep" / "x"
    assert locations.local_path(inside) == inside
    for href in (
        outside,
        inside / ".." / "outside",
        inside / "link" / "x",
        f"file://{outside}",
        f"{inside}-2",
    ):
        with pytest.raises(Invalid, match="lies outside") as refused:
            locations.local_path(href)
        for word in (str(href), "FAIR_ALLOWED_FOLDERS", str(inside), str(tmp_path / "other")):
            assert word in str(refused.value)


def test_symlinks_in_a_folder_must_lead_to_where_may_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.tif").write_bytes(b"")
    allow(monkeypatch, "FAIR_ALLOWED_FOLDERS", inside)
    assert locations.local_folder(inside) == inside
    (inside / "b.tif").symlink_to("/etc/passwd")
    with pytest.raises(Invalid, match="/etc/passwd"):
        locations.local_folder(inside)


# The words of an address


def test_an_https_address_of_any_host_is_taken_by_its_words() -> None:
    assert (
        str(locations.parse_web("https://example.org:8443/a%20b?c=d")) == "https://example.org:8443/a%20b?c=d"
    )


@pytest.mark.parametrize(
    ("href", "told"),
    [
        ("http://example.org/x", "plain http"),
        ("https://user:secret@example.org/x", "has a login"),
        ("https://user@example.org/x", "has a login"),
        ("https://@example.org/x", "has a login"),
        ("ftp://example.org/x", "its scheme is ftp"),
        ("file:///etc/passwd", "its scheme is file"),
        ("gopher://example.org/", "its scheme is gopher"),
        ("//example.org/x", "its scheme is none"),
        ("https:///x", "names no host"),
        ("https://example.org:99999/", "is no address"),
        ("https://exa\nmple.org/", "is no address"),
        ("https://xn--/", "is no address"),
        ("https://xn--a-ecp.ru/", "is no address"),
        ("https://\u200d/", "is no address"),
        ("https://a..b/", "is no address"),
        ("https://" + "a" * 64 + ".org/", "is no address"),
        ("https://[v1.x]/", "is no address"),
        ("https://example.org:-1/", "is no address"),
        ("https://example.org:x/", "is no address"),
        ("https://[::1/", "is no address"),
        ("https://" + "a" * 70_000, "is no address"),
    ],
)
def test_an_address_that_may_not_be_followed_is_refused(href: str, told: str) -> None:
    with pytest.raises(Invalid, match=told) as refused:
        locations.parse_web(href)
    assert "secret" not in str(refused.value)


def test_only_named_hosts_are_allowed_where_hosts_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "FAIR_ALLOWED_HOSTS", "Example.ORG", "10.0.0.7", "::1")
    for href in ("https://example.org/", "https://EXAMPLE.org./x", "http://10.0.0.7/", "http://[0:0::1]/"):
        locations.parse_web(href)
    for href in ("https://example.com/", "https://a.example.org/", "https://example.org.evil.net/"):
        with pytest.raises(
            Invalid, match=r"not one of FAIR_ALLOWED_HOSTS \(10\.0\.0\.7, ::1, example\.org\)"
        ):
            locations.parse_web(href)


def test_a_star_allows_every_public_host_beside_the_named(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "FAIR_ALLOWED_HOSTS", "*", "mirror.local")
    locations.parse_web("https://example.com/")
    locations.parse_web("http://mirror.local/")
    hosts.check_peer("mirror.local", "10.0.0.1")
    with pytest.raises(Invalid, match="plain http"):
        locations.parse_web("http://example.com/")
    with pytest.raises(Invalid, match="no public address"):
        hosts.check_peer("example.com", "10.0.0.1")


# The machines behind names


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)
def test_machines_of_this_network_are_no_public_ones(address: str) -> None:
    with pytest.raises(Invalid, match="no public address"):
        hosts.check_peer("example.org", address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822", "::ffff:8.8.8.8"]
)
def test_public_machines_may_be_asked(address: str) -> None:
    hosts.check_peer("example.org", address)


def test_a_message_shows_no_secrets_of_an_address() -> None:
    shown = locations.shown("https://u:p@example.org/a/item.json?X-Amz-Signature=abc#part")
    assert shown == "https://example.org/a/item.json"


def test_whatever_the_text_only_our_errors_come_out() -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    @given(
        st.one_of(
            st.text(), st.builds("https://{}".format, st.text()), st.builds("file://{}".format, st.text())
        )
    )
    def tried(text: str) -> None:
        for judge in (locations.local_path, locations.parse_web, parse_location):
            try:
                judge(text)
            except FairModelsError:
                continue

    tried()


_PARTS = st.sampled_from(
    [
        "https",
        "http",
        "s3",
        "file",
        "://",
        ":",
        "/",
        "//",
        "xn--",
        "xn--a",
        "[",
        "]",
        "::1",
        "%",
        "%zz",
        "%00",
        "@",
        ".",
        "..",
        "-",
        "é",
        "ß",
        "。",
        "١",
        "example.org",
        ":99999",
        ":-1",
        "0x7f.1",
        "[v1.x]",
        "[::1%25eth0]",
        "?",
        "#",
        "\\",
        "bucket/",
        "{z}",
        "~",
        "~nobody",
        "\u200d",
        "\n",
        "\x00",
        chr(0xD800),
    ]
)
_ADDRESSES = st.one_of(
    st.lists(_PARTS, max_size=8).map("".join),
    st.lists(_PARTS, max_size=6).map(lambda parts: "https://" + "".join(parts)),
    st.text(max_size=30).map(lambda text: f"https://{text}"),
)


@given(_ADDRESSES)
@fuzz_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_as_an_address_is_taken_or_refused_by_an_error_of_ours(text: str) -> None:
    for judge in (
        locations.parse_web,
        locations.local_path,
        locations.output_path,
        locations.parse_bucket_key,
    ):
        with suppress(FairModelsError):
            judge(text)
    with suppress(FairModelsError):
        locations.joined("https://example.org/a/b", text)
    assert len(locations.shown(text)) <= locations.LONGEST_SHOWN
