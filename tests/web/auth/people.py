"""People with tokens of every kind, and a service that knows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import update

from fair_models.settings import Settings
from fair_models.web.app import create_app
from fair_models.web.auth import accounts, tokens
from fair_models.web.auth.roles import ROLES, SCOPES_OF
from fair_models.web.database import tables
from fair_models.web.database.database import Database
from fair_models.web.registry import Registry
from tests.web.serving import serving


@dataclass(frozen=True)
class Service:
    """A running service with accounts.

    address: Where it is.
    tokens: A token of each role, by the name of its account; "expired" and "revoked" are an admin's.
    """

    address: str
    app: FastAPI
    database: Database
    tokens: Mapping[str, str]

    def ask(self, method: str, path: str, who: str | None = None, **request: Any) -> httpx.Response:
        """The answer to a request of somebody, or of nobody."""
        headers = request.pop("headers", {}) | ({} if who is None else bearer(self.tokens[who]))
        return httpx.request(method, f"{self.address}{path}", headers=headers, timeout=30, **request)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def service(settings: Settings, **changed: Any) -> Iterator[Service]:
    """A service where people sign in by tokens: account-reader, account-contributor and so on."""
    chosen = settings.model_copy(update={"web_auth": "tokens", "web_rate": "100000/minute", **changed})
    app = create_app(Registry.open(chosen))
    database: Database = app.state.database.open()
    made = {}
    for role in ROLES:
        accounts.create(database, f"account-{role}", role)
        made[role] = tokens.create(database, f"account-{role}", title=role, scopes=SCOPES_OF[role]).secret
    over = [
        tokens.create(database, "account-admin", title="over", scopes=["read", "admin"]) for _ in range(2)
    ]
    with database.writing() as session:
        ended = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(tables.Token).where(tables.Token.id == over[0].token.id).values(expires=ended))
    tokens.revoke(database, over[1].token.id)
    made |= {"expired": over[0].secret, "revoked": over[1].secret}
    with serving(app) as address:
        yield Service(address, app, database, made)
    app.state.database.close()
