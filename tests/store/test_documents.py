"""JSON and YAML of others: what can be taken two ways, or costs too much, is refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fair_models.errors import InvalidDocument, NotFound
from fair_models.store import documents
from fair_models.store.documents import Limits, parse_json, parse_yaml, read_json, read_yaml


def refused(parse: Callable[..., Any], data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(InvalidDocument) as error:
        parse(data, "/data/a-document", limits)
    assert "/data/a-document" in str(error.value)
    return str(error.value)


def test_plain_documents_are_read() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": [1, 2.5, null, "\\u00e9[{"]}', "x") == {"a": [1, 2.5, None, "é[{"]}
    assert parse_yaml("a: [1, 2.5, null, é]\nb: {c: yes}".encode(), "x") == {
        "a": [1, 2.5, None, "é"],
        "b": {"c": True},
    }


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a": 1, "a": 2}', "gives the key 'a' twice"),
        (b'{"b": [{"a": 1, "\\u0061": 2}]}', "gives the key 'a' twice"),
        (b"[NaN]", "it is no JSON (unexpected character"),
        (b"[-Infinity]", "it is no JSON"),
        (b"[1e999]", "infinity"),
        (b'{"a":\n\n1,}', "line 3"),
        (b"", "it is no JSON"),
        (b'["\xff"]', "it is not UTF-8 text (line 1, byte 2); save it as UTF-8"),
        (b"\xff\xfe[\x001\x00]\x00", "it is not UTF-8 text"),
        (b"[" * 200_000, "nested 200000 deep, at most 64"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "nested 100 deep"),
        (b'"\\ud800"', "it is no JSON"),
    ],
)
def test_json_that_is_not_plain_is_refused(data: bytes, said: str) -> None:
    assert said in refused(parse_json, data)


LAUGHS = b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a: 1\nb: 2\na: 3", "gives the key 'a' twice (line 3)"),
        (LAUGHS, "uses an anchor or alias (line 1)"),
        (b"a: !!python/object/apply:os.system [ls]", "uses the tag tag:yaml.org,2002:python/object/apply"),
        (b"a: !secret x", "uses the tag !secret (line 1)"),
        (b"a: !!binary aGk=", "uses the tag"),
        (b"a: .nan", "not finite"),
        (b"a: [-.inf]", "not finite"),
        (b"a: 1\n---\nb: 2", "several documents (line 2)"),
        (b"- " * 100 + b"x", "nested deeper than 64"),
        (b"1: 2", "its key 1 in line 1 is no text"),
        (b'a: 1\nb: "x', "it is no YAML (found unexpected end of stream, line 2)"),
        (b"a: \x00", "it is no YAML"),
        (b"a: \xff", "it is not UTF-8 text"),
    ],
)
def test_yaml_that_is_not_plain_is_refused(data: bytes, said: str) -> None:
    assert said in refused(parse_yaml, data)


def test_dates_and_merge_keys_of_yaml_stay_what_is_written() -> None:
    assert parse_yaml(b"a: 2026-11-21\n<<: {b: 1}", "x") == {"a": "2026-11-21", "<<": {"b": 1}}


@pytest.mark.parametrize(("read", "parse"), [(read_json, parse_json), (read_yaml, parse_yaml)])
def test_no_more_than_the_limit_is_read(
    tmp_path: Path, read: Callable[..., Any], parse: Callable[..., Any]
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'"' + b"x" * 98 + b'"')
    assert read(path, Limits(bytes=100)) == "x" * 98
    with path.open("r+b") as file:
        file.truncate(10**12)  # sparse: reading all of it would take all memory

    with pytest.raises(InvalidDocument, match=r"a\.json.*more than 100 bytes"):
        read(path, Limits(bytes=100))
    assert "more than 3 bytes" in refused(parse, b"[1, 2]", Limits(bytes=3))


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing\.json"):
        documents.read_json(tmp_path / "nothing.json")
