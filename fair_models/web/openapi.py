"""The description of the API, with the errors that every route has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from fair_models.types import Json
from fair_models.web import access, problems

MEDIA_TYPE = "application/vnd.oai.openapi+json;version=3.1"
"""Of the description, as STAC asks for it."""

_GENERIC = {"HTTPValidationError", "ValidationError"}
_ANY_PROBLEM = {
    "4XX": "The request is refused; `type` and `detail` say why.",
    "5XX": "The service, or a part behind it, failed.",
}


def install(app: FastAPI) -> None:
    """Have an application describe its errors as they are: problem+json for every route."""
    app.openapi = _made_once(app)  # type: ignore[method-assign]  # as FastAPI's documentation says


def _made_once(app: FastAPI) -> Callable[[], dict[str, Any]]:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _describe(app)
        return app.openapi_schema

    return openapi


def _describe(app: FastAPI) -> Json:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        tags=app.openapi_tags,
        routes=app.routes,
    )
    access.describe(document)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _GENERIC:
        schemas.pop(name, None)
    described = problems.ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= described.pop("$defs", {})
    schemas["ProblemDocument"] = described
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    for path in document["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            if "HTTPValidationError" in str(responses.get("422", "")):
                del responses["422"]
            for status, meaning in _ANY_PROBLEM.items():
                responses.setdefault(status, {"description": meaning, "content": content})
    return document
