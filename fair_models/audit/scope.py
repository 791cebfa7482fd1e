"""What the rules of an audit look at: light entries of all items, the store and the ledger."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pystac import Item
from pystac.utils import str_to_datetime

from fair_models.audit.snapshot import Reading
from fair_models.catalog.items import tombstones
from fair_models.catalog.items.collections import COLLECTIONS
from fair_models.catalog.items.tombstones import ARCHIVED
from fair_models.catalog.items.versions import split_id
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Invalid, NotFound
from fair_models.params import AuditParams
from fair_models.settings import Settings, current
from fair_models.store.protocol import Store
from fair_models.types import DATASETS, LOCAL_MODELS, CollectionId, Json

if TYPE_CHECKING:
    from fair_models.training.ledger import Ledger, ModelVersion

NameKey = tuple[CollectionId, str]
"""Collection and name, e.g. ("local-models", "roofs")."""


@dataclass(frozen=True)
class Entry:
    """What rules over many items need of one: small enough to keep for every item.

    number: The version that the id ends with; None where it ends with none.
    archived: Whether it was active and archived on purpose.
    changed: When it was made or last changed, UTC; None where it does not say.
    links: Targets by relation, absolute.
    absolute: Relations of structural links that lie in the file as absolute ones.
    dataset: Of a local model, the exact id of its dataset.
    metrics: Of a local model, the values that its `fair:metrics_spec` names; None where nothing was measured.
    held_out: Of a dataset, held-out labels by class.
    """

    collection: CollectionId
    id: str
    name: str
    number: int | None
    deprecated: bool
    archived: bool
    changed: datetime | None
    href: str
    links: Mapping[str, Sequence[str]]
    absolute: tuple[str, ...] = ()
    dataset: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    held_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Where, for people: "local-models/roofs-v2"."""
        return f"{self.collection}/{self.id}"

    @classmethod
    def of(cls, collection: CollectionId, document: Json, href: str, absolute: tuple[str, ...] = ()) -> Entry:
        """Take from an item's JSON what is needed."""
        item_id, properties = document["id"], document["properties"]
        name, number = split_id(item_id)
        links: dict[str, list[str]] = defaultdict(list)
        for link in document["links"]:
            links[link["rel"]].append(link["href"])
        return cls(
            collection,
            item_id,
            name,
            number,
            deprecated=bool(properties.get("deprecated", False)),
            archived=ARCHIVED in properties,
            changed=_moment(properties.get("updated") or properties.get("created")),
            href=href,
            links=dict(links),
            absolute=absolute,
            dataset=str(properties.get("fair:dataset_id", "")) if collection == LOCAL_MODELS else "",
            metrics=_metrics(properties) if collection == LOCAL_MODELS else {},
            held_out=_held_out(properties) if collection == DATASETS else {},
        )


@dataclass(frozen=True)
class Tombstone:
    """What stays of a deleted version.

    deleted: When, UTC; None where it does not say.
    """

    collection: CollectionId
    id: str
    name: str
    number: int | None
    href: str
    was_active: bool
    deleted: datetime | None

    @classmethod
    def of(cls, collection: CollectionId, item: Item, href: str) -> Tombstone:
        """Take from a tombstone what is needed."""
        said = item.properties.get(tombstones.TOMBSTONE)
        said = said if isinstance(said, dict) else {}
        name, number = split_id(item.id)
        active = bool(said.get("was_active"))
        return cls(collection, item.id, name, number, href, active, _moment(said.get("deleted")))


@dataclass
class Scope:
    """One audit's view of the registry.

    params: What was asked for.
    moment: When the audit began, UTC.
    entries: Every item, filled before the rules over the whole catalogue run.
    tombstones: What stays of every deleted item.
    held: Addresses of all files that items name.
    unchecked: Official schemas that could not be checked, filled by the rule that checks them.
    damage: What is wrong with the bytes of (href, digest), None where they are right; each is read once.
    code: What is wrong with what items name of an archive of code, by digest and names; each is read once.
    unreadable: Why an item could not be taken in, by its label.
    """

    catalog: Catalog
    store: Store
    ledger: Ledger | None
    params: AuditParams = field(default_factory=AuditParams)
    moment: datetime = field(default_factory=lambda: datetime.now(UTC))
    entries: list[Entry] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    unchecked: set[str] = field(default_factory=set)
    damage: dict[tuple[str, str], str | None] = field(default_factory=dict)
    code: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    _hrefs: dict[tuple[CollectionId, str], str] = field(default_factory=dict)
    _sizes: dict[str, int | None] = field(default_factory=dict)
    _runs: dict[str, dict[int, ModelVersion]] = field(default_factory=dict)

    @cached_property
    def settings(self) -> Settings:
        """The settings of this process."""
        return current()

    @cached_property
    def reading(self) -> Reading:
        """The catalogue as it is now. Looked at once."""
        return Reading(self.catalog)

    def add(self, collection: CollectionId, item: Item, absolute: tuple[str, ...] = ()) -> tuple[Entry, Json]:
        """Take one item in; its entry and its JSON with absolute hrefs."""
        document = item.to_dict(include_self_link=False, transform_hrefs=False)
        href = item.get_self_href() or self.catalog.href(collection, item.id)
        entry = Entry.of(collection, document, href, absolute)
        self.entries.append(entry)
        self.held.update(asset["href"] for asset in document["assets"].values())
        self._hrefs[collection, item.id] = href
        return entry, document

    @cached_property
    def tombstones(self) -> list[Tombstone]:
        """What stays of every deleted item."""
        return [
            Tombstone.of(collection, item, item.get_self_href() or self.href(collection, item.id))
            for collection in COLLECTIONS
            for item in self.reading.tombstones(collection)
        ]

    @cached_property
    def by_href(self) -> dict[str, Entry]:
        """Entries by the address that links name."""
        return {entry.href: entry for entry in self.entries}

    @cached_property
    def graves(self) -> set[str]:
        """Addresses of tombstones."""
        return {tombstone.href for tombstone in self.tombstones}

    @cached_property
    def unread(self) -> set[str]:
        """Addresses of files that could not be read, or that lie in the catalogue and are no part of it."""
        survey = self.reading.survey
        return {str(survey.root / path) for path in (*survey.broken, *survey.unlinked)} if survey else set()

    @cached_property
    def uncertain(self) -> set[NameKey]:
        """Names of which not all versions are known, because a file of one cannot be read."""
        found = {Path(href) for href in self.unread}
        return {(cast(CollectionId, path.parts[-3]), split_id(path.stem)[0]) for path in found}

    @cached_property
    def by_name(self) -> dict[NameKey, list[Entry]]:
        """Entries of each name, by number."""
        found: dict[NameKey, list[Entry]] = defaultdict(list)
        for entry in sorted(self.entries, key=lambda entry: (entry.number or 0, entry.id)):
            found[entry.collection, entry.name].append(entry)
        return dict(found)

    @property
    def published(self) -> list[Entry]:
        """The local models that have a version number."""
        return [e for e in self.entries if e.collection == LOCAL_MODELS and e.number is not None]

    def href(self, collection: CollectionId, item_id: str) -> str:
        """The address that an item has or would have. Each is looked up once."""
        if (collection, item_id) not in self._hrefs:
            self._hrefs[collection, item_id] = self.reading.href(collection, item_id)
        return self._hrefs[collection, item_id]

    def size(self, href: str) -> int | None:
        """Size of a stored file in bytes; None where it is missing. Each file is looked up once."""
        if href not in self._sizes:
            try:
                self._sizes[href] = self.store.size(href)
            except (NotFound, Invalid):
                self._sizes[href] = None
        return self._sizes[href]

    def chosen(self, href: str) -> bool:
        """Whether the bytes of a file are read by this audit.

        Either all are, or a part of which nobody but the day decides: with a sample of 0.05 each file is read
        on one day in 20.
        """
        if self.params.digests:
            return True
        if not self.params.sample:
            return False
        parts = max(1, round(1 / self.params.sample))
        place = int(hashlib.sha256(href.encode()).hexdigest()[:8], 16)
        return (place + self.moment.toordinal()) % parts == 0

    def runs(self, model: str) -> Mapping[int, ModelVersion]:
        """The ledger's versions of a model, by number; none where it does not know the model."""
        if self.ledger is None:
            return {}
        if model not in self._runs:
            try:
                self._runs[model] = {version.number: version for version in self.ledger.versions(model)}
            except NotFound:
                self._runs[model] = {}
        return self._runs[model]


def _moment(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        found = str_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _metrics(properties: Json) -> dict[str, float | None]:
    """Values by key of the specification; what is no number was not measured."""
    specified = properties.get("fair:metrics_spec")
    entries = [each for each in specified if isinstance(each, dict)] if isinstance(specified, list) else []
    keys = [each["key"] for each in entries if isinstance(each.get("key"), str)]
    return {key: _number(properties.get(key)) for key in keys}


def _held_out(properties: Json) -> dict[str, int]:
    counts = properties.get("fair:class_counts")
    found = counts.get("held_out") if isinstance(counts, dict) else None
    counted = found if isinstance(found, dict) else {}
    return {str(key): int(_number(value) or 0) for key, value in counted.items()}


def _number(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
