"""The page that shows the API and tries it out. All that it loads comes from the service itself."""

from __future__ import annotations

from html import escape
from pathlib import Path

import orjson
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from fair_models.web import links
from fair_models.web.access import EVERYBODY
from fair_models.web.api import answers
from fair_models.web.openapi import MEDIA_TYPE

STATIC = "/static"
FOLDER = Path(__file__).parent / "static"

_VENDOR = f"..{STATIC}/vendor/swagger-ui"  # relative: the service may lie below a path of its host
_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{title}} API</title>
<link rel="icon" href="{_VENDOR}/favicon-32x32.png">
<link rel="stylesheet" href="{_VENDOR}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui" data-description="openapi.json"></div>
<script src="{_VENDOR}/swagger-ui-bundle.js"></script>
<script src="..{STATIC}/docs.js"></script>
</body>
</html>
"""

router = APIRouter(include_in_schema=False, dependencies=[EVERYBODY])


@router.get(links.DOCS)
def docs(request: Request) -> HTMLResponse:
    """The page itself."""
    return HTMLResponse(_PAGE.format(title=escape(request.app.title)))


@router.get(links.OPENAPI)
def description(request: Request) -> Response:
    """What the page shows: the API in OpenAPI 3.1."""
    return answers.content(request, orjson.dumps(request.app.openapi()), MEDIA_TYPE)


def add_to(app: FastAPI) -> None:
    """Add the page and the files that it loads to an application."""
    app.include_router(router)
    app.mount(STATIC, StaticFiles(directory=FOLDER), name="static")
