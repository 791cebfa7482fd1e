"""Conditional requests (RFC 9110, section 13): 304 for what is known already, 412 for what was changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from fair_models.web.problems import Problem

_TAG = re.compile(r'(?P<weak>W/)?"(?P<value>[\x21\x23-\x7e\x80-\xff]*)"')
_LIST = re.compile(r'\s*(?:(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*|$))+')
_READING = frozenset({"GET", "HEAD"})


def tag_of(content: bytes | str) -> str:
    """The strong entity tag of content, with its quotes."""
    data = content.encode() if isinstance(content, str) else content
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether a reader has this state already (If-None-Match): the answer is then 304.

    Weak tags are as good as strong ones here. What is no list of tags is as if it were not there.
    """
    if request.method not in _READING:
        return False
    said = ", ".join(request.headers.getlist("if-none-match"))
    return said.strip() == "*" or _value(tag) in {value for _, value in _tags(said) or ()}


def require_match(request: Request, tag: str, what: str) -> None:
    """Change only the state that the sender has seen (If-Match). Weak tags never match.

    Args:
        request: The request that changes something.
        tag: The strong tag of the state that there is.
        what: What is to be changed, for the message.

    Raises:
        Problem: The header is missing (428), no list of tags (400), or names other states (412).
    """
    said = ", ".join(request.headers.getlist("if-match")).strip()
    if not said:
        raise Problem(
            "precondition-required",
            f"A change of {what} needs the header If-Match with the ETag that was read: somebody else may "
            "have changed it since",
        )
    if said == "*":
        return
    tags = _tags(said)
    if tags is None:
        raise Problem("malformed", 'If-Match is no list of entity tags: write it as "abc", with the quotes')
    if (False, _value(tag)) not in tags:
        raise changed(what, tag)


def changed(what: str, tag: str | None = None) -> Problem:
    """The answer to a change of another state than there is."""
    return Problem(
        "precondition-failed",
        f"{what} was changed since it was read. Read it again, then repeat the change",
        headers={"ETag": tag} if tag else None,
    )


def not_modified(tag: str, headers: Mapping[str, str]) -> Response:
    """The answer to a reader who has this state already, with the headers that the whole answer has."""
    return Response(status_code=304, headers={**headers, "ETag": tag})


def _value(tag: str) -> str:
    found = _TAG.fullmatch(tag)
    return found["value"] if found else tag


def _tags(said: str) -> list[tuple[bool, str]] | None:
    """Whether each tag of a list is weak, and its value. None where it is no such list."""
    if not _LIST.fullmatch(said):
        return None
    return [(found["weak"] is not None, found["value"]) for found in _TAG.finditer(said)]
