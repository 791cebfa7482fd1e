"""The metrics of a model, for those who have to name one."""

from __future__ import annotations

import os
from contextlib import suppress

from fair_models.errors import FairModelsError
from fair_models.settings import current
from fair_models.types import LOCAL_MODELS

USUAL = "fair:building_iou"
"""What is named where nothing is known of the model."""


def metric_of(model: str) -> str:
    """Key of a model's main metric: of its published versions, else of those that were trained."""
    with suppress(FairModelsError, ImportError):
        return _published(model) or _trained(model) or USUAL
    return USUAL


def _published(model: str) -> str | None:
    from fair_models.catalog.opening import open_catalog

    items = open_catalog(current()).search(LOCAL_MODELS, name=model, limit=1)
    return next((str(item.properties["fair:metrics_spec"][0]["key"]) for item in items), None)


def _trained(model: str) -> str | None:
    from fair_models.training.ledger import open_ledger

    if not ((current().home / "zenml").exists() or "ZENML_STORE_URL" in os.environ):
        return None  # to set ZenML up takes long, and nothing was trained here
    measured = [each for each in open_ledger(current()).versions(model) if each.metrics]
    return next(iter(measured[-1].metrics)) if measured else None
