"""All routes below /api that are about what is published."""

from __future__ import annotations

from fastapi import APIRouter

from fair_models.web import links
from fair_models.web.api import archives, changes, comparison, datasets, files, models, statistics

router = APIRouter(prefix=links.API)
for each in (models, datasets, changes, files, archives, comparison, statistics):
    router.include_router(each.router)
