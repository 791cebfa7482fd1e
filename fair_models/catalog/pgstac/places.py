"""Where items of a catalogue in pgstac are found: at the API that serves them.

In the database, links between items are relative to the root of that API, which is how stac-fastapi takes
them: the API can move, and a copy of the database can be served elsewhere.
"""

from __future__ import annotations

import re

from pystac import Item

from fair_models.catalog.changes.documents import MALFORMED, made_item
from fair_models.errors import Corrupted
from fair_models.types import CollectionId, Json

_RELATIVE = re.compile(r"(?![A-Za-z][A-Za-z0-9+.-]*:|/|#).")


class Places:
    """Addresses under the root of an API.

    Args:
        root: E.g. "https://stac.example.org".
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    def collection_href(self, collection: CollectionId) -> str:
        """Address of a collection."""
        return f"{self.root}/collections/{collection}"

    def href(self, collection: CollectionId, item_id: str) -> str:
        """Address of an item."""
        return f"{self.collection_href(collection)}/items/{item_id}"

    def relative(self, document: Json) -> Json:
        """A document as it is stored."""
        start = f"{self.root}/"
        links = [{**link, "href": link["href"].removeprefix(start)} for link in document["links"]]
        return {**document, "links": links}

    def relative_href(self, href: str) -> str:
        """The address of a stored link as it is stored, without "./" or the root of the API before it."""
        return href.removeprefix(f"{self.root}/").removeprefix("./")

    def absolute(self, stored: Json) -> Json:
        """A stored document with absolute addresses."""
        links = [
            {**link, "href": f"{self.root}/{link['href'].removeprefix('./')}"}
            if _RELATIVE.match(link["href"])
            else dict(link)
            for link in stored["links"]
        ]
        return {**stored, "links": links}

    def item(self, stored: Json) -> Item:
        """The item of a stored document.

        Raises:
            Corrupted: The document is no STAC item.
        """
        try:
            collection, item_id = stored["collection"], stored["id"]
            document = self.absolute({**stored, "links": stored.get("links", [])})
            up = {"href": self.collection_href(collection), "type": "application/json"}
            document["links"] = [{"rel": "collection", **up}, {"rel": "parent", **up}, *document["links"]]
            return made_item(document, self.href(collection, item_id))
        except MALFORMED as error:
            raise Corrupted(
                f"{stored.get('collection')}/{stored.get('id')} in {self.root} is not a STAC item ({error}): "
                "put it back from a copy of the catalogue"
            ) from error
