"""What text of people may hold: any language, nothing that cannot be seen or makes two texts look the same.

Refused are control characters, what turns the direction of writing, characters without width, soft hyphens,
tags and private use. The two joiners of Arabic and Indian scripts are letters there, and allowed between
letters of these scripts alone. All of it is said as patterns that Python, JSON Schema (ECMA 262 with the
flag u) and Rust read alike, so that a wrong request is refused before a run exists. What can be written in
two ways (é as one character or two) is brought to one (NFC).
"""

from __future__ import annotations

import re
import unicodedata
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field

_JOINERS = r"\u200c\u200d"
_JOINED = r"\u0620-\u06dc\u06de-\u06ff\u0750-\u077f\u08a0-\u08e1\u08e3-\u08ff\u0900-\u0dff"
"""Letters and marks of the scripts that need joiners: Arabic to Sinhala."""

_LINE_CONTROLS = r"\x00-\x1f\x7f-\x9f"
_PROSE_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
"""The same without tab, line feed and carriage return."""


def _beyond(first: int, last: int) -> str:
    """Characters beyond 16 bit as themselves: their escapes differ between Python, Rust and ECMA 262."""
    return f"{chr(first)}-{chr(last)}"


_UNSEEN = (
    r"\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180e\u200b"
    r"\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ue000-\uf8ff"
    + _beyond(0x110BD, 0x110BD)
    + _beyond(0x110CD, 0x110CD)
    + _beyond(0x13430, 0x1343F)
    + _beyond(0x1BCA0, 0x1BCA3)
    + _beyond(0x1D173, 0x1D17A)
    + _beyond(0xE0000, 0x10FFFF)
)


def _pattern(refused: str, *, filled: bool) -> str:
    """A pattern for text without some characters.

    Args:
        refused: The characters, as they stand between brackets.
        filled: Whether a character that is no space must be there.
    """
    never = refused + _UNSEEN + _JOINERS
    joined = f"[{_JOINED}](?:[{_JOINERS}][{_JOINED}])*"
    any_one = f"(?:[^{never}{_JOINED}]|{joined})"
    first = rf"(?:[^\s{never}{_JOINED}]|{joined})"
    return rf"^(?:[^\S{never}]*{first}{any_one}*)$" if filled else f"^{any_one}*$"


TITLE_PATTERN = _pattern(r"/\\" + _LINE_CONTROLS, filled=True)
"""One line without slashes, not blank."""

LINE_PATTERN = _pattern(_LINE_CONTROLS, filled=False)
SENTENCE_PATTERN = _pattern(_LINE_CONTROLS, filled=True)
PROSE_PATTERN = _pattern(_PROSE_CONTROLS, filled=False)


def in_one_way(text: str) -> str:
    """Text in the normal form C of Unicode: what looks the same is the same."""
    return unicodedata.normalize("NFC", text)


def hidden_character(text: str) -> str:
    """The first character of a text that cannot be seen, e.g. "character 3 is U+200B (ZERO WIDTH SPACE)".

    Returns:
        Its place and name; empty where there is none. Joiners between letters that need them are none.
    """
    loose = f"(?<![{_JOINED}])[{_JOINERS}]|[{_JOINERS}](?![{_JOINED}])"
    found = re.search(f"[{_UNSEEN}]|{loose}", text)
    return "" if found is None else _named(found.start() + 1, found[0])


def _named(number: int, character: str) -> str:
    return (
        f"character {number} is U+{ord(character):04X} ({unicodedata.name(character, 'a control character')})"
    )


def _refused(text: str, pattern: str) -> str | None:
    """Why a text is refused by one of the patterns; None where it is not."""
    allowed = re.compile(pattern)
    if allowed.fullmatch(text):
        return None
    for number, character in enumerate(text, 1):
        beside = text[max(0, number - 2) : number + 1] if character in "\u200c\u200d" else f"a{character}"
        if not allowed.fullmatch(beside) and not character.isspace():
            return f"{_named(number, character)}, which is not allowed here; remove it"
    return "it is blank or has a line break, where one line of text is wanted"


def _in_full(text: str, pattern: str) -> str:
    """A text that keeps the whole rule, in one way."""
    if reason := _refused(text, pattern):
        shown = text if len(text) <= 60 else f"{text[:60]}…"
        raise ValueError(f"{shown!r}: {reason}")
    return in_one_way(text)


_HIDDEN = r"\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
"""Of what cannot be seen, what copied text brings along: people read the published forms, so they are few."""


def _form(refused: str, *, filled: bool) -> str:
    """The pattern that forms and servers publish: all that the whole rule takes, and little more.

    A joiner may stand behind a letter of Arabic or Indian scripts alone.

    Args:
        refused: The characters that are refused beside hidden ones, as they stand between brackets.
        filled: Whether a character that is no space must be there.
    """
    start = r"(?!\s*$)" if filled else ""
    return f"^{start}([^{refused}{_HIDDEN}]|[\\u0600-\\u0dff][{_JOINERS}])*$"


_TITLE_FORM = _form(r"/\\" + _LINE_CONTROLS, filled=True)
_LINE_FORM = _form(_LINE_CONTROLS, filled=False)
_SENTENCE_FORM = _form(_LINE_CONTROLS, filled=True)
_PROSE_FORM = _form(r"\x00-\x08\v\f\x0e-\x1f\x7f-\x9f", filled=False)

Title = Annotated[
    str,
    Field(max_length=120, json_schema_extra={"pattern": _TITLE_FORM}),
    AfterValidator(partial(_in_full, pattern=TITLE_PATTERN)),
]
"""A title for people: one line, no path parts."""

Line = Annotated[
    str,
    Field(json_schema_extra={"pattern": _LINE_FORM}),
    AfterValidator(partial(_in_full, pattern=LINE_PATTERN)),
]
"""One line of text; may be empty."""

Sentence = Annotated[
    str,
    Field(json_schema_extra={"pattern": _SENTENCE_FORM}),
    AfterValidator(partial(_in_full, pattern=SENTENCE_PATTERN)),
]
"""One line of text, not blank."""

Prose = Annotated[
    str,
    Field(json_schema_extra={"pattern": _PROSE_FORM}),
    AfterValidator(partial(_in_full, pattern=PROSE_PATTERN)),
]
"""Text of several lines; may be empty."""
