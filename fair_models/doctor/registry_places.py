"""The store, the catalogue and the official schemas."""

from __future__ import annotations

import uuid
from itertools import islice

from fair_models.catalog.opening import open_catalog
from fair_models.catalog.schemas import cache, extensions
from fair_models.catalog.schemas import official as schemas
from fair_models.errors import Corrupted, FairModelsError, Invalid
from fair_models.settings import Settings
from fair_models.store.opening import open_store
from fair_models.types import BASE_MODELS


def store(settings: Settings) -> str:
    """Put a file, fetch it and take it away again."""
    opened = open_store(settings)
    content = f"fair-models doctor {uuid.uuid4()}".encode()
    stored = opened.put(f"doctor/{uuid.uuid4().hex}.txt", content)
    try:
        if opened.fetch(stored.href, stored.checksum).read_bytes() != content:
            raise Corrupted(f"{stored.href} comes back with other bytes than were put: look at the store")
    finally:
        opened.delete(stored.href)
    if opened.exists(stored.href):
        raise FairModelsError(f"{stored.href} was deleted and is still there: allow the store to delete")
    return f"put, fetched and deleted a file in {stored.href.rpartition('/doctor/')[0]}"


def catalogue(settings: Settings) -> str:
    """Read an item and the address of one."""
    opened = open_catalog(settings)
    found = list(islice(opened.search(BASE_MODELS), 1))
    place = opened.href(BASE_MODELS, "x").partition(f"/{BASE_MODELS}")[0].removesuffix("/collections")
    return f"reads {place}{'' if found else ', which has no model yet'}"


def official_schemas(settings: Settings) -> str:
    """Have the schema of each extension that our items use, from the cache or the web."""
    folder = settings.schema_folder
    missing = schemas.check({"stac_extensions": [*extensions.USED]}, folder).unchecked
    missing = [address for address in missing if address not in settings.allowed_extensions]
    if not missing:
        return f"all {len(extensions.USED)} that our items use are there"
    if settings.official_schemas == "required":
        again = f"{cache.RETRY_AFTER_S / 60:.0f} minutes"
        raise Invalid(
            f"{len(missing)} are required and neither cached in {folder} nor reachable: "
            f"{', '.join(missing)}. Put them there as their addresses without https://, or let this machine "
            f"reach them (it asks again after {again})"
        )
    return (
        f"{len(missing)} of {len(extensions.USED)} are not to be had, so that items are checked without them"
    )
