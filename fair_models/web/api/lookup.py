"""What routes work on: the catalogue as the caller sees it, and the item that a name means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Path
from pystac import Item

from fair_models.catalog import names
from fair_models.catalog.items import tombstones, versions
from fair_models.errors import Conflict, NotFound
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId
from fair_models.web import links
from fair_models.web.access import READS
from fair_models.web.api.visible import VisibleCatalog
from fair_models.web.callers import Caller
from fair_models.web.registry import Registry, registry_of

MODELS: tuple[CollectionId, ...] = (LOCAL_MODELS, BASE_MODELS)

ID = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What names and ids are made of."""

Reference = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        pattern=ID,
        description="A name, which means its current version, or an exact id.",
        examples=["banepa-roofs", "banepa-roofs-v2"],
    ),
]
ItemName = Annotated[
    str,
    Path(min_length=1, max_length=200, pattern=ID, description="A name.", examples=["banepa-roofs"]),
]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of a version.", examples=[2])]

Base = Annotated[str, Depends(links.base_url)]
"""Root of the service as the caller reaches it."""

Whole = Annotated[Registry, Depends(registry_of)]
"""The whole registry. Items are read through `Seen` alone."""


def seen_by(registry: Whole, caller: Annotated[Caller, READS]) -> VisibleCatalog:
    """The catalogue as the caller sees it."""
    return VisibleCatalog(registry.catalog, caller)


Seen = Annotated[VisibleCatalog, Depends(seen_by)]


def model(reference: Reference, seen: Seen) -> Item:
    """The model that a path names. Raises NotFound, Conflict."""
    return named(seen, MODELS, reference)


def model_version(name: ItemName, number: Number, seen: Seen) -> Item:
    """The version of a model that a path names. Raises NotFound, Conflict."""
    return named(seen, MODELS, versions.item_id(name, number))


def dataset(reference: Reference, seen: Seen) -> Item:
    """The dataset that a path names. Raises NotFound."""
    return named(seen, (DATASETS,), reference)


def dataset_version(name: ItemName, number: Number, seen: Seen) -> Item:
    """The version of a dataset that a path names. Raises NotFound."""
    return named(seen, (DATASETS,), versions.item_id(name, number))


def named(seen: VisibleCatalog, places: Sequence[CollectionId], reference: str) -> Item:
    """The item that a name or an exact id means, without what names hidden ones.

    Raises:
        NotFound: There is none that the caller may see.
        Conflict: Two collections have it.
    """
    found = versions.known(seen, places, reference)
    if len(found) > 1:
        raise Conflict(names.ambiguous(reference, [f"{item.collection_id}/{item.id}" for item in found]))
    if not found:
        raise _missing(seen, places, reference)
    return seen.shown(found[0])


def all_versions(seen: VisibleCatalog, places: Sequence[CollectionId], name: str) -> list[Item]:
    """All versions of a name, by number.

    Raises:
        NotFound: There is none that the caller may see.
    """
    found = [item for place in places for item in seen.search(place, name=name, order="version")]
    if not found:
        raise _missing(seen, places, name)
    return [seen.shown(item) for item in found]


def _missing(seen: VisibleCatalog, places: Sequence[CollectionId], reference: str) -> NotFound:
    name, number = versions.split_id(reference)
    for place in places:
        for buried in seen.tombstones(place, name):
            if buried.id == reference:
                return NotFound(f"{place}/{reference} {tombstones.deletion(buried)}")
    known = [item.id for place in places for item in seen.search(place, name=name, order="version")]
    if known and number is None:
        return NotFound(f"{name} has no active version; name one exactly: {known[-1]}")
    if known:
        return NotFound(f"There is no {reference}; of {name} there are {', '.join(known[-5:])}")
    kind = "dataset" if places == (DATASETS,) else "model"
    return NotFound(f"There is no {kind} {reference}. {links.API}/{kind}s lists what there is")
