"""Items and collections as the API serves them: with addresses of the service, and the fields asked for."""

from __future__ import annotations

from typing import Any

from fair_models.catalog.items.assets import RUNTIMES
from fair_models.catalog.search.query import LINK
from fair_models.types import Json
from fair_models.web import links
from fair_models.web.stac.asked import Fields

JSON, GEOJSON, SCHEMA = "application/json", "application/geo+json", "application/schema+json"

_WEB = ("http://", "https://")
_ALWAYS = frozenset({"type", "stac_version", "id", "collection"})
_REQUIRED = frozenset({"type", "id"})
"""What is served whatever is excluded: without it an answer could not be read at all."""


class Addresses:
    """Turns what a catalogue says of places into addresses of the service.

    Args:
        base: Root of the service.
        public_store: Public address of the files in the bucket, where there is one.
    """

    def __init__(self, base: str, public_store: str | None) -> None:
        self._base = base
        self._public_store = public_store

    def item(self, document: Json, fields: Fields = Fields()) -> Json:  # noqa: B008 - it is frozen
        """An item of `Catalog.find` as it is served."""
        collection, item_id = document["collection"], document["id"]
        address = links.stac_item(self._base, collection, item_id)
        parent = links.stac_collection(self._base, collection)
        made = [
            {"rel": "self", "href": address, "type": GEOJSON},
            {"rel": "parent", "href": parent, "type": JSON},
            {"rel": "collection", "href": parent, "type": JSON},
            {"rel": "root", "href": links.stac_root(self._base), "type": JSON},
        ]
        served = {
            **document,
            "links": [*made, *filter(None, map(self._link, document["links"]))],
            "assets": {
                key: self._asset(collection, item_id, key, asset) for key, asset in document["assets"].items()
            },
        }
        return chosen(served, fields)

    def collection(self, document: Json) -> Json:
        """A collection of `Catalog.describe` as it is served."""
        address = links.stac_collection(self._base, document["id"])
        root = links.stac_root(self._base)
        return {
            **document,
            "links": [
                {"rel": "self", "href": address, "type": JSON},
                {"rel": "parent", "href": root, "type": JSON},
                {"rel": "root", "href": root, "type": JSON},
                {"rel": "items", "href": f"{address}/items", "type": GEOJSON},
                {
                    "rel": "http://www.opengis.net/def/rel/ogc/1.0/queryables",
                    "href": f"{address}/queryables",
                    "type": SCHEMA,
                    "title": "Queryables",
                },
            ],
        }

    def _link(self, link: Json) -> Json | None:
        """A link that others can follow; None for one that leads to a place of this machine."""
        found = LINK.fullmatch(link["href"])
        if found:
            return {**link, "href": links.stac_item(self._base, found["collection"], found["id"])}
        return link if link["href"].startswith(_WEB) else None

    def _asset(self, collection: str, item_id: str, key: str, asset: Json) -> Json:
        shown = {name: value for name, value in asset.items() if name != "alternate"}
        if self._is_elsewhere(asset):
            return shown
        filename = links.filename_of(asset["href"])
        return {**shown, "href": links.asset(self._base, collection, item_id, key, filename)}

    def _is_elsewhere(self, asset: Json) -> bool:
        """Whether the service has nothing to download: a container image, or a file of somebody else."""
        href: str = asset["href"]
        if not RUNTIMES.isdisjoint(asset.get("roles") or ()):
            return True
        is_ours = self._public_store is not None and href.startswith(f"{self._public_store.rstrip('/')}/")
        return href.startswith(_WEB) and not is_ours


def chosen(document: Json, fields: Fields) -> Json:
    """The fields of an item that are wanted; an included one is there even where it is excluded too."""
    if not fields.included and not fields.excluded:
        return document
    found: Json = {}
    if fields.included:
        for path in sorted(fields.included | _ALWAYS):
            _copy(document, found, path.split("."))
    else:
        found = dict(document)
    for path in fields.excluded - _REQUIRED:
        if not any(each == path or each.startswith(f"{path}.") for each in fields.included):
            _drop(found, path.split("."))
    return found


def _copy(source: Json, target: Json, path: list[str]) -> None:
    """Copy one field, which may have dots in its name: "properties.fair:iou"."""
    head, rest = path[0], path[1:]
    whole = ".".join(path)
    if whole in source:
        target[whole] = source[whole]
    elif rest and isinstance(source.get(head), dict):
        inner: Any = target.setdefault(head, {})
        if inner is not source[head]:  # else all of it is there
            _copy(source[head], inner, rest)


def _drop(target: Json, path: list[str]) -> None:
    head, rest = path[0], path[1:]
    whole = ".".join(path)
    if whole in target:
        del target[whole]
    elif rest and isinstance(target.get(head), dict):
        target[head] = dict(target[head])
        _drop(target[head], rest)
