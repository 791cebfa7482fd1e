"""Errors as people and programs get them: problem+json (RFC 9457) with a stable `type`.

One table says which status and type an error of the library has. STAC clients look for `code` and
`description`: the same answers have these two as well.
"""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fair_models import errors
from fair_models.web.requests import request_id_of

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
"""After how long to ask again where a server behind the service does not answer."""

_TYPE = "urn:fair-models:problem:"
_STAC = "/stac"
_log = logging.getLogger(__name__)

STATUSES: Mapping[str, int] = {
    "malformed": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "not-acceptable": 406,
    "conflict": 409,
    "gone": 410,
    "precondition-failed": 412,
    "too-large": 413,
    "address-too-long": 414,
    "unsupported-media-type": 415,
    "range-not-satisfiable": 416,
    "misdirected": 421,
    "invalid": 422,
    "precondition-required": 428,
    "too-many-requests": 429,
    "headers-too-large": 431,
    "internal": 500,
    "corrupted": 502,
    "training-failed": 500,
    "prediction-failed": 500,
    "cut-failed": 500,
    "unavailable": 503,
    "unsettled": 503,
    "timeout": 503,
    "storage-full": 507,
}
"""The status of each kind of problem."""

KINDS: Mapping[type[errors.FairModelsError], str] = {
    errors.NotFound: "not-found",
    errors.Conflict: "conflict",
    errors.Invalid: "invalid",
    errors.InvalidDocument: "malformed",
    errors.Corrupted: "corrupted",
    errors.TrainingFailed: "training-failed",
    errors.PredictionFailed: "prediction-failed",
    errors.CutFailed: "cut-failed",
    errors.Unavailable: "unavailable",
    errors.Unsettled: "unsettled",
    errors.FairModelsError: "internal",
}
"""The kind of problem that each error of the library is; a class that is not here is as its base is."""

_BY_STATUS = {status: kind for kind, status in reversed([*STATUSES.items()])}


class Problem(HTTPException):
    """A problem that only the service knows, such as a missing token.

    One of the framework's own errors, so that the framework lets it through where it reads a body.

    Args:
        kind: One of `STATUSES`.
        detail: What is wrong and what to do, for people.
        headers: Headers of the answer, such as WWW-Authenticate.
        members: Further members of the document, for programs.
    """

    def __init__(
        self, kind: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(STATUSES[kind], detail, headers)
        self.kind, self.members = kind, members

    def __str__(self) -> str:
        return str(self.detail)


class FieldProblem(BaseModel):
    """One thing that is wrong with a request."""

    place: str = Field(description="Where it stands: path, query, header, cookie or body.", examples=["body"])
    pointer: str = Field(
        description="Which part of that, as a JSON pointer in a fragment.", examples=["#/limit"]
    )
    detail: str = Field(description="What is wrong with it.", examples=["Input should be at least 1"])


class ProblemDocument(BaseModel):
    """What went wrong, as RFC 9457 writes it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="Kind of the problem; it stays the same.", examples=["urn:fair-models:problem:not-found"]
    )
    title: str = Field(description="The kind in words.", examples=["Not Found"])
    status: int = Field(description="The status of the answer.", ge=400, le=599, examples=[404])
    detail: str = Field(
        description="What is wrong, why, and what to do.",
        examples=["local-models has no item roofs-v9. It has roofs-v1"],
    )
    instance: str = Field(description="Path of the request.", examples=["/stac/collections/local-models"])
    code: str = Field(
        description="The kind in one word, as STAC clients look for it.", examples=["not-found"]
    )
    description: str = Field(description="The same as `detail`, as STAC clients look for it.")
    request_id: str = Field(description="Name of the request in the logs, also in `X-Request-ID`.")
    errors: list[FieldProblem] | None = Field(None, description="All that is wrong with the request.")


def kind_of(error: errors.FairModelsError) -> str:
    """The kind of problem that an error of the library is."""
    return next(KINDS[each] for each in type(error).__mro__ if each in KINDS)


def answer(
    kind: str,
    detail: str,
    *,
    path: str,
    request_id: str,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """The answer that tells a problem.

    Args:
        kind: One of `STATUSES`.
        detail: What is wrong and what to do, for people.
        path: Path of the request.
        request_id: Its name in the logs.
        status: Default: that of the kind.
        headers: Headers of the answer.
        members: Further members of the document, for programs.
    """
    code = status or STATUSES[kind]
    document = {
        "type": _TYPE + kind,
        "title": http.HTTPStatus(code).phrase,
        "status": code,
        "detail": detail,
        "instance": path,
        "code": kind,
        "description": detail,
        "request_id": request_id,
        **members,
    }
    more = {"Retry-After": str(RETRY_AFTER_S)} if code == STATUSES["unavailable"] else {}
    return Response(
        orjson.dumps(document), code, {"Cache-Control": "no-store", **more, **(headers or {})}, MEDIA_TYPE
    )


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with a problem, before any route has seen it. The connection ends with it."""
    told = answer(
        problem.kind,
        problem.detail,
        path=scope["path"],
        request_id=request_id_of(scope),
        headers={**(problem.headers or {}), "Connection": "close"},
        **problem.members,
    )
    await told(scope, receive, send)


def install(app: FastAPI) -> None:
    """Have every error of an application told so."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(errors.FairModelsError, _ours)
    app.add_exception_handler(HTTPException, _by_status)
    app.add_exception_handler(RequestValidationError, _not_valid)


def _told(request: Request, kind: str, detail: str, **more: Any) -> Response:
    return answer(kind, detail, path=request.url.path, request_id=request_id_of(request.scope), **more)


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - the handler of this class alone
    return _told(request, error.kind, error.detail, headers=error.headers, **error.members)


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.FairModelsError)  # noqa: S101 - the handler of this class alone
    kind = kind_of(error)
    if STATUSES[kind] >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("%s", error, exc_info=error, extra={"request_id": request_id_of(request.scope)})
    status = http.HTTPStatus.BAD_REQUEST if kind == "invalid" and _is_stac(request) else None
    return _told(request, kind, str(error), status=status)


def _by_status(request: Request, error: Exception) -> Response:
    """What the framework itself raises: an address that leads nowhere, a body that is no JSON."""
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler of this class alone
    kind = _BY_STATUS.get(error.status_code, "internal" if error.status_code >= 500 else "malformed")
    detail = str(error.detail)
    if error.status_code == http.HTTPStatus.NOT_FOUND and detail == "Not Found":
        detail = f"There is nothing at {request.url.path}. /api/docs lists all addresses"
    if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = _allowed(request, (error.headers or {}).get("Allow", ""))
        error.headers = {**(error.headers or {}), "Allow": allowed}
        detail = f"{request.url.path} does not take {request.method}; it takes {allowed or 'other methods'}"
    return _told(request, kind, detail, status=error.status_code, headers=error.headers)


def _allowed(request: Request, said: str) -> str:
    """All methods of an address: the framework names those of its first route alone."""
    path = getattr(request.scope.get("route"), "path_format", "")
    documented = request.app.openapi()["paths"].get(path, {})
    methods = {each.upper() for each in documented} | {each.strip() for each in said.split(",")}
    return ", ".join(sorted(methods - {""}))


def _not_valid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - the handler of this class alone
    found = [_field(each) for each in error.errors()]
    is_malformed = any(each["type"] == "json_invalid" for each in error.errors())
    detail = "; ".join(f"{each['place']} {each['pointer']}: {each['detail']}" for each in found)
    return _told(
        request,
        "malformed" if is_malformed else "invalid",
        f"The request is not valid: {detail}",
        status=http.HTTPStatus.BAD_REQUEST if _is_stac(request) else None,
        errors=found,
    )


def _field(said: Mapping[str, Any]) -> dict[str, str]:
    """One finding of pydantic, without the value that it is about: that may be a secret, or no JSON."""
    place: Sequence[Any] = said.get("loc", ())
    pointer = "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in place[1:])
    return {
        "place": str(place[0]) if place else "body",
        "pointer": f"#/{pointer}" if pointer else "#",
        "detail": str(said.get("msg", "is not valid")).removeprefix("Value error, "),
    }


def _is_stac(request: Request) -> bool:
    """STAC asks for 400 where the rest of the service says 422."""
    return request.url.path.startswith(_STAC)
