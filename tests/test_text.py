"""What people may write as titles and texts, and the licences that they may name."""

import json
import re
import unicodedata
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.utilities.schema_tools.validation import ValidationError as PrefectRefused
from prefect.utilities.schema_tools.validation import validate
from pydantic import TypeAdapter, ValidationError

from fair_models import licences
from fair_models.catalog.schemas import own
from fair_models.client.schema import problems
from fair_models.text import LINE_PATTERN, PROSE_PATTERN, TITLE_PATTERN, Line, Prose, Sentence, Title

TITLE = TypeAdapter(Title)
ECMA = jsonschema_rs.Draft202012Validator({"type": "string", "pattern": TITLE_PATTERN})


def accepted(text: str) -> bool:
    try:
        TITLE.validate_python(text)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    "title",
    [
        "Roofs of Banepa (2023)",
        "बनेपाका छानाहरू",
        "र्\u200dय",
        "می\u200cخواهم",
        "מפת גגות",
        "屋根 の 地図",
        "Dächer – „neu“, 5 €",
        "🏠 roofs",
    ],
)
def test_a_title_may_be_of_any_language(title: str) -> None:
    assert accepted(title)
    assert ECMA.is_valid(title)


@pytest.mark.parametrize(
    "title",
    [
        "",
        "   ",
        "a/b",
        "..\\b",
        "two\nlines",
        "line\n",
        "bell\x07",
        "next\x85line",
        "roofs\u200b",
        "ro\u200dofs",
        "roofs\u200c",
        "\u202eevil",
        "a\u2066b",
        "soft\xadhyphen",
        "\ufeffbom",
        "private \ue000",
        "tag \U000e0041",
        "filler \u3164",
    ],
)
def test_what_cannot_be_seen_in_a_title_or_leads_elsewhere_is_refused(title: str) -> None:
    assert not accepted(title)
    assert not ECMA.is_valid(title)


def test_every_control_format_and_private_character_is_refused_everywhere() -> None:
    patterns = [re.compile(pattern) for pattern in (TITLE_PATTERN, LINE_PATTERN, PROSE_PATTERN)]
    unseen = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in {"Cf", "Co", "Cc"}]
    assert len(unseen) > 130_000

    passed = {each for each in unseen for pattern in patterns if pattern.search(f"a{each}b")}

    assert passed == {"\t", "\n", "\r"}


def test_letters_marks_numbers_and_signs_are_not_refused_but_for_those_without_width() -> None:
    pattern = re.compile(TITLE_PATTERN)
    shown = [chr(code) for code in range(0x2FA20) if unicodedata.category(chr(code))[0] in "LMNPS"]

    refused = {each for each in shown if not pattern.search(f"a{each}b")}

    assert refused == set("/\\\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")


@given(text=st.text(max_size=20))
@settings(max_examples=500, derandomize=True, deadline=None, database=None)
def test_the_items_and_the_flow_agree_on_every_title(text: str) -> None:
    assert accepted(text) == ECMA.is_valid(text)


@given(text=st.text(max_size=20) | st.text("aاक्\u200c\u200d \xad", max_size=8))
@settings(max_examples=1000, derandomize=True, deadline=None, database=None)
def test_a_form_takes_every_text_that_the_flow_takes(text: str) -> None:
    form = jsonschema_rs.Draft202012Validator(TITLE.json_schema())
    assert form.is_valid(text) or not accepted(text)


WITHOUT_WIDTH = {
    "zero width space": "\u200b",
    "non-joiner": "\u200c",
    "joiner": "\u200d",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "soft hyphen": "\xad",
}


def published(kind: Any, text: str) -> bool:
    """Whether the published form of a text takes it, as client (ECMA 262) and server (Python) read it."""
    schema = TypeAdapter(kind).json_schema()
    by_client = jsonschema_rs.Draft202012Validator(schema).is_valid(text)
    by_server = re.search(schema["pattern"], text) is not None
    assert by_client == by_server
    return by_client


@pytest.mark.parametrize("kind", [Title, Line, Sentence, Prose])
@pytest.mark.parametrize("character", WITHOUT_WIDTH.values(), ids=WITHOUT_WIDTH)
def test_the_published_form_takes_no_character_without_width(kind: Any, character: str) -> None:
    assert published(kind, "Roofs 5")
    for text in (f"Ro{character}ofs", f"{character}Roofs", f"Roofs{character}", f"Roofs {character}5"):
        assert not published(kind, text), repr(text)


@pytest.mark.parametrize("kind", [Title, Line, Sentence, Prose])
@pytest.mark.parametrize("text", ["र्\u200dय", "می\u200cخواهم", "क\u200dक\u200dक roofs"])
def test_the_published_form_takes_joiners_between_letters_that_need_them(kind: Any, text: str) -> None:
    assert published(kind, text)
    TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize("character", WITHOUT_WIDTH.values(), ids=WITHOUT_WIDTH)
def test_a_character_without_width_is_named_before_a_run(character: str) -> None:
    schema = {"properties": {"title": TITLE.json_schema()}}
    [said] = problems({"title": f"र्\u200dय Ro{character}ofs"}, schema)
    assert f"character 8 is U+{ord(character):04X}" in said


@pytest.mark.parametrize("kind", [Title, Line, Sentence, Prose, licences.License])
@pytest.mark.parametrize("text", ["bell\x07", "null\x00", "escape \x1b[31m"])
def test_a_server_answers_a_wrong_text_in_a_line(kind: Any, text: str) -> None:
    schema = {"type": "object", "properties": {"params": TypeAdapter(kind).json_schema()}}
    with pytest.raises(PrefectRefused) as refused:
        validate({"params": text}, schema, raise_on_error=True)
    assert len(json.dumps({"detail": str(refused.value)})) < 300


def test_a_character_that_is_refused_is_named_with_its_place() -> None:
    with pytest.raises(ValidationError, match=r"character 3 is U\+200B \(ZERO WIDTH SPACE\)"):
        TITLE.validate_python("ro\u200bofs")
    with pytest.raises(ValidationError, match=r"character 2 is U\+200D"):
        TypeAdapter(Prose).validate_python("a\u200db")


def test_what_looks_the_same_becomes_the_same() -> None:
    assert TITLE.validate_python("Cafe\u0301") == TITLE.validate_python("Café") == "Café"
    assert TypeAdapter(Prose).validate_python("two\r\nlines\te\u0301") == "two\r\nlines\té"


def test_a_long_title_of_one_kind_is_judged_at_once() -> None:
    """A pattern that could be read in many ways would take years over this."""
    assert not re.search(TITLE_PATTERN, "क\u200d" * 100_000 + "a")
    assert not re.search(PROSE_PATTERN, "क" * 100_000 + "\x00")
    for kind in (Title, Prose):
        assert not published(kind, "क\u200d" * 100_000 + "\x00")


@pytest.mark.parametrize("name", ["title", "text"])
def test_items_are_held_to_the_same_patterns(name: str) -> None:
    schema = own.read("common")["$defs"][name]
    patterns = [schema.get("pattern"), *(each["pattern"] for each in schema.get("allOf", []))]
    assert {"title": TITLE_PATTERN, "text": PROSE_PATTERN}[name] in patterns


@pytest.mark.parametrize(
    "text", ["MIT", "CC-BY-4.0", "ODbL-1.0", "LicenseRef-village.survey", "other", "MIT AND CC0-1.0"]
)
def test_licences_of_spdx_are_known(text: str) -> None:
    assert licences.problem(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("none", "give one such as CC-BY-4.0"),
        ("TODO", "no SPDX identifier"),
        ("proprietary", "or other"),
        ("various", "or other"),
        ("CC-BY-4", "did you mean CC-BY-4.0?"),
        ("cc-by-4.0", "SPDX writes it 'CC-BY-4.0'"),
        ("MIT AND", "no SPDX identifier"),
        ("", "no SPDX identifier"),
        ("MIT\n", "SPDX writes it 'MIT'"),
        ("МIT", "no SPDX identifier"),  # the first letter is Cyrillic
    ],
)
def test_what_is_no_licence_is_told_with_the_remedy(text: str, said: str) -> None:
    assert said in (licences.problem(text) or "")


def test_the_form_takes_each_identifier_and_nothing_near_it() -> None:
    pattern = re.compile(licences.PATTERN)
    from packaging.licenses._spdx import LICENSES

    assert all(pattern.fullmatch(each["id"]) for each in LICENSES.values())
    for wrong in ("none", "TODO", "CC-BY-4x0", "mit", "proprietary", "LicenseRef-", "MIT/x"):
        assert not pattern.search(wrong)
