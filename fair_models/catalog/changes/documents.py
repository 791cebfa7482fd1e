"""Items as plain JSON, as every adapter takes them in.

They are checked, their local addresses are absolute, and the links that follow from their place are left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pystac import Item, RelType, STACError, STACTypeError
from pystac.utils import make_absolute_href

from fair_models.catalog.items import collections
from fair_models.catalog.protocol import Change
from fair_models.errors import Invalid, InvalidItem
from fair_models.store.atomic import plain_json
from fair_models.types import Json

STRUCTURAL = frozenset({RelType.SELF, RelType.ROOT, RelType.PARENT, RelType.COLLECTION})
"""Links that follow from where an item lies; they are made, not kept."""

MALFORMED = (STACError, STACTypeError, LookupError, TypeError, ValueError, AttributeError)
"""What pystac raises over JSON that is not what it says it is."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|#")
_ITEM_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IMAGE_ROLES = frozenset({"mlm:training-runtime", "mlm:inference-runtime"})
_IMAGE_TYPES = ("application/vnd.oci.", "application/vnd.docker.")


@dataclass(frozen=True)
class Documents:
    """A change as plain JSON, with addresses still absolute."""

    put: Sequence[Json]
    tombstones: Sequence[Json]
    seen: Sequence[Json]


def prepare(change: Change) -> Documents:
    """The documents of a change.

    Raises:
        InvalidItem: An item cannot be stored.
        Invalid: The same item is named twice, or a tombstone is of none that is taken out.
    """
    keys = [(item.collection_id, item.id) for item in change.put] + list(change.remove)
    twice = sorted(
        {f"{collection}/{item_id}" for collection, item_id in keys if keys.count((collection, item_id)) > 1}
    )
    if twice:
        raise Invalid(f"A change names {', '.join(twice)} more than once: put or remove each item once")
    stray = [item.id for item in change.tombstones if (item.collection_id, item.id) not in set(change.remove)]
    if stray:
        raise Invalid(f"A change has tombstones of what it does not take out: {', '.join(stray)}")
    for item in change.put:
        if item.collection_id not in collections.COLLECTIONS:
            raise InvalidItem(
                item.id,
                [f"its collection {item.collection_id!r} is none of {', '.join(collections.COLLECTIONS)}"],
            )
        check_id(item.id)
    return Documents(
        *([to_document(item) for item in of] for of in (change.put, change.tombstones, change.seen))
    )


def check_id(item_id: str) -> None:
    """Refuse an id that cannot be the name of a file or a part of an address.

    Raises:
        InvalidItem: It is one.
    """
    if not _ITEM_ID.fullmatch(item_id) or len(item_id) > 200:
        raise InvalidItem(item_id, ["an id has letters, digits, '.', '_' and '-', at most 200 of them"])


def to_document(item: Item) -> Json:
    """An item as plain JSON, with local addresses still absolute and without structural links.

    Raises:
        InvalidItem: It holds what is not JSON, or a link to an object that has no address.
    """
    try:
        document: Json = plain_json(item.to_dict(include_self_link=False, transform_hrefs=False))
    except (STACError, ValueError, Invalid) as error:
        raise InvalidItem(item.id, [str(error)]) from error
    document["links"] = [link for link in document["links"] if link["rel"] not in STRUCTURAL]
    lost = [link["rel"] for link in document["links"] if not link["href"]]
    if lost:
        raise InvalidItem(item.id, [f"its link {rel} leads to an object without an address" for rel in lost])
    if self_href := item.get_self_href():
        change_hrefs(
            document, lambda href: href if os.path.isabs(href) else make_absolute_href(href, self_href)
        )
    return document


def made_item(document: Json, href: str) -> Item:
    """The item of a document whose addresses are absolute. The document is used up.

    Args:
        document: As it was stored.
        href: Where the item lies.

    Raises:
        STACError, STACTypeError, LookupError, TypeError, ValueError, AttributeError: It is no STAC item; see
            `MALFORMED`.
    """
    # No root: pystac would read it to make other links relative again as soon as the item becomes a dict.
    made = {RelType.SELF, RelType.ROOT}
    document["links"] = [link for link in document["links"] if link["rel"] not in made]
    properties = document["properties"]
    if not isinstance(properties, dict):
        raise TypeError("properties should be an object")
    times = {k: properties[k] for k in ("datetime", "start_datetime", "end_datetime") if k in properties}
    # Times alone: pystac warns of each item whose properties say `deprecated`, and here most are.
    item = Item.from_dict({**document, "properties": times}, href=href, migrate=False, preserve_dict=False)
    item.properties = properties
    return item


def change_hrefs(document: Json, change: Callable[[str], str]) -> None:
    """Change the local addresses of assets and links in place. Schemes and image references stay."""
    for asset in document["assets"].values():
        if not _is_image(asset):
            asset["href"] = _changed(asset["href"], change)
    for link in document["links"]:
        link["href"] = _changed(link["href"], change)


def _changed(href: str, change: Callable[[str], str]) -> str:
    return href if not href or _SCHEME.match(href) else change(href)


def _is_image(asset: Json) -> bool:
    """Whether the asset's href is a container image, which looks like a path and is none."""
    return not _IMAGE_ROLES.isdisjoint(asset.get("roles") or ()) or (asset.get("type") or "").startswith(
        _IMAGE_TYPES
    )
