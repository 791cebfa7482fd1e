"""What every item of the registry says, whichever collection it is of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, cast

from pystac import Item

from fair_models import imagery_rules
from fair_models.catalog.items import assets
from fair_models.catalog.items.versions import split_id
from fair_models.imagery_rules import ImageryRules
from fair_models.types import Json

T = TypeVar("T")


@dataclass(frozen=True)
class RegistryItem:
    """A typed view of an item. Each field is read when it is first asked for, and once.

    item: The exact item that is read, with absolute asset hrefs. It must not change while the view is used.
    """

    item: Item

    @property
    def id(self) -> str:
        """The exact id, e.g. "banepa-roofs-v2"."""
        return self.item.id

    @property
    def properties(self) -> Json:
        """The properties of the item as they stand in its JSON."""
        return self.item.properties

    @property
    def href(self) -> str:
        """The item's own address; its id where it has none."""
        return self.item.get_self_href() or self.id

    @cached_property
    def name(self) -> str:
        """The id without its version, e.g. "banepa-roofs"."""
        return split_id(self.id)[0]

    @cached_property
    def number(self) -> int | None:
        """The version's number; None for an id without one."""
        return split_id(self.id)[1]

    @property
    def title(self) -> str:
        """The title; may be empty."""
        return str(self.properties.get("title", ""))

    @property
    def description(self) -> str:
        """The description; may be empty."""
        return str(self.properties.get("description", ""))

    @property
    def is_deprecated(self) -> bool:
        """Whether another version took its place, or it was archived."""
        return bool(self.properties.get("deprecated", False))

    @property
    def keywords(self) -> list[str]:
        """Words of the vocabulary: features, tasks, geometries."""
        return list(self.properties.get("keywords", []))

    @cached_property
    def imagery_rules(self) -> ImageryRules:
        """By which rules imagery is read. Raises `Invalid` where they are not known here."""
        return imagery_rules.of(self.properties, self.id)

    def file(self, role: str) -> tuple[str, str]:
        """Address and sha-256 multihash of the file with a role. Raises as `assets.file_ref` does."""
        return assets.file_ref(self.item, role)

    def _field(self, name: str, default: T) -> T:
        """A property of an item that keeps its profile, or the default where it is absent."""
        return cast(T, self.properties.get(name, default))
