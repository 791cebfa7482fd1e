"""Recorded metrics of versions side by side. Measuring them anew on one dataset is a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from fair_models.catalog.items.model import ModelItem
from fair_models.web.api import documents, lookup, presentation
from fair_models.web.api.answers import answer
from fair_models.web.api.strict import StrictRoute

router = APIRouter(tags=["Models"], route_class=StrictRoute)


@router.get(
    "/compare", response_model=documents.ComparisonDocument, summary="Compare recorded metrics of models"
)
def compare(
    request: Request,
    seen: lookup.Seen,
    item: Annotated[
        list[Annotated[str, Query(min_length=1, max_length=220, pattern=r"^[A-Za-z0-9][A-Za-z0-9./_-]*$")]],
        Query(
            min_length=2,
            max_length=20,
            description="Models: names, which mean their current versions, or exact ids.",
            examples=[["banepa-roofs-v1", "banepa-roofs-v2"]],
        ),
    ],
) -> Response:
    """What was measured when each was published. Start the deployment `compare` to measure them anew."""
    found = [ModelItem(lookup.named(seen, lookup.MODELS, each)) for each in dict.fromkeys(item)]
    return answer(request, _side_by_side(found))


def _side_by_side(models: Sequence[ModelItem]) -> documents.ComparisonDocument:
    sides = [_side(model) for model in models]
    keys = list(dict.fromkeys(key for side in sides for key in side.metrics))
    datasets = {side.dataset for side in sides}
    return documents.ComparisonDocument(
        metrics=keys,
        same_samples=len(datasets) == 1 and datasets != {None},
        best={key: _best(sides, key) for key in keys},
        sides=sides,
    )


def _side(model: ModelItem) -> documents.Compared:
    return documents.Compared(
        id=model.id,
        dataset=model.dataset_id,
        held_out_count=model.held_out_count,
        metrics={each.metric: each for each in presentation.metrics_of(model)},
        classes=presentation.class_metrics(model.class_metrics),
    )


def _best(sides: Sequence[documents.Compared], key: str) -> str | None:
    """Id of the side with the best value, the first one of several."""
    known = [
        (metric.value if metric.higher_is_better else -metric.value, side.id)
        for side in sides
        if (metric := side.metrics.get(key)) is not None and metric.value is not None
    ]
    return max(known, key=lambda each: each[0])[1] if known else None
