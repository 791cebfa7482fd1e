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
from fair_models.store.web import hrefs

SETTINGS = ("FAIR_ALLOWED_HOSTS", "FAIR_ALLOWED_FOLDERS")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


def allow(monkeypatch: pytest.MonkeyPatch, name: str, *values: object) -> None:
    monkeypatch.setenv(name, json.dumps([str(value) for value in values]))


# Paths


def test_a_path_is_absolute_without_symlinks_and_need_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    assert hrefs.local_path("link/new.json") == tmp_path / "real" / "new.json"
    assert hrefs.local_path("x.json", tmp_path / "real") == tmp_path / "real" / "x.json"
    assert hrefs.local_path("~") == Path.home().resolve()


@pytest.mark.parametrize("form", ["file://{}", "file://localhost{}", "FILE://{}"])
def test_a_file_url_is_a_path(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a b.json"
    assert hrefs.local_path(form.format(str(path).replace(" ", "%20"))) == path


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
        hrefs.local_path(href)


def test_any_path_may_be_read_where_no_folders_are_set(tmp_path: Path) -> None:
    assert hrefs.local_path(tmp_path / "x") == tmp_path / "x"
    assert hrefs.local_folder(tmp_path) == tmp_path


def test_paths_must_lie_in_the_folders_that_are_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    allow(monkeypatch, "FAIR_ALLOWED_FOLDERS", inside, tmp_path / "other")

    assert hrefs.local_path(inside / "deep" / "x") == inside / "deep" / "x"
    assert hrefs.local_path(inside) == inside
    for href in (
        outside,
        inside / ".." / "outside",
        inside / "link" / "x",
        f"file://{outside}",
        f"{inside}-2",
    ):
        with pytest.raises(Invalid, match="lies outside") as refused:
            hrefs.local_path(href)
        for word in (str(href), "FAIR_ALLOWED_FOLDERS", str(inside), str(tmp_path / "other")):
            assert word in str(refused.value)


def test_symlinks_in_a_folder_must_lead_to_where_may_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.tif").write_bytes(b"")
    allow(monkeypatch, "FAIR_ALLOWED_FOLDERS", inside)
    assert hrefs.local_folder(inside) == inside
    (inside / "b.tif").symlink_to("/etc/passwd")
    with pytest.raises(Invalid, match="/etc/passwd"):
        hrefs.local_folder(inside)


# The words of an address


def test_an_https_address_of_any_host_is_taken_by_its_words() -> None:
    assert (
        str(hrefs.web_address("https://example.org:8443/a%20b?c=d")) == "https://example.org:8443/a%20b?c=d"
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
        hrefs.web_address(href)
    assert "secret" not in str(refused.value)


def test_only_named_hosts_are_allowed_where_hosts_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "FAIR_ALLOWED_HOSTS", "Example.ORG", "10.0.0.7", "::1")
    for href in ("https://example.org/", "https://EXAMPLE.org./x", "http://10.0.0.7/", "http://[0:0::1]/"):
        hrefs.web_address(href)
    for href in ("https://example.com/", "https://a.example.org/", "https://example.org.evil.net/"):
        with pytest.raises(
            Invalid, match=r"not one of FAIR_ALLOWED_HOSTS \(10\.0\.0\.7, ::1, example\.org\)"
        ):
            hrefs.web_address(href)


def test_a_star_allows_every_public_host_beside_the_named(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "FAIR_ALLOWED_HOSTS", "*", "mirror.local")
    hrefs.web_address("https://example.com/")
    hrefs.web_address("http://mirror.local/")
    hrefs.check_peer("mirror.local", "10.0.0.1")
    with pytest.raises(Invalid, match="plain http"):
        hrefs.web_address("http://example.com/")
    with pytest.raises(Invalid, match="no public address"):
        hrefs.check_peer("example.com", "10.0.0.1")


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
        hrefs.check_peer("example.org", address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822", "::ffff:8.8.8.8"]
)
def test_public_machines_may_be_asked(address: str) -> None:
    hrefs.check_peer("example.org", address)


def test_a_message_shows_no_secrets_of_an_address() -> None:
    shown = hrefs.shown("https://u:p@example.org/a/item.json?X-Amz-Signature=abc#part")
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
        for judge in (hrefs.local_path, hrefs.web_address):
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
    for judge in (hrefs.web_address, hrefs.local_path, hrefs.output_path, hrefs.s3_address):
        with suppress(FairModelsError):
            judge(text)
    with suppress(FairModelsError):
        hrefs.joined("https://example.org/a/b", text)
    assert len(hrefs.shown(text)) <= hrefs.LONGEST_SHOWN
