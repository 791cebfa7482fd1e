"""What items say of others that somebody does not see: it is left out of what they are shown."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from fair_models.catalog.items.lineage import PARENT_FIELDS
from fair_models.catalog.search.query import LINK
from fair_models.types import Json

Key = tuple[str, str]
"""Collection and id."""


def named(items: Sequence[Json]) -> set[Key]:
    """Items that documents of `Catalog.find` name, in links and in fields."""
    return {key for item in items for key in (*_linked(item), *_in_fields(item))}


def leave_out(items: Sequence[Json], there: Collection[Key], seen: Collection[Key]) -> None:
    """Take out what names hidden items, and links to items that are not there. The documents are changed.

    Args:
        items: Documents of `Catalog.find`.
        there: Items among those that they name that there are.
        seen: Those among them that are visible.
    """
    for item in items:
        hidden = {key for key in _in_fields(item) if key in there and key not in seen}
        item["links"] = [link for link in item["links"] if _leads(link) is None or _leads(link) in seen]
        for collection, _ in hidden:
            del item["properties"][PARENT_FIELDS[collection]]  # type: ignore[index]  # one of its keys


def _linked(item: Json) -> Iterator[Key]:
    return (key for link in item["links"] if (key := _leads(link)) is not None)


def _leads(link: Json) -> Key | None:
    found = LINK.fullmatch(link["href"])
    return (found["collection"], found["id"]) if found else None


def _in_fields(item: Json) -> Iterator[Key]:
    for collection, field in PARENT_FIELDS.items():
        value = item["properties"].get(field)
        if isinstance(value, str):
            yield collection, value
