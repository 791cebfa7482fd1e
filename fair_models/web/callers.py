"""Who asks, and what they may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from pystac import Item
from starlette.requests import HTTPConnection

from fair_models.catalog.items.collections import COLLECTIONS
from fair_models.catalog.search.query import Viewer
from fair_models.types import DATASETS

Role = Literal["reader", "contributor", "publisher", "admin"]
"""What an account may do. From the fewest rights to the most; each has those of the roles before it."""

Scope = Literal["read", "upload", "run", "publish", "admin"]
"""What one token may be used for."""

Kind = Literal["model", "dataset"]
"""What has a name. Base models and local models share their names."""


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
            return self.viewer.sees(item.collection_id, item.id, item.properties)
        return self.viewer.sees(item.get("collection"), str(item.get("id")), item.get("properties", {}))

    @property
    def viewer(self) -> Viewer:
        """For whom the catalogue looks items up."""
        names = {
            (each, name) for kind, name in self.maintains for each in COLLECTIONS if kind_of(each) == kind
        }
        return Viewer(self.owner, frozenset(names), sees_all=self.is_admin)


ANONYMOUS = Caller()
"""Somebody who is not signed in."""


def caller_of(connection: HTTPConnection) -> Caller:
    """Who sent a request: a dependency of routes. Authentication leaves them in the request's state."""
    return cast(Caller, getattr(connection.state, "caller", ANONYMOUS))


def kind_of(collection: str) -> Kind:
    """Which kind of name the items of a collection have."""
    return "dataset" if collection == DATASETS else "model"
