"""Models: base models and those that were fine-tuned from them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pystac import Item
from starlette.responses import Response

from fair_models.catalog import query
from fair_models.web.api import documents, lookup, presentation, relatives
from fair_models.web.api.answers import answer, content, next_page
from fair_models.web.api.cards import MARKDOWN, markdown
from fair_models.web.api.queries import ModelListing
from fair_models.web.api.strict import StrictRoute

router = APIRouter(prefix="/models", tags=["Models"], route_class=StrictRoute)

Model = Annotated[Item, Depends(lookup.model)]
Version = Annotated[Item, Depends(lookup.model_version)]


@router.get("", response_model=documents.ModelPage, summary="Find models")
def find_models(
    request: Request, seen: lookup.Seen, base: lookup.Base, asked: Annotated[ModelListing, Query()]
) -> Response:
    """Base and local models, page by page: all of them, or what conditions match. All conditions hold."""
    page = query.page(seen, asked.choice())
    found = [presentation.model_entry(seen.shown(item), base) for item in page.found]
    return answer(request, documents.ModelPage(found=found, next=page.next), next_page(request, page.next))


@router.get("/{reference}", response_model=documents.ModelDocument, summary="Read a model")
def read_model(request: Request, item: Model, base: lookup.Base) -> Response:
    """Its current version, or the version of an exact id."""
    return answer(request, presentation.model_document(item, base))


@router.get("/{name}/versions", response_model=documents.ModelEntries, summary="List the versions of a model")
def list_model_versions(
    request: Request, name: lookup.ItemName, seen: lookup.Seen, base: lookup.Base
) -> Response:
    """All of them by number, deprecated ones too."""
    found = lookup.all_versions(seen, lookup.MODELS, name)
    entries = documents.ModelEntries([presentation.model_entry(item, base) for item in found])
    return answer(request, entries)


@router.get(
    "/{name}/versions/{number}",
    response_model=documents.ModelDocument,
    summary="Read one version of a model",
)
def read_model_version(request: Request, item: Version, base: lookup.Base) -> Response:
    """The version of a number."""
    return answer(request, presentation.model_document(item, base))


@router.get(
    "/{reference}/metrics", response_model=documents.MetricsDocument, summary="Read the metrics of a model"
)
def read_metrics(request: Request, item: Model) -> Response:
    """Metrics with their 95 % intervals and the simplest guess, and the same of each class."""
    return answer(request, presentation.metrics_document(item))


@router.get("/{reference}/files", response_model=documents.FilesDocument, summary="List the files of a model")
def list_model_files(request: Request, item: Model, base: lookup.Base) -> Response:
    """Each with size, digest and the address where it is downloaded."""
    return answer(request, presentation.files_document(item, base))


@router.get(
    "/{reference}/lineage",
    response_model=documents.LineageDocument,
    summary="What a model came from, and what came from it",
)
def read_model_lineage(request: Request, item: Model, seen: lookup.Seen, base: lookup.Base) -> Response:
    """As the items say it."""
    return answer(request, relatives.lineage(seen, item, base))


@router.get("/{reference}/card", response_class=Response, responses=MARKDOWN, summary="Read a model card")
def read_model_card(request: Request, item: Model, registry: lookup.Whole) -> Response:
    """Its own card where it has one, else one made of its fields, in Markdown."""
    return content(request, markdown(item, registry.store), "text/markdown")
