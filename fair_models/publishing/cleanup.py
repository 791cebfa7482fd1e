"""Deletes what nobody needs: old training runs, unless published or pinned, and files that no item names."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pystac import Item

from fair_models.catalog.changes import transitions
from fair_models.catalog.items import assets, versions
from fair_models.catalog.items.collections import COLLECTIONS
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Invalid, NotFound
from fair_models.ingestion import cut_folder
from fair_models.params import CleanRunsParams
from fair_models.store.protocol import Store
from fair_models.training.ledger import Ledger, ModelVersion
from fair_models.types import LOCAL_MODELS

logger = logging.getLogger(__name__)

YOUNG = "not old enough"

KEY = re.compile(rf"(?:^|/)(({'|'.join(COLLECTIONS)})/([^/]+)/v[0-9]+/[^/]+)$")
"""How addresses of stored files end: the key, the collection in it, and the name."""


@dataclass(frozen=True)
class CleanupDecision:
    """A version, and why it stays; empty where it goes."""

    version: ModelVersion
    stays: str = ""


@dataclass(frozen=True)
class Cleaned:
    """What became of it.

    decisions: All versions that were looked at, by model and number.
    models: How many models they are of.
    """

    decisions: Sequence[CleanupDecision]
    models: int

    @property
    def deleted(self) -> list[ModelVersion]:
        """Versions that were deleted, or would be in a dry run."""
        return [each.version for each in self.decisions if not each.stays]

    @property
    def kept(self) -> Mapping[str, int]:
        """How many stay, by the reason in one word."""
        return Counter(each.stays.partition(" by ")[0] for each in self.decisions if each.stays)


def clean_runs(
    params: CleanRunsParams, catalog: Catalog, ledger: Ledger, now: datetime | None = None
) -> Cleaned:
    """Delete old runs in bulk, or in a dry run say which they are.

    Each model is held while it is looked at and cleaned, so that nothing is published meanwhile. Deleted are
    the version, its run with all files that it left, and its run in MLflow; the numbers are not used again.
    Chips of interrupted cuts that expired go too.
    Run it again to resume after an interruption.

    Args:
        params: How old, how many stay, of which models.
        catalog: Where versions may be published.
        ledger: Where runs are deleted.
        now: What age is counted from. Default: now.

    Raises:
        NotFound: A model that was named does not exist.
        Unavailable: A model is held by somebody else for too long. The log tells what was deleted before.
    """
    require_models(params, ledger)
    before = (now or transitions.now()) - timedelta(days=params.older_than_days)
    if not params.dry_run:
        cut_folder.take_away_expired(now)
    names = params.models or ledger.models()
    decisions: list[CleanupDecision] = []
    for model in names:
        with catalog.exclusive(LOCAL_MODELS, model):
            try:
                found = ledger.versions(model)
            except NotFound:
                continue  # its last version went meanwhile
            looked_at = list(_decide(found, _published(catalog, model), before, params.keep_last))
            if not params.dry_run:
                _delete(ledger, found, [each.version for each in looked_at if not each.stays])
            decisions += looked_at
    return Cleaned(decisions, len(names))


def require_models(params: CleanRunsParams, ledger: Ledger) -> None:
    """All models that a request names exist.

    Raises:
        NotFound: One does not.
    """
    for model in params.models:
        ledger.versions(model)


def _decide(
    found: Sequence[ModelVersion], published: set[str], before: datetime, keep_last: int
) -> Iterator[CleanupDecision]:
    """Why each version stays, the strongest reason first."""
    newest = sorted((each.number for each in found), reverse=True)[:keep_last]
    for version in found:
        if version.status == "running":
            yield CleanupDecision(version, "running")
        elif version.id in published:
            yield CleanupDecision(version, "published")
        elif version.stage == "production":
            yield CleanupDecision(version, "in production")
        elif version.pin is not None:
            yield CleanupDecision(version, version.pin.sentence)
        elif version.created >= before:
            yield CleanupDecision(version, YOUNG)
        elif version.number in newest:
            yield CleanupDecision(version, "among the newest")
        else:
            yield CleanupDecision(version)


def _published(catalog: Catalog, model: str) -> set[str]:
    """Ids of all versions that are or were published: of the latter ZenML follows the catalogue."""
    items = [item.id for item in catalog.search(LOCAL_MODELS, name=model)]
    return {*items, *(each.id for each in catalog.tombstones(LOCAL_MODELS, model))}


def _delete(ledger: Ledger, found: Sequence[ModelVersion], doomed: Sequence[ModelVersion]) -> None:
    """Delete versions of one model. ZenML numbers by the largest that there is, so one is kept in use."""
    largest = max((each.number for each in found), default=0)
    if any(each.number == largest for each in doomed):
        ledger.reserve(doomed[0].model, largest + 1)
    for version in doomed:
        ledger.delete(version.model, version.number, with_run=True)
        logger.info(
            "deleted %s with its run %s", versions.item_id(version.model, version.number), version.run_id
        )


def key_of(href: str) -> str:
    """What stays of an address when the store moves, or gets a public address: its key.

    Files are told apart by it, so that none is taken for unnamed because items call it by another address.

    Args:
        href: The address. One that does not end with a key of the registry is its own.
    """
    found = KEY.search(href)
    return found.group(1) if found else href


def referenced(catalog: Catalog, but: Collection[tuple[str | None, str]] = ()) -> set[str]:
    """Addresses of all files that items name.

    Args:
        catalog: Its items.
        but: Items that do not count, by collection and id.
    """
    return {
        assets.address(asset)
        for collection in COLLECTIONS
        for item in catalog.search(collection)
        if (item.collection_id, item.id) not in but
        for asset in item.assets.values()
    }


def unnamed(catalog: Catalog, store: Store, hrefs: Iterable[str], without: Sequence[Item] = ()) -> list[str]:
    """Those of some files that lie in the store and that no item names.

    Args:
        catalog: Who may name them.
        store: Where they lie. Files elsewhere are left out.
        hrefs: The files that are asked about.
        without: Items that do not count, because they are about to go.
    """
    asked = {key_of(href): href for href in hrefs}
    if not asked:
        return []
    kept = set(map(key_of, referenced(catalog, {(item.collection_id, item.id) for item in without})))
    return sorted(href for key, href in asked.items() if key not in kept and store.exists(href))


def collect(catalog: Catalog, store: Store, hrefs: Iterable[str]) -> list[str]:
    """Delete those of some files that no item names.

    Returns:
        Those that were deleted.
    """
    gone = []
    for href in unnamed(catalog, store, hrefs):
        try:
            store.delete(href)
            gone.append(href)
        except Invalid:  # an item named it, but it is none of the store's
            logger.warning("%s lies outside of the store and was left there", href)
    return gone
