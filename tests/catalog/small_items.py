"""Small items. A module of its own, so that other processes can import it."""

from datetime import UTC, datetime
from typing import Any

from pystac import Asset, Item, Link

BOX = [85.5189, 27.6299, 85.5231, 27.6343]


def square(box: list[float]) -> dict[str, Any]:
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def small_item(
    item_id: str = "roofs-v1",
    collection: str = "local-models",
    *,
    box: list[float] | None = None,
    when: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC),
    **properties: Any,
) -> Item:
    """An item with the few fields that a catalogue needs, and further properties by keyword."""
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
