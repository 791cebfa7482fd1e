"""What a name means to those who use models: the item that is published, or what is to be done first."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from pystac import Item

from fair_models.catalog import names
from fair_models.catalog.items import versions
from fair_models.catalog.protocol import Catalog
from fair_models.errors import FairModelsError, NotFound
from fair_models.settings import current
from fair_models.training.ledger import Ledger, ModelVersion, open_ledger
from fair_models.types import LOCAL_MODELS, CollectionId

OpenLedger = Callable[[], Ledger]
"""Opens the ledger. Only called where nothing is published: it is heavy, and may not be installed."""

_SHOWN = 5
"""How many versions a message names."""


def resolve(
    catalog: Catalog, collections: Sequence[CollectionId], reference: str, ledger: OpenLedger | None
) -> Item:
    """The item that a reference means, as `catalog.versions.resolve` finds it.

    Args:
        catalog: Where to look.
        collections: These are asked in their order.
        reference: A bare name (its current version) or an exact id.
        ledger: Where versions are that were trained and are not published. None: they are not asked for.

    Raises:
        NotFound: There is none. Of a model that was trained and is not published, says how to publish it;
            else names the nearest.
        Conflict: The reference means two models.
    """
    try:
        return versions.resolve(catalog, collections, reference)
    except NotFound as error:
        told = None
        if ledger is not None and LOCAL_MODELS in collections:
            told = unpublished(catalog, reference, ledger)
        if told is None:
            raise
        raise NotFound(told) from error


def unpublished(catalog: Catalog, reference: str, ledger: OpenLedger) -> str | None:
    """Why a model that was trained is not there, and how to publish it.

    Args:
        catalog: Where it may have been published, or deleted.
        reference: A bare name or an exact id.
        ledger: Where trained versions are.

    Returns:
        None where it was not trained, or where the catalogue knows more of it.
    """
    collection, wanted = names.split_reference(reference)
    if collection not in (None, LOCAL_MODELS):
        return None
    name, number = versions.split_id(wanted)
    if number is None and any(catalog.search(LOCAL_MODELS, name=name)):
        return None  # all its versions are archived
    if any(number in (None, versions.number_of(each)) for each in catalog.tombstones(LOCAL_MODELS, name)):
        return None
    trained = [each for each in _trained(name, ledger) if number in (None, each.number)]
    return _told(reference, trained) if trained else None


def ledger_here() -> Ledger:
    """The ledger of this machine, where anything was trained: to set one up takes long.

    Raises:
        NotFound: Nothing was.
    """
    settings = current()
    if not ((settings.home / "zenml").exists() or "ZENML_STORE_URL" in os.environ):
        raise NotFound("Nothing was trained here yet: fair-models finetune")
    return open_ledger(settings)


def _told(reference: str, trained: Sequence[ModelVersion]) -> str:
    completed = [each for each in trained if each.status == "completed"]
    if completed:
        newest = completed[-1]
        known = ", ".join(each.id for each in completed[-_SHOWN:])
        return (
            f"{reference} was trained ({known}) and is not published: promote it first: "
            f"fair-models promote {newest.model} --version {newest.number}"
        )
    states = ", ".join(f"{each.id} is {each.status}" for each in trained[-_SHOWN:])
    return (
        f"{reference} is not published: its training did not complete ({states}). Look at it: "
        f"fair-models versions {trained[-1].model}"
    )


def _trained(name: str, ledger: OpenLedger) -> Sequence[ModelVersion]:
    """Nothing where no ledger can be opened: predictions run without ZenML."""
    try:
        return ledger().versions(name)
    except (FairModelsError, ImportError):
        return ()
