"""Deletes old training runs that nobody wants: not published, not pinned, not among the newest."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fair_models.catalog.changes import transitions
from fair_models.catalog.items import versions
from fair_models.catalog.protocol import Catalog
from fair_models.errors import NotFound
from fair_models.params import CleanRunsParams
from fair_models.training.ledger import Ledger, ModelVersion
from fair_models.types import LOCAL_MODELS

logger = logging.getLogger(__name__)

YOUNG = "not old enough"


@dataclass(frozen=True)
class Judged:
    """A version, and why it stays; empty where it goes."""

    version: ModelVersion
    stays: str = ""


@dataclass(frozen=True)
class Cleaned:
    """What became of it.

    judged: All versions that were looked at, by model and number.
    models: How many models they are of.
    """

    judged: Sequence[Judged]
    models: int

    @property
    def deleted(self) -> list[ModelVersion]:
        """Versions that were deleted, or would be in a dry run."""
        return [each.version for each in self.judged if not each.stays]

    @property
    def kept(self) -> Mapping[str, int]:
        """How many stay, by the reason in one word."""
        return Counter(each.stays.partition(" by ")[0] for each in self.judged if each.stays)


def clean_runs(
    params: CleanRunsParams, catalog: Catalog, ledger: Ledger, now: datetime | None = None
) -> Cleaned:
    """Delete old runs in bulk, or in a dry run say which they are.

    Each model is held while it is looked at and cleaned, so that nothing is published meanwhile. Deleted are
    the version, its run with all files that it left, and its run in MLflow; the numbers are not used again.
    Interrupted anywhere, the same again goes on with it.

    Args:
        params: How old, how many stay, of which models.
        catalog: Where versions may be published.
        ledger: Where runs are deleted.
        now: What age is counted from. Default: now.

    Raises:
        NotFound: A model that was named does not exist.
        Unavailable: A model is held by somebody else for too long. The log tells what was deleted before.
    """
    before = (now or transitions.now()) - timedelta(days=params.older_than_days)
    names = params.models or ledger.models()
    judged: list[Judged] = []
    for model in names:
        with catalog.exclusive(LOCAL_MODELS, model):
            try:
                found = ledger.versions(model)
            except NotFound:
                if params.models:
                    raise
                continue  # its last version went meanwhile
            looked_at = list(_judge(found, _published(catalog, model), before, params.keep_last))
            if not params.dry_run:
                _delete(ledger, found, [each.version for each in looked_at if not each.stays])
            judged += looked_at
    return Cleaned(judged, len(names))


def _judge(
    found: Sequence[ModelVersion], published: set[str], before: datetime, keep_last: int
) -> Iterator[Judged]:
    """Why each version stays, the strongest reason first."""
    newest = sorted((each.number for each in found), reverse=True)[:keep_last]
    for version in found:
        if version.status == "running":
            yield Judged(version, "running")
        elif version.id in published:
            yield Judged(version, "published")
        elif version.stage == "production":
            yield Judged(version, "in production")
        elif version.pin is not None:
            yield Judged(version, version.pin.sentence)
        elif version.created >= before:
            yield Judged(version, YOUNG)
        elif version.number in newest:
            yield Judged(version, "among the newest")
        else:
            yield Judged(version)


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
