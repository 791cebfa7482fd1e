"""The answers of the STAC API, from the catalogue."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import attr
import orjson
from stac_fastapi.extensions.filter.client import BaseFiltersClient
from stac_fastapi.types.core import BaseCoreClient
from starlette.requests import Request
from starlette.responses import Response

from fair_models.catalog.items.collections import CATALOG_DESCRIPTION, CATALOG_ID, CATALOG_TITLE, COLLECTIONS
from fair_models.catalog.search.query import ItemPage, ItemSearch
from fair_models.catalog.search.queryables import queryables
from fair_models.errors import NotFound
from fair_models.types import CollectionId, Json
from fair_models.web import links, openapi
from fair_models.web.api import answers
from fair_models.web.callers import caller_of
from fair_models.web.registry import registry_of
from fair_models.web.stac.asked import Asked, of_document, of_parameters
from fair_models.web.stac.documents import GEOJSON, JSON, SCHEMA, Addresses
from fair_models.web.stac.parameters import SearchBody

_QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"


@attr.s
class CatalogClient(BaseCoreClient):
    """Answers from the catalogue of the registry. Each method is called in a thread of its own."""

    def landing_page(self, **kwargs: Any) -> Response:  # type: ignore[override]
        """Where every client begins."""
        request: Request = kwargs["request"]
        base = links.base_url(request)
        root = links.stac_root(base)
        catalog = registry_of(request).catalog
        children = [catalog.describe(each) for each in COLLECTIONS]
        return _answer(
            request,
            {
                "type": "Catalog",
                "stac_version": "1.1.0",
                "id": CATALOG_ID,
                "title": CATALOG_TITLE,
                "description": CATALOG_DESCRIPTION,
                "conformsTo": self.conformance_classes(),
                "links": [
                    {"rel": "self", "href": root, "type": JSON},
                    {"rel": "root", "href": root, "type": JSON},
                    {"rel": "data", "href": f"{root}collections", "type": JSON, "title": "Collections"},
                    {"rel": "conformance", "href": f"{root}conformance", "type": JSON},
                    {"rel": "search", "href": f"{root}search", "type": GEOJSON, "method": "GET"},
                    {"rel": "search", "href": f"{root}search", "type": GEOJSON, "method": "POST"},
                    {"rel": _QUERYABLES, "href": f"{root}queryables", "type": SCHEMA},
                    {"rel": "service-desc", "href": f"{base}{links.OPENAPI}", "type": openapi.MEDIA_TYPE},
                    {"rel": "service-doc", "href": f"{base}{links.DOCS}", "type": "text/html"},
                    *(
                        {
                            "rel": "child",
                            "href": links.stac_collection(base, child["id"]),
                            "type": JSON,
                            "title": child.get("title", child["id"]),
                        }
                        for child in children
                    ),
                ],
            },
        )

    def conformance(self, **kwargs: Any) -> Response:  # type: ignore[override]
        """What can be asked."""
        return _answer(kwargs["request"], {"conformsTo": self.conformance_classes()})

    def all_collections(self, **kwargs: Any) -> Response:  # type: ignore[override]
        """All collections."""
        request: Request = kwargs["request"]
        base, catalog = links.base_url(request), registry_of(request).catalog
        root = links.stac_root(base)
        found = [_addresses(request).collection(catalog.describe(each)) for each in COLLECTIONS]
        return _answer(
            request,
            {
                "collections": found,
                "links": [
                    {"rel": "self", "href": f"{root}collections", "type": JSON},
                    {"rel": "root", "href": root, "type": JSON},
                    {"rel": "parent", "href": root, "type": JSON},
                ],
                "numberMatched": len(found),
                "numberReturned": len(found),
            },
        )

    def get_collection(self, collection_id: str, **kwargs: Any) -> Response:  # type: ignore[override]
        """One collection."""
        request: Request = kwargs["request"]
        found = registry_of(request).catalog.describe(known(collection_id))
        return _answer(request, _addresses(request).collection(found))

    def get_item(self, item_id: str, collection_id: str, **kwargs: Any) -> Response:  # type: ignore[override]
        """One item."""
        request: Request = kwargs["request"]
        search = ItemSearch([known(collection_id)], ids=[item_id], viewer=caller_of(request).viewer, limit=1)
        page = registry_of(request).catalog.find(search)
        if not page.items:
            raise NotFound(f"{collection_id} has no item {item_id}. A search finds those that there are")
        return _answer(request, _addresses(request).item(page.items[0]), GEOJSON)

    def item_collection(self, collection_id: str, **kwargs: Any) -> Response:  # type: ignore[override]
        """Items of a collection, page by page."""
        request: Request = kwargs.pop("request")
        asked = of_parameters(kwargs, caller_of(request).viewer, known(collection_id))
        place = f"{links.stac_collection(links.base_url(request), collection_id)}/items"
        return _page(request, asked, place)

    def get_search(self, **kwargs: Any) -> Response:  # type: ignore[override]
        """Items of all collections that parameters choose."""
        request: Request = kwargs.pop("request")
        asked = of_parameters(kwargs, caller_of(request).viewer)
        return _page(request, asked, f"{links.stac_root(links.base_url(request))}search")

    def post_search(self, search_request: SearchBody, **kwargs: Any) -> Response:  # type: ignore[override]
        """Items of all collections that a body chooses."""
        request: Request = kwargs["request"]
        document = search_request.document()
        asked = of_document(document, caller_of(request).viewer)
        return _page(request, asked, f"{links.stac_root(links.base_url(request))}search", document)


@attr.s
class QueryablesClient(BaseFiltersClient):
    """Tells what searches are usually made by."""

    def get_queryables(  # type: ignore[override]
        self, collection_id: str | None = None, **kwargs: Any
    ) -> Response:
        """Of one collection, or of what is in any."""
        request: Request = kwargs["request"]
        base = links.base_url(request)
        if collection_id is None:
            return _answer(request, queryables(f"{links.stac_root(base)}queryables"), SCHEMA)
        address = f"{links.stac_collection(base, known(collection_id))}/queryables"
        return _answer(request, queryables(address, collection_id), SCHEMA)


def _answer(request: Request, document: Json, media_type: str = JSON) -> Response:
    return answers.content(request, orjson.dumps(document), media_type)


def known(collection_id: str) -> CollectionId:
    """A collection that there is.

    Raises:
        NotFound: There is none of that id.
    """
    if collection_id not in COLLECTIONS:
        raise NotFound(f"There is no collection {collection_id[:80]}. There are {', '.join(COLLECTIONS)}")
    return collection_id


def _addresses(request: Request) -> Addresses:
    return Addresses(links.base_url(request), registry_of(request).settings.public_store_url)


def _page(request: Request, asked: Asked, place: str, body: Json | None = None) -> Response:
    """One page of items.

    Args:
        request: What was asked.
        asked: The same, checked.
        place: Address of the search without its query.
        body: What was asked with POST.
    """
    page = registry_of(request).catalog.find(asked.search)
    addresses = _addresses(request)
    items = [addresses.item(each, asked.fields) for each in page.items]
    document: Json = {
        "type": "FeatureCollection",
        "features": items,
        "links": [
            {"rel": "root", "href": links.stac_root(links.base_url(request)), "type": JSON},
            {"rel": "self", "href": _with(request, place, None), "type": GEOJSON},
            *_next(request, page, place, body),
        ],
        "numberReturned": len(items),
    }
    if page.matched is not None:
        document["numberMatched"] = page.matched
    return _answer(request, document, GEOJSON)


def _next(request: Request, page: ItemPage, place: str, body: Json | None) -> list[Json]:
    if page.next is None:
        return []
    if body is None:
        return [{"rel": "next", "href": _with(request, place, page.next), "type": GEOJSON, "method": "GET"}]
    asked = {**body, "token": page.next}
    return [{"rel": "next", "href": place, "type": GEOJSON, "method": "POST", "body": asked, "merge": False}]


def _with(request: Request, place: str, token: str | None) -> str:
    """The address that was asked, with a token of its own in place of the one it had."""
    said = [each for each in request.query_params.multi_items() if token is None or each[0] != "token"]
    query = urlencode([*said, *([("token", token)] if token is not None else [])])
    return f"{place}?{query}" if query else place
