"""The store that the settings name."""

from __future__ import annotations

from fair_models.settings import Settings
from fair_models.store.local import LocalStore
from fair_models.store.protocol import Store


def open_store(settings: Settings) -> Store:
    """The store of this machine. Nothing is made on disk before something is put."""
    return LocalStore(settings.store_folder)
