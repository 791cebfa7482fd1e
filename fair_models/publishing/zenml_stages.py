"""ZenML follows the catalogue: production where active, archived where deprecated, gone where deleted."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pystac import Item

from fair_models.catalog.changes.edits import Effect
from fair_models.catalog.items import tombstones, versions
from fair_models.catalog.items.item import RegistryItem
from fair_models.catalog.protocol import Catalog, Change
from fair_models.errors import NotFound
from fair_models.training.ledger import Ledger, ModelVersion, Stage
from fair_models.types import LOCAL_MODELS

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExpectedStages:
    """What the catalogue says of a model's versions.

    stages: Stage that each published version should have, by number.
    gone: When each deleted version was deleted, by number. A version of ZenML that was made after that is
        another one.
    """

    stages: Mapping[int, Stage] = field(default_factory=dict)
    gone: Mapping[int, datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, catalog: Catalog, model: str) -> ExpectedStages:
        """As things are."""
        items = catalog.search(LOCAL_MODELS, name=model)
        return cls(
            {_number(item.id): _stage(item) for item in items},
            {_number(each.id): tombstones.deleted(each) for each in catalog.tombstones(LOCAL_MODELS, model)},
        )

    def after(self, change: Change) -> ExpectedStages:
        """As things will be when a change of this model's versions was made."""
        out = {_number(item_id) for _, item_id in change.remove}
        stages = {number: stage for number, stage in self.stages.items() if number not in out}
        put = {_number(item.id): _stage(item) for item in change.put}
        gone = {_number(each.id): tombstones.deleted(each) for each in change.tombstones}
        return ExpectedStages({**stages, **put}, {**self.gone, **gone})


def follow(catalog: Catalog, ledger: Ledger, model: str) -> list[str]:
    """Make the stages of a model's versions, and which versions there are, follow the catalogue.

    Versions that were never published are left alone; only one that was set to production past the catalogue
    is archived when another version is active. Doing it again changes nothing.

    Args:
        catalog: The truth about what is published.
        ledger: What follows.
        model: Name of the model.

    Returns:
        A sentence for each thing that was changed.

    Raises:
        Conflict: A version is active whose run did not complete.
    """
    done = []
    for version, stage in _pending(ledger, model, ExpectedStages.of(catalog, model)):
        if stage is None:
            ledger.delete(model, version.number)
            done.append(f"{version.id} was deleted in ZenML")
        elif ledger.get(model, version.number).stage != stage:  # production archives the one before
            ledger.set_stage(model, version.number, stage)
            done.append(f"{version.id} is {stage} in ZenML now")
    for sentence in done:
        logger.info("%s", sentence)
    return done


def effects(ledger: Ledger, model: str, expected: ExpectedStages) -> list[Effect]:
    """What following would change."""
    return [
        Effect(f"ZenML {version.id}", f"becomes {stage}" if stage else "is deleted")
        for version, stage in _pending(ledger, model, expected)
    ]


def _pending(
    ledger: Ledger, model: str, expected: ExpectedStages
) -> Iterator[tuple[ModelVersion, Stage | None]]:
    """Versions that are not as the catalogue says, and the stage that they should have; None: deleted.

    The one that goes into production comes first.
    """
    try:
        known = ledger.versions(model)
    except NotFound:
        return
    active = "production" in expected.stages.values()
    for version in sorted(known, key=lambda each: expected.stages.get(each.number) != "production"):
        stage = expected.stages.get(version.number)
        deleted = expected.gone.get(version.number)
        if deleted is not None and version.created.replace(microsecond=0) <= deleted:
            yield version, None
        elif stage is not None and stage != version.stage:
            yield version, stage
        elif stage is None and version.stage == "production" and active:
            yield version, "archived"


def _stage(item: Item) -> Stage:
    return "archived" if RegistryItem(item).is_deprecated else "production"


def _number(item_id: str) -> int:
    return versions.split_id(item_id)[1] or 0
