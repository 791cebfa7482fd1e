"""What the rules of an audit look at: light entries of all items, the store and the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pystac import Item

from fair_models.catalog.protocol import Catalog
from fair_models.catalog.versions import split_id
from fair_models.errors import Invalid, NotFound
from fair_models.store.protocol import Store
from fair_models.types import LOCAL_MODELS, CollectionId, Json

if TYPE_CHECKING:
    from fair_models.training.ledger import Ledger, ModelVersion

NameKey = tuple[CollectionId, str]
"""Collection and name, e.g. ("local-models", "roofs")."""


@dataclass(frozen=True)
class Entry:
    """What rules over many items need of one: small enough to keep for every item.

    number: The version that the id ends with; None where it ends with none.
    links: Targets by relation, absolute.
    """

    collection: CollectionId
    id: str
    name: str
    number: int | None
    deprecated: bool
    href: str
    links: Mapping[str, Sequence[str]]

    @property
    def label(self) -> str:
        """Where, for people: "local-models/roofs-v2"."""
        return f"{self.collection}/{self.id}"

    @classmethod
    def of(cls, collection: CollectionId, document: Json, href: str) -> Entry:
        """Take from an item's JSON what is needed."""
        item_id = document["id"]
        try:
            name, number = split_id(item_id)
        except Invalid:
            name, number = item_id, None
        links: dict[str, list[str]] = defaultdict(list)
        for link in document["links"]:
            links[link["rel"]].append(link["href"])
        deprecated = bool(document["properties"].get("deprecated", False))
        return cls(collection, item_id, name, number, deprecated, href, dict(links))


@dataclass
class Scope:
    """One audit's view of the registry.

    entries: Every item, filled before the rules over the whole catalogue run.
    unchecked: Official schemas that could not be checked, filled by the rule that checks them.
    damage: What is wrong with the bytes of (href, digest), None where they are right; each is read once.
    """

    catalog: Catalog
    store: Store
    ledger: Ledger | None
    entries: list[Entry] = field(default_factory=list)
    unchecked: set[str] = field(default_factory=set)
    damage: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _hrefs: dict[tuple[CollectionId, str], str] = field(default_factory=dict)
    _sizes: dict[str, int | None] = field(default_factory=dict)
    _runs: dict[str, dict[int, ModelVersion]] = field(default_factory=dict)

    def add(self, collection: CollectionId, item: Item) -> tuple[Entry, Json]:
        """Take one item in; its entry and its JSON with absolute hrefs."""
        document = item.to_dict(include_self_link=False, transform_hrefs=False)
        href = item.get_self_href() or self.catalog.href(collection, item.id)
        entry = Entry.of(collection, document, href)
        self.entries.append(entry)
        return entry, document

    @cached_property
    def by_href(self) -> dict[str, Entry]:
        """Entries by the address that links name."""
        return {entry.href: entry for entry in self.entries}

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
            self._hrefs[collection, item_id] = self.catalog.href(collection, item_id)
        return self._hrefs[collection, item_id]

    def size(self, href: str) -> int | None:
        """Size of a stored file in bytes; None where it is missing. Each file is looked up once."""
        if href not in self._sizes:
            self._sizes[href] = self.store.size(href) if self.store.exists(href) else None
        return self._sizes[href]

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
