"""How an audit reads a catalogue: one broken file is a finding, and the rest is looked at all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import orjson
from pystac import Item

from fair_models.catalog.changes.documents import STRUCTURAL
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.local.layout import item_path, to_item
from fair_models.catalog.local.survey import Survey, SurveyedFile, is_absolute, survey
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Corrupted, InvalidItem
from fair_models.types import CollectionId, Json


class Reading:
    """The catalogue as it was at one moment.

    Of a catalogue in a folder the files themselves are read, past its index; of others what they give.

    Args:
        catalog: What to read.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.survey: Survey | None = survey(catalog.root) if isinstance(catalog, LocalCatalog) else None

    def items(self, collection: CollectionId) -> Iterator[tuple[Item, tuple[str, ...]]]:
        """Each item, with absolute addresses, and the relations of its structural links that are absolute."""
        if self.survey is None:
            yield from ((item, ()) for item in self._catalog.search(collection))
            return
        for file in self.survey.items:
            item = self._item(file) if file.collection == collection else None
            if item is not None:
                yield item, _absolute(orjson.loads(file.data))

    def tombstones(self, collection: CollectionId) -> Iterator[Item]:
        """What stays of deleted items."""
        if self.survey is None:
            yield from self._catalog.tombstones(collection)
            return
        for file in self.survey.tombstones:
            item = self._item(file) if file.collection == collection else None
            if item is not None:
                yield item

    def href(self, collection: CollectionId, item_id: str) -> str:
        """The address that an item has or would have."""
        if self.survey is None:
            return self._catalog.href(collection, item_id)
        try:
            return str(self.survey.root / item_path(collection, item_id))
        except InvalidItem:
            return item_id  # no item can be called so

    def _item(self, file: SurveyedFile) -> Item | None:
        found = cast(Survey, self.survey)
        try:
            return to_item(orjson.loads(file.data), found.root, file.path)
        except Corrupted as error:
            found.broken[file.path] = str(error.__cause__ or error)
            return None


def _absolute(document: Json) -> tuple[str, ...]:
    return tuple(
        str(link["rel"])
        for link in document["links"]
        if link["rel"] in STRUCTURAL and is_absolute(link["href"])
    )
