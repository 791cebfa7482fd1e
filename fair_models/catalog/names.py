"""One name, one thing: base models and local models share their names, since one reference may mean either.

A dataset may be called like a model: whatever takes a reference takes models or datasets, never both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from fair_models import ownership
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Conflict
from fair_models.types import BASE_MODELS, LOCAL_MODELS, CollectionId

MODELS: tuple[CollectionId, ...] = (LOCAL_MODELS, BASE_MODELS)
"""Collections that share their names."""


def rivals(collection: str) -> tuple[CollectionId, ...]:
    """The other collections that may not have a name that this one has."""
    return tuple(each for each in MODELS if each != collection) if collection in MODELS else ()


def require_free(catalog: Catalog, collection: CollectionId, name: str) -> None:
    """See early that a name can be published in a collection. The commit looks again.

    Raises:
        Conflict: A model of the other kind has it.
    """
    for other in rivals(collection):
        found = list(catalog.search(other, name=name, order="version"))
        if found:
            ownership.require_own(found[-1].properties)
            raise Conflict(taken(collection, name, other, [item.id for item in found]))


def taken(collection: CollectionId, name: str, other: CollectionId, ids: Sequence[str]) -> str:
    """Why a name cannot be published, and what to do.

    Args:
        collection: Where it was to be published.
        name: The name.
        other: Who has it.
        ids: What has it.
    """
    kind = "a base model" if other == BASE_MODELS else "a local model"
    cure = (
        f"train under another name, for example: fair-models finetune BASE DATASET {name}-2"
        if collection == LOCAL_MODELS
        else f"give the base model another mlm:name, or delete the local model: fair-models retire {name} "
        f"--collection {LOCAL_MODELS} --delete"
    )
    return (
        f"{name} is the name of {kind} already ({other}/{ids[-1]}), and one name means one model, so nothing "
        f"of that name can come into {collection}; {cure}"
    )


def split_reference(reference: str) -> tuple[CollectionId | None, str]:
    """Collection and the rest of a reference: ("base-models", "unet") for "base-models/unet".

    The collection is None where the reference names none.
    """
    before, slash, after = reference.rpartition("/")
    found: CollectionId | None = next((each for each in get_args(CollectionId) if each == before), None)
    return (found, after) if slash and found else (None, reference)


def ambiguous(reference: str, found: Sequence[str]) -> str:
    """Why a reference cannot be taken, and how to say which is meant.

    Args:
        reference: As it was given.
        found: What it may mean, e.g. ["base-models/unet-v1", "local-models/unet-v1"].
    """
    return f"{reference} means {' and '.join(found)}; say which one, for example: {found[0]}"
