"""Small items, and each adapter of the catalogue with nothing in it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from pystac import Item

from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.pgstac.catalog import PgstacCatalog
from fair_models.catalog.protocol import Catalog
from tests.catalog.small_items import small_item

ADAPTERS = ("local", "pgstac")
API = "https://stac.example.org"

MakeItem = Callable[..., Item]


@pytest.fixture(scope="session")
def make_item() -> MakeItem:
    """A small item: make_item("roofs-v1"), with further properties by keyword."""
    return small_item


@pytest.fixture
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Catalog:
    """An empty catalogue of the adapter that the test is given."""
    if request.param == "local":
        return LocalCatalog(tmp_path / "catalog")
    return PgstacCatalog(SecretStr(request.getfixturevalue("shared_pgstac_url")), API)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for `catalog` runs with every adapter."""
    if "catalog" in metafunc.fixturenames and not any(
        "catalog" in str(mark.args[:1]) for mark in metafunc.definition.iter_markers("parametrize")
    ):
        metafunc.parametrize("catalog", ADAPTERS, indirect=True)
