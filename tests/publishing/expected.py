"""What the table of operations makes of a registry, in plain Python: no item, file or database in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from fair_models.errors import Conflict, Invalid, NotFound

Refused = type[Exception] | None
"""The error that an operation ends with; None where it succeeds."""


@dataclass
class Family:
    """The versions of one name.

    active: Whether each published version is active, by number.
    deleted: Numbers of deleted ones, and the time of it.
    latest: Where `latest-version` leads; None where nothing says so.
    """

    active: dict[int, bool] = field(default_factory=dict)
    deleted: dict[int, int] = field(default_factory=dict)
    latest: int | None = None

    @property
    def current(self) -> int | None:
        return next((number for number, active in self.active.items() if active), None)

    @property
    def highest(self) -> int:
        return max([0, *self.active, *self.deleted])

    @property
    def chain(self) -> list[tuple[int, int]]:
        """(version, its successor)."""
        return list(pairwise(sorted(self.active)))

    def lead(self, number: int) -> None:
        """A version becomes the active one."""
        self.active = dict.fromkeys(self.active, False) | {number: True}
        self.latest = number

    def bury(self, number: int, moment: int) -> None:
        """A version goes out."""
        del self.active[number]
        self.deleted[number] = moment
        if self.latest == number:
            self.latest = None


@dataclass
class Trained:
    """A version in the ledger, and the numbers of what it was trained from and on."""

    status: str
    moment: int
    base: int
    dataset: int
    stage: str = "none"


@dataclass
class Expected:
    """A registry with one base model, one dataset and one local model.

    parents: Base model and dataset of each version of the local model that is or was published.
    clock: Counts operations.
    """

    bases: Family = field(default_factory=Family)
    datasets: Family = field(default_factory=Family)
    models: Family = field(default_factory=Family)
    ledger: dict[int, Trained] = field(default_factory=dict)
    parents: dict[int, tuple[int, int]] = field(default_factory=dict)
    clock: int = 0

    def train(self, status: str) -> int:
        """The number of a new version, from the base model and the dataset that are current."""
        base, dataset = self.bases.current, self.datasets.current
        assert base is not None
        assert dataset is not None
        number = 1 + max([self.models.highest, *self.ledger])
        self.ledger[number] = Trained(status, self.clock, base, dataset)
        return number

    def publish(self, family: Family, number: int) -> Refused:
        """Register a base model or ingest a dataset."""
        if number in family.deleted:
            return Conflict
        if number not in family.active:
            family.lead(number)
        return None

    def promote(self, asked: int | None) -> Refused:
        if asked is None and not self.ledger:
            return NotFound
        completed = [number for number, each in self.ledger.items() if each.status == "completed"]
        if asked is None and not completed:
            return Invalid
        number = asked or max(completed)
        if number in self.models.deleted:
            return Conflict
        if number in self.models.active:
            if asked is None and not self.models.active[number]:
                return Conflict
            if not self.models.active[number]:
                self.models.lead(number)
        else:
            if number not in self.ledger:
                return NotFound
            version = self.ledger[number]
            if version.status != "completed":
                return Invalid
            if version.base not in self.bases.active or version.dataset not in self.datasets.active:
                return NotFound
            self.models.lead(number)
            self.parents[number] = version.base, version.dataset
        self.follow()
        return None

    def archive(self, family: Family, asked: int | None) -> Refused:
        chosen = [number for number in family.active if asked in (None, number)]
        if not chosen:
            return NotFound
        family.active |= dict.fromkeys(chosen, False)
        if family is self.models:
            self.follow()
        return None

    def delete(self, family: Family, asked: int | None, force: bool) -> Refused:
        chosen = [number for number in family.active if asked in (None, number)]
        gone = [number for number in family.deleted if asked in (None, number)]
        if not chosen and not gone:
            return NotFound
        if not force and any(self.used(family, number) for number in chosen):
            return Conflict
        unpublished = []
        if family is self.models and asked is None:
            last = self.clock if chosen else max(family.deleted[number] for number in gone)
            unpublished = [
                number
                for number, each in self.ledger.items()
                if number not in {*chosen, *gone} and each.moment <= last
            ]
        if not force and any(self.ledger[number].status == "running" for number in unpublished):
            return Conflict
        for number in chosen:
            family.bury(number, self.clock)
        if family is self.models:
            self.follow()
            for number in unpublished:
                del self.ledger[number]
        return None

    def follow(self) -> None:
        """Stages follow the catalogue."""
        for number in self.models.deleted:
            self.ledger.pop(number, None)
        for number, version in self.ledger.items():
            if number in self.models.active:
                version.stage = "production" if self.models.active[number] else "archived"
            elif version.stage == "production" and self.models.current is not None:
                version.stage = "archived"

    def set_stage(self, number: int, stage: str) -> None:
        """Somebody sets a stage past the catalogue."""
        for version in self.ledger.values():
            if stage == "production" and version.stage == "production":
                version.stage = "archived"
        self.ledger[number].stage = stage

    def used(self, family: Family, number: int) -> bool:
        """Whether the active version of the local model derives from a version."""
        side = {id(self.bases): 0, id(self.datasets): 1}.get(id(family))
        current = self.models.current
        return side is not None and current is not None and self.parents[current][side] == number

    def findings(self, label: Callable[[int], str], name: str) -> set[tuple[str, str]]:
        """Rule and item of all that an audit has to report, as somebody changed the ledger on his own.

        Args:
            label: Of a version of the local model, e.g. "local-models/roofs-v2".
            name: Of the local model, e.g. "local-models/roofs".
        """
        found = set()
        for number, active in self.models.active.items():
            version = self.ledger.get(number)
            if version is None:
                found.add(("runs", label(number)))
            elif version.stage != ("production" if active else "archived"):
                found.add(("stages", label(number)))
        for number, version in self.ledger.items():
            if number in self.models.deleted:
                found.add(("interrupted-deletions", label(number)))
            elif number not in self.models.active and version.stage == "production":
                found.add(("unpublished-production", name))
        return found
