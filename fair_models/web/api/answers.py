"""Answers in JSON that readers can keep: entity tags, 304, and the link to the next page."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from fair_models.web import conditional, links

KEPT: Mapping[str, str] = {
    # What somebody sees depends on who it is, and may have changed: readers ask again, and mostly get 304.
    "Cache-Control": "private, no-cache",
    "Vary": "Authorization, Cookie",
}
"""How answers about items may be kept."""


def body_of(document: BaseModel) -> bytes:
    """A document as it is sent. Fields without a value are there, as null."""
    return document.model_dump_json().encode()


def answer(
    request: Request, document: BaseModel, headers: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    """A document, or 304 where the reader has it already."""
    return content(request, body_of(document), "application/json", headers, status)


def content(
    request: Request,
    body: bytes,
    media_type: str,
    headers: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """Content of any type, or 304 where the reader has it already."""
    tag = conditional.tag_of(body)
    told = {**KEPT, **(headers or {})}
    if conditional.is_known(request, tag):
        return conditional.not_modified(tag, told)
    return Response(body, status, {**told, "ETag": tag}, media_type)


def next_page(request: Request, cursor: str | None) -> dict[str, str]:
    """The header that leads to the next page; none on the last one."""
    return {} if cursor is None else {"Link": links.next_page(request, cursor=cursor, skip=None)}
