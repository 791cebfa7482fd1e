"""Whether the service lives, and whether the parts behind it work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from fair_models.client.http import Http
from fair_models.doctor import registry_places
from fair_models.doctor.checking import one_line
from fair_models.errors import FairModelsError
from fair_models.types import BASE_MODELS
from fair_models.web.access import EVERYBODY
from fair_models.web.callers import Caller, caller_of
from fair_models.web.database.late import LateDatabase
from fair_models.web.registry import Registry, registry_of

Part = Literal["catalogue", "store", "prefect", "accounts"]

KEPT_S = 2.0
"""A finding is used again for so long: who asks often, or many at once, loads nothing."""
TIMEOUT_S = 10.0
"""A part that takes longer does not work."""

router = APIRouter(prefix="/health", tags=["Operation"], dependencies=[EVERYBODY])


class Alive(BaseModel):
    """The answer of a service that lives."""

    status: Literal["ok"] = "ok"


class PartHealth(BaseModel):
    """What was found of one part."""

    part: str = Field(description="catalogue, store, prefect or accounts.", examples=["catalogue"])
    works: bool = Field(description="Whether it works.")
    says: str | None = Field(
        None,
        description="What works, or what is wrong and what to do. Only for admins, and where nobody signs "
        "in: it may name servers.",
    )
    milliseconds: float = Field(description="How long the look at it took.")


class Health(BaseModel):
    """What was found of all parts."""

    works: bool = Field(description="Whether all of them work.")
    parts: list[PartHealth] = Field(description="Each part.")


class Checks:
    """Looks at the parts behind one application, and keeps what was found for a moment."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._found: dict[str, tuple[float, PartHealth]] = {}
        self._guards: dict[str, asyncio.Lock] = {}

    async def look(self, named: str, part: Part, use: Callable[[Registry], str]) -> PartHealth:
        """Look at one part, or tell what was found a moment ago."""
        key = f"{named} {part}"
        async with self._guards.setdefault(key, asyncio.Lock()):
            when, found = self._found.get(key, (0.0, None))
            if found is None or time.monotonic() - when > KEPT_S:
                found = await self._use(part, use)
                self._found[key] = time.monotonic(), found
        return found

    async def _use(self, part: Part, use: Callable[[Registry], str]) -> PartHealth:
        began = time.perf_counter()
        try:
            works, says = True, await asyncio.wait_for(asyncio.to_thread(use, self._registry), TIMEOUT_S)
        except TimeoutError:
            works, says = False, f"It does not answer within {TIMEOUT_S:g} s"
        except FairModelsError as error:
            works, says = False, str(error)
        except Exception as error:  # whatever a library raises is what is wrong with its part
            works, says = False, f"{type(error).__name__}: {error}"
        spent = round((time.perf_counter() - began) * 1000, 1)
        return PartHealth(part=part, works=works, says=one_line(says), milliseconds=spent)


def _catalogue(registry: Registry) -> str:
    next(iter(registry.catalog.search(BASE_MODELS, limit=1)), None)
    return "reads"


def _store(registry: Registry) -> str:
    place = registry.settings.store if registry.settings.store_is_a_bucket else registry.settings.store_folder
    registry.store.exists(f"{place}/health")
    return "answers"


def _prefect(registry: Registry) -> str:
    settings = registry.settings
    http = Http(settings.prefect_api_url, TIMEOUT_S / 2, pauses_s=(), auth=settings.prefect_auth)
    return f"version {http.get('/admin/version')} answers"


READY: dict[Part, Callable[[Registry], str]] = {
    "catalogue": _catalogue,
    "store": _store,
    "prefect": _prefect,
}
"""A question to each part that changes nothing."""

DETAILED: dict[Part, Callable[[Registry], str]] = {
    "catalogue": lambda registry: registry_places.catalogue(registry.settings),
    "store": lambda registry: registry_places.store(registry.settings),
    "prefect": _prefect,
}
"""Each part by using it: a file is put, fetched and deleted."""


def _accounts(request: Request) -> dict[Part, Callable[[Registry], str]]:
    """The database of accounts, where there are some."""
    database: LateDatabase = request.app.state.database

    def look(registry: Registry) -> str:
        database.open().ping()
        return "answers"

    return {} if registry_of(request).settings.web_auth == "off" else {"accounts": look}


@router.get("/live", summary="Whether the service lives")
async def live() -> Alive:
    """Answers whenever the process can; for the probe that starts it again."""
    return Alive()


@router.get(
    "/ready", summary="Whether the parts behind the service answer", responses={503: {"model": Health}}
)
async def ready(
    request: Request,
    caller: Annotated[Caller, Depends(caller_of)],
    part: Annotated[
        list[Part] | None,
        Query(description="Only these parts. Reading needs catalogue and store, runs need prefect too."),
    ] = None,
) -> JSONResponse:
    """503 says which part does not answer."""
    parts = READY | _accounts(request)
    return await _answer(
        request, "ready", {each: parts[each] for each in part or parts if each in parts}, caller
    )


@router.get(
    "/detailed", summary="Whether the parts behind the service work", responses={503: {"model": Health}}
)
async def detailed(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> JSONResponse:
    """Uses each part: 503 says which does not work, and admins are told why."""
    return await _answer(request, "detailed", DETAILED | _accounts(request), caller)


async def _answer(
    request: Request, named: str, uses: Mapping[Part, Callable[[Registry], str]], caller: Caller
) -> JSONResponse:
    checks: Checks = request.app.state.checks
    found = await asyncio.gather(*(checks.look(named, part, use) for part, use in uses.items()))
    tells = caller.is_admin or registry_of(request).settings.web_auth == "off"
    shown = [each if tells else each.model_copy(update={"says": None}) for each in found]
    health = Health(works=all(each.works for each in shown), parts=shown)
    status = 200 if health.works else 503
    return JSONResponse(health.model_dump(exclude_none=True), status, headers={"Cache-Control": "no-store"})
