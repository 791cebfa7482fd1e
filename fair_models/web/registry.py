"""What every request works on: the catalogue, the store and the settings, opened once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from fair_models.catalog.opening import open_catalog
from fair_models.catalog.protocol import Catalog
from fair_models.settings import Settings
from fair_models.store.opening import open_store
from fair_models.store.protocol import Store


@dataclass(frozen=True)
class Registry:
    """The registry that one application serves."""

    catalog: Catalog
    store: Store
    settings: Settings

    @classmethod
    def open(cls, settings: Settings) -> Registry:
        """The registry of the settings. Nothing is made, and no server is asked, before it is used.

        Raises:
            Invalid: A setting names no place of a catalogue or store, or what it needs is not installed.
        """
        return cls(open_catalog(settings, stays_open=True), open_store(settings), settings)


def registry_of(connection: HTTPConnection) -> Registry:
    """The registry of a request: a dependency of routes."""
    return cast(Registry, connection.app.state.registry)
