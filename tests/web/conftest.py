"""A service over an empty local registry."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from fair_models.settings import Settings
from fair_models.web.app import create_app
from fair_models.web.registry import Registry
from tests.services import free_port
from tests.web.serving import serving


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a registry of this test alone, with nothing at the address of its Prefect server."""
    return Settings(home=tmp_path, prefect_port=free_port())


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(Registry.open(settings))


@pytest.fixture
def http(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of the running service."""
    with serving(app) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client
