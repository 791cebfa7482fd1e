"""Small items, and each adapter of the catalogue with nothing in it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pystac import Asset, Item, Link

from fair_models.catalog.local import LocalCatalog
from fair_models.catalog.protocol import Catalog

ADAPTERS: dict[str, Callable[[Path], Catalog]] = {"local": lambda folder: LocalCatalog(folder / "catalog")}

BOX = [85.5189, 27.6299, 85.5231, 27.6343]

MakeItem = Callable[..., Item]


def square(box: list[float]) -> dict[str, Any]:
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


@pytest.fixture(scope="session")
def make_item() -> MakeItem:
    """A small item: make_item("roofs-v1"), with further properties by keyword."""

    def make(
        item_id: str = "roofs-v1",
        collection: str = "local-models",
        *,
        box: list[float] | None = None,
        when: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC),
        **properties: Any,
    ) -> Item:
        said = {"version": item_id.rpartition("-v")[2], "deprecated": False, "keywords": ["building"]}
        said |= (
            {"label:tasks": ["segmentation"]}
            if collection == "datasets"
            else {"mlm:tasks": ["semantic-segmentation"]}
        )
        said |= properties
        item = Item(item_id, square(box or BOX), box or BOX, when, said, collection=collection)
        item.add_asset("model", Asset(f"/far/away/{item_id}.onnx", roles=["mlm:model"]))
        item.add_link(Link("license", "https://example.org/licence"))
        return item

    return make


@pytest.fixture
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Catalog:
    """An empty catalogue of the adapter that the test is given."""
    return ADAPTERS[request.param](tmp_path)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for `catalog` runs with every adapter."""
    if "catalog" in metafunc.fixturenames and not any(
        "catalog" in str(mark.args[:1]) for mark in metafunc.definition.iter_markers("parametrize")
    ):
        metafunc.parametrize("catalog", ADAPTERS, indirect=True)
