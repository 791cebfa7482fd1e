"""The catalogue and the store that the flows work on: the blocks named "default", else the settings."""

from __future__ import annotations

from typing import TypeVar, cast

from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound

from blocks.local_catalog import LocalCatalog
from blocks.local_store import LocalStore
from fair_models import settings
from fair_models.catalog.protocol import Catalog
from fair_models.store.protocol import Store

B = TypeVar("B", bound=Block)


def open_catalog() -> Catalog:
    """The catalogue of this worker."""
    block = saved(LocalCatalog)
    if block is not None:
        return block.open()
    from fair_models.catalog import opening

    return opening.open_catalog(settings.current())


def open_store() -> Store:
    """The store of this worker."""
    block = saved(LocalStore)
    if block is not None:
        return block.open()
    from fair_models.store import opening

    return opening.open_store(settings.current())


def saved(kind: type[B]) -> B | None:
    """The block of this kind that is saved under the name "default", if there is one."""
    try:
        return cast(B, kind.load("default"))
    except ValueError as error:
        if isinstance(error.__cause__, ObjectNotFound):
            return None
        raise
