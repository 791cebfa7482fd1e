"""Cards of models and datasets as Markdown."""

from __future__ import annotations

from typing import Any, Final

from pystac import Item

from fair_models.reports import cards
from fair_models.store.protocol import Store
from fair_models.types import DATASETS

MARKDOWN: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Markdown", "content": {"text/markdown": {"schema": {"type": "string"}}}}
}
"""How routes describe what they answer."""


def markdown(item: Item, store: Store) -> bytes:
    """The card of an item. Raises as the store does where the item has a card of its own."""
    text = (
        cards.of_dataset(item).markdown if item.collection_id == DATASETS else cards.model_card(item, store)
    )
    return text.encode()
