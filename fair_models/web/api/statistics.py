"""How much there is."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from fair_models.catalog.tally import tally
from fair_models.web.api import documents, lookup
from fair_models.web.api.answers import answer
from fair_models.web.api.strict import StrictRoute

router = APIRouter(tags=["Statistics"], route_class=StrictRoute)


@router.get("/statistics", response_model=documents.Statistics, summary="Count what there is")
def read_statistics(request: Request, seen: lookup.Seen) -> Response:
    """Models, families, versions and bytes, as far as you may see them."""
    found = tally(seen)
    return answer(
        request,
        documents.Statistics(
            models=found.models,
            families=found.families,
            datasets=found.datasets,
            versions=found.versions,
            bytes=sum(found.sizes.values()),
            files=len(found.sizes),
            tasks=found.tasks,
            frameworks=found.frameworks,
        ),
    )
