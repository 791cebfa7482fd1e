"""Datasets: imagery and labels over one area."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pystac import Item
from starlette.responses import Response

from fair_models.catalog import query
from fair_models.types import DATASETS
from fair_models.web.api import documents, lookup, presentation, relatives
from fair_models.web.api.answers import answer, content, next_page
from fair_models.web.api.cards import MARKDOWN, markdown
from fair_models.web.api.queries import DatasetListing
from fair_models.web.api.strict import StrictRoute

router = APIRouter(prefix="/datasets", tags=["Datasets"], route_class=StrictRoute)

Dataset = Annotated[Item, Depends(lookup.dataset)]
Version = Annotated[Item, Depends(lookup.dataset_version)]


@router.get("", response_model=documents.DatasetPage, summary="Find datasets")
def find_datasets(
    request: Request, seen: lookup.Seen, base: lookup.Base, asked: Annotated[DatasetListing, Query()]
) -> Response:
    """Datasets, page by page: all of them, or what conditions match. All conditions must hold."""
    page = query.page(seen, asked.choice())
    found = [presentation.dataset_entry(seen.shown(item), base) for item in page.found]
    return answer(request, documents.DatasetPage(found=found, next=page.next), next_page(request, page.next))


@router.get("/{reference}", response_model=documents.DatasetDocument, summary="Read a dataset")
def read_dataset(request: Request, item: Dataset, base: lookup.Base) -> Response:
    """Its current version, or the version of an exact id."""
    return answer(request, presentation.dataset_document(item, base))


@router.get(
    "/{name}/versions", response_model=documents.DatasetEntries, summary="List the versions of a dataset"
)
def list_dataset_versions(
    request: Request, name: lookup.ItemName, seen: lookup.Seen, base: lookup.Base
) -> Response:
    """All of them by number, deprecated ones too."""
    found = lookup.all_versions(seen, (DATASETS,), name)
    entries = documents.DatasetEntries([presentation.dataset_entry(item, base) for item in found])
    return answer(request, entries)


@router.get(
    "/{name}/versions/{number}",
    response_model=documents.DatasetDocument,
    summary="Read one version of a dataset",
)
def read_dataset_version(request: Request, item: Version, base: lookup.Base) -> Response:
    """The version of a number."""
    return answer(request, presentation.dataset_document(item, base))


@router.get(
    "/{reference}/files", response_model=documents.FilesDocument, summary="List the files of a dataset"
)
def list_dataset_files(request: Request, item: Dataset, base: lookup.Base) -> Response:
    """Each with size, digest and the address where it is downloaded."""
    return answer(request, presentation.files_document(item, base))


@router.get(
    "/{reference}/lineage",
    response_model=documents.LineageDocument,
    summary="What a dataset came from, and what came from it",
)
def read_dataset_lineage(request: Request, item: Dataset, seen: lookup.Seen, base: lookup.Base) -> Response:
    """As the items say it."""
    return answer(request, relatives.lineage(seen, item, base))


@router.get("/{reference}/card", response_class=Response, responses=MARKDOWN, summary="Read a dataset's card")
def read_dataset_card(request: Request, item: Dataset, registry: lookup.Whole) -> Response:
    """What it holds, what was repaired and left out, and what its labels are like, in Markdown."""
    return content(request, markdown(item, registry.store), "text/markdown")
