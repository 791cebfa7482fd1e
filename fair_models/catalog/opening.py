"""The catalogue that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Invalid
from fair_models.settings import Settings

if TYPE_CHECKING:
    from fair_models.catalog.pgstac.catalog import PgstacCatalog

_DATABASES = ("postgresql://", "postgres://")


def open_catalog(settings: Settings, *, stays_open: bool = False) -> Catalog:
    """The catalogue that the settings name. Nothing is made before something is committed.

    Args:
        settings: Where it is.
        stays_open: Whether it is asked all the time, so that connections to it are kept.

    Raises:
        Invalid: The setting names no place of a catalogue, or what it needs is not installed.
    """
    return open_at(settings.catalog, settings, stays_open=stays_open)


def open_at(place: SecretStr, settings: Settings, *, stays_open: bool = False) -> Catalog:
    """The catalogue of a place.

    Args:
        place: A folder, or postgresql://user:password@host/name. Empty: the folder of the settings.
        settings: What else is known, such as the API that serves it.
        stays_open: Whether connections to it are kept. Those to a database always are.

    Raises:
        Invalid: It is none of these, or what it needs is not installed.
    """
    said = place.get_secret_value()
    if said.startswith(_DATABASES):
        return open_pgstac(place, settings)
    if "://" in said:
        raise Invalid(
            "A catalogue is a folder or postgresql://user:password@host/name, and not "
            f"{said.partition(':')[0]}://"
        )
    return LocalCatalog(Path(said) if said else settings.catalog_folder, stays_open=stays_open)


def name_of(catalog: Catalog) -> str:
    """Which catalogue it is, for people: its folder, or host:port/name of its database. Never a password."""
    database = getattr(catalog, "database", None)
    return str(getattr(catalog, "root", "") if database is None else database.address)


def open_pgstac(place: SecretStr, settings: Settings) -> PgstacCatalog:
    """The catalogue of a database.

    Raises:
        Invalid: It is no address of a database, or psycopg is not installed.
    """
    if not place.get_secret_value().startswith(_DATABASES):
        raise Invalid(
            "This needs a catalogue in pgstac: set FAIR_CATALOG to postgresql://user:password@host/name"
        )
    try:
        from fair_models.catalog.pgstac.catalog import PgstacCatalog
    except ImportError as error:
        raise Invalid(
            f"A catalogue in pgstac needs what is not installed ({error.name}): "
            "pip install 'fair-models[pgstac]'"
        ) from error
    return PgstacCatalog(place, settings.catalog_api_url)
