"""Who asks, and what they may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from pystac import Item
from starlette.requests import HTTPConnection

from fair_models.catalog.items.versions import split_id
from fair_models.types import DATASETS

Role = Literal["reader", "contributor", "publisher", "admin"]
"""What an account may do. From the fewest rights to the most; each has those of the roles before it."""

Scope = Literal["read", "upload", "run", "publish", "admin"]
"""What one token may be used for."""

Kind = Literal["model", "dataset"]
"""What has a name. Base models and local models share their names."""

OWNER = "fair:owner"
VISIBILITY = "fair:visibility"
PRIVATE = "private"


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    owner: Name of the account; None for somebody who is not signed in.
    role: What the account may do.
    scopes: What the token may be used for: read, upload, run, publish, admin.
    maintains: Names of others that they may work on.
    how: What showed who it is: token:<id>, session or oidc; empty for nobody.
    expires: When that ends.
    """

    owner: str | None = None
    role: Role = "reader"
    scopes: frozenset[Scope] = frozenset({"read"})
    maintains: frozenset[tuple[Kind, str]] = frozenset()
    how: str = ""
    expires: datetime | None = None

    @property
    def is_admin(self) -> bool:
        """Whether nothing is hidden from them."""
        return self.role == "admin" and "admin" in self.scopes

    def may_see(self, item: Item | Mapping[str, Any]) -> bool:
        """Whether an item (or its JSON) is there for them.

        It is where it is public, their own, of a name that they maintain, or where they are an admin.
        """
        if isinstance(item, Item):
            properties, key = item.properties, (item.collection_id, item.id)
        else:
            properties, key = item.get("properties", {}), (item.get("collection"), str(item.get("id")))
        if properties.get(VISIBILITY) != PRIVATE or self.is_admin:
            return True
        if self.owner is None:
            return False
        if properties.get(OWNER) == self.owner:
            return True
        return (kind_of(str(key[0])), split_id(key[1])[0]) in self.maintains


ANONYMOUS = Caller()
"""Somebody who is not signed in."""


def caller_of(connection: HTTPConnection) -> Caller:
    """Who sent a request: a dependency of routes. Authentication leaves them in the request's state."""
    return cast(Caller, getattr(connection.state, "caller", ANONYMOUS))


def kind_of(collection: str) -> Kind:
    """Which kind of name the items of a collection have."""
    return "dataset" if collection == DATASETS else "model"
