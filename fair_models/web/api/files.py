"""Downloads: one file with ranges, or a signed link to it; and files by their digest."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from fair_models.catalog.items import assets
from fair_models.store.digests import PREFIX
from fair_models.types import CollectionId
from fair_models.web import conditional
from fair_models.web.api import documents, lookup, presentation, ranges
from fair_models.web.api.answers import KEPT, answer
from fair_models.web.api.assets import StoredAsset
from fair_models.web.api.strict import StrictRoute
from fair_models.web.api.transfer import PieceResponse
from fair_models.web.problems import Problem

LINK_S = 300
"""How long a signed link to a bucket holds, in seconds. A download that began goes on after that."""

router = APIRouter(tags=["Files"], route_class=StrictRoute)

_BYTES: Final = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The whole file", "content": {"application/octet-stream": _BYTES}},
    206: {
        "description": "The parts that Range asks for; several as multipart/byteranges",
        "content": {"application/octet-stream": _BYTES, "multipart/byteranges": _BYTES},
    },
    304: {"description": "You have it already"},
    307: {"description": "It is had at the address in Location, for a few minutes"},
}

_Part = r"^[^\x00-\x1f\x7f/\\]+$"


def stored_asset(
    collection: Annotated[CollectionId, Path(description="A collection.", examples=["local-models"])],
    item_id: Annotated[
        str,
        Path(
            min_length=1,
            max_length=200,
            pattern=lookup.ID,
            description="Exact id of an item.",
            examples=["banepa-roofs-v2"],
        ),
    ],
    key: Annotated[
        str,
        Path(
            min_length=1,
            max_length=200,
            pattern=_Part,
            description="Key of one of its assets.",
            examples=["model"],
        ),
    ],
    filename: Annotated[
        str,
        Path(
            min_length=1,
            max_length=400,
            pattern=_Part,
            description="Name of the file, as the item's files list it.",
            examples=["model-3f2a9c1b0d4e.onnx"],
        ),
    ],
    seen: lookup.Seen,
    registry: lookup.Whole,
) -> StoredAsset:
    """The file that a path names.

    Raises:
        NotFound: There is no such item.
        Problem: It has no such file (404).
    """
    item = seen.get(collection, item_id)
    asset = item.assets.get(key)
    found = StoredAsset(item, key, asset, registry.store) if asset is not None else None
    if found is None or found.name != filename or not assets.RUNTIMES.isdisjoint(found.asset.roles or ()):
        files = ", ".join(
            f"{each.key}/{each.name}" for each in presentation.files_of(item, "") if each.href is not None
        )
        raise Problem(
            "not-found", f"{collection}/{item_id} has no file {key}/{filename}. It has {files or 'none'}"
        )
    return found


Stored = Annotated[StoredAsset, Depends(stored_asset)]


@router.get(
    "/collections/{collection}/items/{item_id}/assets/{key}/{filename}",
    response_class=Response,
    responses=_ANSWERS,
    summary="Download a file",
)
def download(request: Request, file: Stored, registry: lookup.Whole) -> Response:
    """The whole file, or parts of it (`Range`, `If-Range`).

    Its `ETag` is its sha-256, which is compared on the way: a download of other bytes breaks off. Files in a
    bucket are had by a link that holds for some minutes,
    unless FAIR_WEB_DOWNLOADS is `stream`.
    """
    if file.is_elsewhere:
        return RedirectResponse(file.href, 307, {"Cache-Control": "no-store"})
    headers = {**KEPT, **file.headers()}
    _require_tag(request, file)
    if conditional.is_known(request, file.tag):
        return conditional.not_modified(file.tag, headers)
    size = file.state.size
    if registry.settings.web_downloads == "redirect" and registry.settings.store_is_a_bucket:
        answered = {"Content-Type": file.media_type, "Content-Disposition": file.disposition}
        with file.translated():
            link = registry.store.link(file.href, LINK_S, answered)
        return RedirectResponse(link, 307, {"Cache-Control": "no-store"})
    spans = ranges.asked(_range(request, file), size)
    if spans is None:
        whole = {**headers, "Content-Type": file.media_type, "Content-Length": str(size)}
        return PieceResponse(file.pieces(), whole)
    if not spans:
        raise Problem(
            "range-not-satisfiable",
            f"{file.told} has {size} bytes, none of which the range has",
            headers={"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"},
        )
    if len(spans) > 1:
        return _several(file, spans, headers)
    ((start, stop),) = spans
    part = {
        **headers,
        "Content-Type": file.media_type,
        "Content-Length": str(stop - start),
        "Content-Range": f"bytes {start}-{stop - 1}/{size}",
    }
    return PieceResponse(file.pieces(start, stop), part, 206)


@router.head(
    "/collections/{collection}/items/{item_id}/assets/{key}/{filename}",
    response_class=Response,
    responses={each: said for each, said in _ANSWERS.items() if each != 206},
    summary="Look at a file",
)
def look_at_file(request: Request, file: Stored) -> Response:
    """Size, digest and type of a file, without its bytes."""
    if file.is_elsewhere:
        return RedirectResponse(file.href, 307, {"Cache-Control": "no-store"})
    headers = {**KEPT, **file.headers()}
    _require_tag(request, file)
    if conditional.is_known(request, file.tag):
        return conditional.not_modified(file.tag, headers)
    return Response(
        headers={**headers, "Content-Length": str(file.state.size), "Content-Type": file.media_type}
    )


@router.get("/files", response_model=documents.FoundFiles, summary="Find files by their digest")
def find_files(
    request: Request,
    seen: lookup.Seen,
    base: lookup.Base,
    sha256: Annotated[
        str,
        Query(
            pattern=r"^[0-9a-fA-F]{64}$",
            description="sha-256 of the file, 64 hex digits.",
            examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
        ),
    ],
) -> Response:
    """Every file of every item with these bytes; an empty list where there is none."""
    wanted = PREFIX + sha256.lower()
    found = [
        documents.FoundFile(
            **presentation.file_fields(item, key, asset, base), collection=item.collection_id, item=item.id
        )
        for item in seen.holding(wanted)
        for key, asset in item.assets.items()
        if asset.extra_fields.get("file:checksum") == wanted
    ]
    return answer(request, documents.FoundFiles(found=found))


def _require_tag(request: Request, file: StoredAsset) -> None:
    """Raises Problem where a reader asks for the bytes of another state alone (If-Match)."""
    if "if-match" in request.headers:
        conditional.require_match(request, file.tag, file.told)


def _range(request: Request, file: StoredAsset) -> str | None:
    """The header Range, if it counts: If-Range asks for parts of one state alone."""
    same = request.headers.get("if-range")
    if same is not None and (same != file.tag or same.startswith("W/")):
        return None
    lines = request.headers.getlist("range")
    return lines[0] if len(lines) == 1 else None


def _several(file: StoredAsset, spans: Sequence[ranges.Span], headers: dict[str, str]) -> PieceResponse:
    """Several parts of a file, each with its place in it."""
    boundary = secrets.token_hex(16)
    size = file.state.size
    heads = [
        f"--{boundary}\r\nContent-Type: {file.media_type}\r\n"
        f"Content-Range: bytes {start}-{stop - 1}/{size}\r\n\r\n".encode()
        for start, stop in spans
    ]
    end = f"--{boundary}--\r\n".encode()

    def parts() -> Iterator[bytes]:
        for head, (start, stop) in zip(heads, spans, strict=True):
            yield head
            yield from file.pieces(start, stop)
            yield b"\r\n"
        yield end

    length = sum(len(head) + stop - start + 2 for head, (start, stop) in zip(heads, spans, strict=True))
    told = {
        **headers,
        "Content-Type": f"multipart/byteranges; boundary={boundary}",
        "Content-Length": str(length + len(end)),
    }
    return PieceResponse(parts(), told, 206)
