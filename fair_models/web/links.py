"""Addresses of the service: what items, documents and headers name."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlencode, urlsplit

from starlette.requests import Request

from fair_models.types import DATASETS
from fair_models.web.registry import registry_of

STAC = "/stac"
API = "/api"
OPENAPI = f"{API}/openapi.json"
DOCS = f"{API}/docs"


def base_url(request: Request) -> str:
    """Root of the service as callers reach it: FAIR_PUBLIC_URL, else as they asked. No slash at its end."""
    public = registry_of(request).settings.public_url
    return (public or str(request.base_url)).rstrip("/")


def stac_root(base: str) -> str:
    """The landing page of the STAC API."""
    return f"{base}{STAC}/"


def stac_collection(base: str, collection: str) -> str:
    """A collection in the STAC API."""
    return f"{base}{STAC}/collections/{_part(collection)}"


def stac_item(base: str, collection: str, item_id: str) -> str:
    """An item in the STAC API."""
    return f"{stac_collection(base, collection)}/items/{_part(item_id)}"


def asset(base: str, collection: str, item_id: str, key: str, filename: str) -> str:
    """Where a file of an item is downloaded, whatever the store. Readers go by the ending of the file's name.

    Args:
        base: Root of the service.
        collection: Id of the collection.
        item_id: Exact id of the item.
        key: Key of the asset in the item.
        filename: Last part of the address of the file in the store, see `filename_of`.
    """
    place = f"{API}/collections/{_part(collection)}/items/{_part(item_id)}/assets"
    return f"{base}{place}/{_part(key)}/{_part(filename)}"


def resource(base: str, collection: str, name: str) -> str:
    """A model or dataset in the JSON API.

    Args:
        base: Root of the service.
        collection: Id of the collection.
        name: Name, which means the current version, or exact id.
    """
    kind = "datasets" if collection == DATASETS else "models"
    return f"{base}{API}/{kind}/{_part(name)}"


def next_page(request: Request, **changed: str | None) -> str:
    """The header `Link` that leads to the next page: the same question with other parameters, or without."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in changed]
    query = urlencode([*kept, *((name, value) for name, value in changed.items() if value is not None)])
    return f'<{base_url(request)}{request.url.path}?{query}>; rel="next"'


def filename_of(href: str) -> str:
    """Last part of an address or a path; "file" where there is none."""
    return PurePosixPath(unquote(urlsplit(href).path) if "://" in href else href).name or "file"


def _part(text: str) -> str:
    """One part of a path, as it may stand in an address."""
    return quote(text, safe="")
