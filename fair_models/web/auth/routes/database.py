"""The database of accounts, as routes take it."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from fair_models.web import problems
from fair_models.web.database.database import Database
from fair_models.web.database.late import LateDatabase
from fair_models.web.registry import registry_of


def accounts_database(request: Request) -> Database:
    """The database, where there are accounts.

    Raises:
        Problem: Nobody signs in here, so that there are none.
        Unavailable: It does not answer.
    """
    if registry_of(request).settings.web_auth == "off":
        raise problems.Problem(
            "conflict",
            "This service has no accounts (FAIR_WEB_AUTH=off): everybody on this machine is an admin. "
            "Set FAIR_WEB_AUTH to tokens or oidc for accounts",
        )
    return cast(LateDatabase, request.app.state.database).open()


AccountsDatabase = Annotated[Database, Depends(accounts_database)]
