"""Who asks, and what they may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from pystac import Item
from starlette.requests import HTTPConnection

Role = Literal["reader", "contributor", "publisher", "admin"]
"""What an account may do. From the fewest rights to the most; each has those of the roles before it."""

Scope = Literal["read", "upload", "run", "publish", "admin"]
"""What one token may be used for."""

OWNER = "fair:owner"
VISIBILITY = "fair:visibility"
PRIVATE = "private"


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    owner: Name of the account; None for somebody who is not signed in.
    role: What the account may do.
    scopes: What the token may be used for: read, upload, run, publish, admin.
    """

    owner: str | None = None
    role: Role = "reader"
    scopes: frozenset[Scope] = frozenset({"read"})

    @property
    def is_admin(self) -> bool:
        """Whether nothing is hidden from them."""
        return self.role == "admin" and "admin" in self.scopes

    def may_see(self, item: Item | Mapping[str, Any]) -> bool:
        """Whether an item (or its JSON) is there for them: it is public, their own, or they are an admin."""
        properties = item.properties if isinstance(item, Item) else item.get("properties", {})
        if properties.get(VISIBILITY) != PRIVATE or self.is_admin:
            return True
        return self.owner is not None and properties.get(OWNER) == self.owner


ANONYMOUS = Caller()
"""Somebody who is not signed in."""


def caller_of(connection: HTTPConnection) -> Caller:
    """Who sent a request: a dependency of routes. Authentication leaves them in the request's state."""
    return cast(Caller, getattr(connection.state, "caller", ANONYMOUS))
