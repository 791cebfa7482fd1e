"""Services over a small registry: in folders, and in PostgreSQL and a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from fair_models.settings import Settings
from fair_models.web.app import create_app
from fair_models.web.registry import Registry
from tests.services import free_port
from tests.store import s3_server
from tests.web.api.sites import Site, fill
from tests.web.serving import serving

PLACES = ("folders", "servers")


@contextmanager
def _registry(request: pytest.FixtureRequest, home: Path) -> Iterator[Registry]:
    settings = Settings(home=home, prefect_port=free_port())
    if request.param == "folders":
        yield Registry.open(settings)
        return
    postgres = request.getfixturevalue("postgres")
    with s3_server.environment(request.getfixturevalue("s3_endpoint")):
        url = postgres.catalog()
        hosted = {
            "store": f"s3://{s3_server.make_bucket()}/fair",
            "catalog": Settings(home=home, catalog=url).catalog,
            "catalog_api_url": "https://stac.example.org",
        }
        yield Registry.open(settings.model_copy(update=hosted))
        postgres.drop(url)


@contextmanager
def _site(registry: Registry) -> Iterator[Site]:
    fill(registry)
    with serving(create_app(registry)) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield Site(registry, client)


@pytest.fixture(scope="module", params=PLACES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service over a small registry that no test changes."""
    with _registry(request, tmp_path_factory.mktemp("home")) as registry, _site(registry) as running:
        yield running


@pytest.fixture(params=PLACES)
def own_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A service over a small registry of one test alone."""
    with _registry(request, tmp_path) as registry, _site(registry) as running:
        yield running
