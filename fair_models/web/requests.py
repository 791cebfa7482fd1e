"""What the middleware leaves in a request for all others: its id, and where it was routed to."""

from __future__ import annotations

from typing import Any, cast

from starlette.types import Scope

REQUEST_ID_HEADER = "X-Request-ID"


def state_of(scope: Scope) -> dict[str, Any]:
    """The state of a request, as `request.state` shows it."""
    return cast(dict[str, Any], scope.setdefault("state", {}))


def request_id_of(scope: Scope) -> str:
    """Name of a request in logs and answers."""
    return str(state_of(scope).get("request_id", ""))


def route_of(scope: Scope) -> str:
    """The route that answered, e.g. "/stac/collections/{collection_id}"; "" where none did."""
    return str(getattr(scope.get("route"), "path", ""))
