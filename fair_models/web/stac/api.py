"""The STAC API as a part of the application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attr
from fastapi import APIRouter, FastAPI
from stac_fastapi.api.app import StacApi
from stac_fastapi.api.models import GeoJSONResponse
from stac_fastapi.api.routes import create_async_endpoint
from stac_fastapi.extensions.fields import FieldsConformanceClasses, FieldsExtension
from stac_fastapi.extensions.filter import FilterConformanceClasses, FilterExtension
from stac_fastapi.extensions.free_text import FreeTextConformanceClasses, FreeTextExtension
from stac_fastapi.extensions.query import QueryExtension
from stac_fastapi.extensions.sort import SortConformanceClasses, SortExtension
from stac_fastapi.types.config import ApiSettings
from stac_fastapi.types.extension import ApiExtension

from fair_models.web import links
from fair_models.web.access import READS
from fair_models.web.stac.client import CatalogClient, QueryablesClient
from fair_models.web.stac.documents import GEOJSON
from fair_models.web.stac.parameters import ItemsParameters, Page, SearchBody, SearchParameters

TAG = "STAC API"

_FILTERS: list[str] = [
    FilterConformanceClasses.FILTER,
    FilterConformanceClasses.SEARCH,
    FilterConformanceClasses.ITEMS,
    FilterConformanceClasses.BASIC_CQL2,
    FilterConformanceClasses.CQL2_JSON,
    FilterConformanceClasses.CQL2_TEXT,
    FilterConformanceClasses.ADVANCED_COMPARISON_OPERATORS,
    FilterConformanceClasses.BASIC_SPATIAL_FUNCTIONS,
    FilterConformanceClasses.SPATIAL_FUNCTIONS,
    FilterConformanceClasses.TEMPORAL_FUNCTIONS,
    FilterConformanceClasses.ARRAY_FUNCTIONS,
    FilterConformanceClasses.CASE_INSENSITIVE_COMPARISON,
    FilterConformanceClasses.ACCENT_INSENSITIVE_COMPARISON,
]
_SORTS: list[str] = [SortConformanceClasses.ITEM_SEARCH_SORT, SortConformanceClasses.FEATURES_SORT]
"""Of the newest version; clients look for the one before it, too."""


@attr.s
class _Api(StacApi):
    """Without health routes and description of its own: those of the service are for all of it."""

    app: FastAPI = attr.ib(kw_only=True)

    def add_health_check(self) -> None:
        """Nothing to add."""

    def register_get_item_collection(self) -> None:
        """Items of a collection."""
        endpoint = create_async_endpoint(self.client.item_collection, self.items_get_request_model)
        self._add_page("/collections/{collection_id}/items", "GET", "Items of a collection", endpoint)

    def register_get_search(self) -> None:
        """Search by parameters."""
        endpoint = create_async_endpoint(self.client.get_search, self.search_get_request_model)
        self._add_page("/search", "GET", "Search items by parameters", endpoint)

    def register_post_search(self) -> None:
        """Search by a body."""
        endpoint = create_async_endpoint(self.client.post_search, self.search_post_request_model)
        self._add_page("/search", "POST", "Search items by a body", endpoint)

    def _add_page(self, path: str, method: str, summary: str, endpoint: Callable[..., Any]) -> None:
        """Add a route that answers with a page of items, or of parts of items where fields are chosen."""
        self.router.add_api_route(
            path,
            endpoint,
            methods=[method],
            name=summary,
            summary=summary,
            response_class=GeoJSONResponse,
            responses={200: {"model": Page, "content": {GEOJSON: {}}}},
        )


def add_to(app: FastAPI) -> None:
    """Add the routes of the STAC API to an application. None of them writes: publishing has rules."""
    settings = ApiSettings(
        stac_fastapi_title=app.title,
        stac_fastapi_description=app.description,
        stac_fastapi_version=app.version,
        stac_fastapi_landing_id="fair-models",
        openapi_url=links.OPENAPI,
        docs_url=links.DOCS,
    )
    client = CatalogClient()
    extensions: list[ApiExtension] = [
        FilterExtension(
            client=QueryablesClient(), conformance_classes=[*_FILTERS], router=APIRouter(dependencies=[READS])
        ),
        SortExtension(conformance_classes=[*_SORTS, *(each.replace("v1.1.0", "v1.0.0") for each in _SORTS)]),
        FieldsExtension(
            conformance_classes=[FieldsConformanceClasses.SEARCH, FieldsConformanceClasses.ITEMS]
        ),
        FreeTextExtension(
            conformance_classes=[FreeTextConformanceClasses.SEARCH, FreeTextConformanceClasses.ITEMS]
        ),
        QueryExtension(),
    ]
    _Api(
        app=app,
        settings=settings,
        client=client,
        extensions=extensions,
        exceptions={},
        middlewares=[],
        router=APIRouter(prefix=links.STAC, tags=[TAG], dependencies=[READS]),
        search_get_request_model=SearchParameters,
        search_post_request_model=SearchBody,
        items_get_request_model=ItemsParameters,
    )
