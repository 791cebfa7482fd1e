"""Refuses a wrong request before a run is created, if this machine sees the registry of the workers."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

from pydantic import BaseModel

from fair_models.client import Client
from fair_models.errors import Conflict, FairModelsError, Invalid, NotFound, Unavailable
from fair_models.params import Params
from fair_models.settings import Settings, current

CATALOG_BLOCKS = ("fair-models-local-catalog", "fair-models-pgstac-catalog")
"""If one of these is saved as "default" on the server, workers use its catalogue, not the settings."""

_HERE = frozenset({"127.0.0.1", "localhost", "::1"})


def look(params: BaseModel, client: Client) -> None:
    """Check a request with the code that its flow runs first; see `fair_models.prechecks`.

    A request that cannot be checked here passes: the flow checks it.

    Raises:
        FairModelsError: The error that the flow would end with.
    """
    settings = current()
    folder = None if "://" in settings.catalog.get_secret_value() else settings.catalog_folder
    if not isinstance(params, Params) or (folder is not None and not folder.is_dir()):
        return
    here = _workers_are_here(settings)
    if folder is not None and not here and _server_answers(client):
        return
    from fair_models import prechecks
    from fair_models.catalog.opening import open_catalog

    with suppress(Unavailable):
        try:
            prechecks.check(params, open_catalog(settings), files=here)
        except (Invalid, NotFound, Conflict):
            if not _has_catalog_of_its_own(client):
                raise


def _workers_are_here(settings: Settings) -> bool:
    """Whether the workers were started by `fair-models up` over this home: paths mean the same to them."""
    host = urlsplit(settings.prefect_api_url).hostname
    return host in _HERE and any(settings.run_folder.glob("worker-*.json"))


def _server_answers(client: Client) -> bool:
    try:
        client.deployments()
    except FairModelsError:
        return False
    return True


def _has_catalog_of_its_own(client: Client) -> bool:
    try:
        return any(client.has_block(slug) for slug in CATALOG_BLOCKS)
    except FairModelsError:  # nothing can be started there anyway
        return False
