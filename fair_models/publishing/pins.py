"""Pin a version, so that nothing deletes it: in its item where it is published, else in ZenML."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import cast

from pystac import Item

from fair_models.catalog.changes import transitions
from fair_models.catalog.changes.edits import Effect
from fair_models.catalog.items import pins, tombstones, versions
from fair_models.catalog.items.building import timestamp
from fair_models.catalog.items.pins import Pin
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Conflict, NotFound
from fair_models.params import PinParams
from fair_models.publishing.commit import Plan, PlanListener, ignore_plan
from fair_models.training.ledger import Ledger, ModelVersion
from fair_models.types import LOCAL_MODELS, CollectionId

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pinned:
    """What became of it.

    item: Exact id of the version.
    pin: Its pin now. None where it has none any more.
    published: Whether the pin is in an item; else in ZenML.
    effects: What was changed; none where all was so already.
    """

    item: str
    pin: Pin | None
    published: bool
    effects: tuple[Effect, ...]


def pin(params: PinParams, catalog: Catalog, ledger: Ledger, tell: PlanListener = ignore_plan) -> Pinned:
    """Pin a version, or take its pin off. The same again changes nothing.

    A run that is pinned in ZenML keeps its pin when it is published.

    Args:
        params: Which version, why, and who says so.
        catalog: Where it may be published.
        ledger: Where versions of local models are that are not.
        tell: Takes the plan before anything is changed.

    Raises:
        NotFound: There is no such version, published or not.
        Conflict: Somebody else changed it meanwhile.
    """
    wanted = None
    if params.pinned:
        wanted = Pin(params.reason, params.by, timestamp(transitions.now()))
    item_id = versions.item_id(params.name, params.version)
    with catalog.exclusive(params.collection, params.name):
        item = versions.exact(catalog, params.collection, item_id)
        version = _version(params, catalog, ledger, item)
        before = (pins.of(item) if item is not None else None) or (version.pin if version else None)
        if wanted is not None and before is not None:
            wanted = before if replace(wanted, at=before.at) == before else wanted
        label = f"{params.collection}/{item_id}" if item is not None else f"ZenML {item_id}"
        effects = (
            () if wanted == before else (Effect(label, wanted.sentence if wanted else "is pinned no more"),)
        )
        tell(Plan(f"{'pin' if wanted else 'unpin'} {item_id}", effects))
        if effects:
            _write(item, version, wanted, catalog, ledger)
            logger.info("%s %s (%s, %s)", label, effects[0].effect, params.by, params.reason)
        return Pinned(item_id, wanted, item is not None, effects)


def pin_published(catalog: Catalog, item: Item, reason: str | None, by: str) -> Item:
    """Pin a published version, or take its pin off. The same again changes nothing.

    Args:
        catalog: Where it is published.
        item: The version as it was read.
        reason: Why it is kept, in a sentence. None: it is no more.
        by: Who says so.

    Returns:
        The version as the catalogue has it now.

    Raises:
        Conflict: Somebody else changed it meanwhile.
    """
    before = pins.of(item)
    wanted = None if reason is None else Pin(reason, by, timestamp(transitions.now()))
    if wanted is not None and before is not None and replace(wanted, at=before.at) == before:
        wanted = before
    if wanted != before:
        catalog.commit(transitions.pinning(item, wanted))
        logger.info(
            "%s/%s %s (%s)", item.collection_id, item.id, "is pinned" if wanted else "is pinned no more", by
        )
    return catalog.get(cast(CollectionId, item.collection_id), item.id)


def refuse(items: Sequence[Item], unpublished: Sequence[ModelVersion]) -> None:
    """Nothing that is pinned is deleted.

    Raises:
        Conflict: Some of them are; says by whom and why.
    """
    found = {item.id: pins.of(item) for item in items} | {each.id: each.pin for each in unpublished}
    kept = [f"{name} is {each.sentence}" for name, each in found.items() if each is not None]
    if kept:
        raise Conflict(
            f"Nothing was deleted: {'; '.join(kept)}. Ask them, then take the pin off: fair-models unpin"
        )


def require_published(params: PinParams, catalog: Catalog) -> None:
    """What a request to pin needs of the catalogue.

    Raises:
        NotFound: The version was deleted, or it is not published and of a collection where all versions are.
    """
    item_id = versions.item_id(params.name, params.version)
    if params.collection != LOCAL_MODELS:
        catalog.get(params.collection, item_id)
        return
    if versions.exact(catalog, params.collection, item_id) is not None:
        return
    for buried in catalog.tombstones(LOCAL_MODELS, params.name):
        if buried.id == item_id:
            raise NotFound(f"{item_id} {tombstones.deletion(buried)}: there is nothing to pin")


def _version(params: PinParams, catalog: Catalog, ledger: Ledger, item: Item | None) -> ModelVersion | None:
    """What ZenML has of it; None where it need not have it."""
    if params.collection == LOCAL_MODELS:
        if item is not None:
            with suppress(NotFound):
                return ledger.get(params.name, params.version)
            return None
        require_published(params, catalog)
        return ledger.get(params.name, params.version)
    require_published(params, catalog)
    return None


def _write(
    item: Item | None, version: ModelVersion | None, wanted: Pin | None, catalog: Catalog, ledger: Ledger
) -> None:
    """The item is what counts where there is one; a pin that is taken off goes from ZenML too."""
    if item is not None:
        catalog.commit(transitions.pinning(item, wanted))
    if version is not None and (item is None or (wanted is None and version.pin is not None)):
        ledger.set_pin(version.model, version.number, wanted)
