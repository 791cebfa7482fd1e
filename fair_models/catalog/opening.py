"""The catalogue that the settings name."""

from __future__ import annotations

from fair_models.catalog.local import LocalCatalog
from fair_models.catalog.protocol import Catalog
from fair_models.settings import Settings


def open_catalog(settings: Settings) -> Catalog:
    """The catalogue of this machine. Nothing is made on disk before something is committed."""
    return LocalCatalog(settings.catalog_folder)
