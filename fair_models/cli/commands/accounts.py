"""Commands for accounts and tokens of the web service. They work on its database, and need no server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fair_models.cli import output
from fair_models.cli.options import Json
from fair_models.settings import current

if TYPE_CHECKING:
    from fair_models.web.auth.accounts import Account
    from fair_models.web.auth.tokens import Token
    from fair_models.web.database.database import Database

users = typer.Typer(no_args_is_help=True, add_completion=False)
"""The commands of `fair-models user`."""

tokens = typer.Typer(no_args_is_help=True, add_completion=False)
"""The commands of `fair-models token`."""

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account: the owner of its items.")]
_ROLES = (
    "reader (finds and downloads), contributor (also uploads and starts runs), publisher (also registers "
    "models, whose code is run), admin (everything)."
)


@users.command("create")
def create_user(
    name: _Name,
    role: Annotated[str, typer.Option("--role", help=_ROLES)] = "reader",
    json: Json = False,
) -> None:
    """Make an account. The first admin is made so."""
    from fair_models.web.auth import accounts

    with _database(f"user create {name} --role {role}") as database:
        made = accounts.create(database, name, role)
    _show_account(made, f"Make a token for it: fair-models token create {name}")


@users.command("list")
def list_users(json: Json = False) -> None:
    """List the accounts."""
    from fair_models.web.auth import accounts

    with _database() as database:
        rows = [_account(each) for each in accounts.list_all(database)]
    if output.wants_json():
        output.show_json(rows)
        return
    output.show_rows("Accounts", rows, "There are no accounts. Make one: fair-models user create NAME")


@users.command("role")
def set_role(
    name: _Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=_ROLES)],
    json: Json = False,
) -> None:
    """Give an account another role. Its tokens follow at once."""
    from fair_models.web.auth import accounts

    with _database(f"user role {name} {role}") as database:
        _show_account(accounts.set_role(database, name, role))


@users.command("disable")
def disable(name: _Name, json: Json = False) -> None:
    """Let an account do nothing from now on. What it owns stays."""
    from fair_models.web.auth import accounts

    with _database(f"user disable {name}") as database:
        _show_account(accounts.disable(database, name))


@users.command("enable")
def enable(name: _Name, json: Json = False) -> None:
    """Let a disabled account work again."""
    from fair_models.web.auth import accounts

    with _database(f"user enable {name}") as database:
        _show_account(accounts.enable(database, name))


@tokens.command("create")
def create_token(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Name of the account.")],
    title: Annotated[str, typer.Option("--title", help="What the token is for, up to 120 characters.")] = (
        "command line"
    ),
    scopes: Annotated[
        str | None,
        typer.Option(
            "--scopes",
            help="What it may be used for, separated by commas: read, upload, run, publish, admin. "
            "Default: all that the account's role allows.",
        ),
    ] = None,
    days: Annotated[float, typer.Option("--days", help="Days until it ends, above 0 to 3650.")] = 90,
    json: Json = False,
) -> None:
    """Make a token and print it. It is shown this once: only its digest is kept."""
    from fair_models.web.auth import accounts, tokens
    from fair_models.web.auth.roles import SCOPES_OF

    with _database(f"token create {account}") as database:
        wanted = (
            [word.strip() for word in scopes.split(",") if word.strip()]
            if scopes is not None
            else SCOPES_OF[accounts.get(database, account).role]
        )
        made = tokens.create(database, account, title=title, scopes=wanted, days=days)
    if output.wants_json():
        output.show_json({"token": made.secret, **_token(made.token)})
        return
    typer.echo(made.secret)
    output.say(
        f"This is the only time that it is shown. It ends {made.token.expires:%Y-%m-%d %H:%M} UTC. "
        f"Send it as `Authorization: Bearer …`; end it with: fair-models token revoke {made.token.id}"
    )


@tokens.command("list")
def list_tokens(
    account: Annotated[
        str | None, typer.Argument(metavar="ACCOUNT", help="Name of an account. Default: all accounts.")
    ] = None,
    json: Json = False,
) -> None:
    """List tokens, newest first: their ids, never the tokens themselves."""
    from fair_models.web.auth import tokens

    with _database() as database:
        rows = [_token(each) for each in tokens.list_of(database, account)]
    if output.wants_json():
        output.show_json(rows)
        return
    output.show_rows("Tokens", rows, "There are no tokens. Make one: fair-models token create ACCOUNT")


@tokens.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Id of the token, as `token list` shows it.")],
    json: Json = False,
) -> None:
    """End a token at once."""
    from fair_models.web.auth import tokens

    with _database(f"token revoke {token[:17]}") as database:
        found = tokens.revoke(database, token)
    if output.wants_json():
        output.show_json(_token(found))
        return
    output.say(f"Token {found.id} of {found.owner} ({found.title}) is revoked.")


@contextmanager
def _database(command: str = "") -> Iterator[Database]:
    """The service's database. A command that changes something is noted in the audit log.

    Raises:
        Invalid: The extra `web` is not installed, or a setting is wrong.
    """
    from fair_models.errors import FairModelsError, Invalid

    try:
        from fair_models.web.auth import audit_log
        from fair_models.web.database.opening import open_database
    except ModuleNotFoundError as error:
        raise Invalid(f"{error.name} is not installed: pip install 'fair-models[web]'") from error
    database = open_database(current())
    try:
        yield database
    except FairModelsError as error:
        if command:
            audit_log.write(database, who="", how="cli", what=command, result=type(error).__name__)
        raise
    else:
        if command:
            audit_log.write(database, who="", how="cli", what=command, result="done")
    finally:
        database.close()


def _show_account(account: Account, next_step: str = "") -> None:
    fields = _account(account)
    if output.wants_json():
        output.show_json(fields)
        return
    output.show_fields(account.slug, {name: value for name, value in fields.items() if name != "account"})
    if next_step:
        output.say(next_step)


def _account(account: Account) -> dict[str, Any]:
    return {
        "account": account.slug,
        "role": account.role,
        "created": _time(account.created),
        "disabled": _time(account.disabled),
        "provider": account.issuer,
    }


def _token(token: Token) -> dict[str, Any]:
    from fair_models.web.auth.roles import SCOPES

    return {
        "id": token.id,
        "account": token.owner,
        "state": token.state,
        "scopes": [scope for scope in SCOPES if scope in token.scopes],
        "expires": _time(token.expires),
        "last_used": _time(token.last_used),
        "created": _time(token.created),
        "title": token.title,
    }


def _time(moment: Any) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
