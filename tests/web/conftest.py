"""A service over an empty local registry, and databases of each kind: a file of SQLite, and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from fair_models.settings import Settings, current
from fair_models.web.app import create_app
from fair_models.web.database.database import Database
from fair_models.web.database.opening import open_database
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


@pytest.fixture(params=["sqlite", "postgresql"])
def web_settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a database of their own, empty."""
    if request.param == "postgresql":
        monkeypatch.setenv("FAIR_WEB_DATABASE_URL", request.getfixturevalue("empty_url"))
    else:
        monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    return current()


@pytest.fixture
def database(web_settings: Settings) -> Iterator[Database]:
    """A database of each kind, with its tables."""
    opened = open_database(web_settings)
    yield opened
    opened.close()


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database in a file, for what no database does differently."""
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    opened = open_database(current())
    yield opened
    opened.close()
