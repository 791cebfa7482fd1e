"""Accounts and tokens of the web service, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fair_models.cli.app import app
from fair_models.settings import current
from fair_models.web.auth import audit_log, tokens
from fair_models.web.database.opening import open_database


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))


def answer(*command: str, code: int = 0) -> Any:
    ran = CliRunner().invoke(app, [*command, "--json"])
    assert ran.exit_code == code, ran.output
    return json.loads(ran.stdout)


def test_the_first_admin_gets_a_token_that_opens_the_service() -> None:
    answer("user", "create", "amina", "--role", "admin")
    made = answer("token", "create", "amina", "--title", "first", "--days", "1")
    database = open_database(current())
    holder = tokens.check(database, made["token"])
    assert (holder.account.slug, holder.account.role) == ("amina", "admin")
    assert made["scopes"] == ["read", "upload", "run", "publish", "admin"]
    answer("token", "revoke", made["id"])
    with pytest.raises(tokens.Rejected, match="revoked"):
        tokens.check(database, made["token"])
    database.close()


def test_the_token_is_the_only_line_on_standard_output() -> None:
    answer("user", "create", "amina")
    ran = CliRunner().invoke(app, ["token", "create", "amina", "--scopes", "read"])
    assert tokens.FORM.fullmatch(ran.stdout.strip())
    assert ran.stdout.strip() not in ran.stderr


def test_no_list_shows_a_token() -> None:
    answer("user", "create", "amina")
    made = answer("token", "create", "amina")
    for command in (["token", "list"], ["token", "list", "amina"], ["user", "list"]):
        assert made["token"].rpartition("_")[2] not in CliRunner().invoke(app, command).output


def test_what_changes_accounts_is_noted_and_so_is_what_was_refused() -> None:
    answer("user", "create", "amina", "--role", "admin")
    answer("user", "disable", "amina", code=2)
    made = answer("token", "create", "amina")
    answer("token", "revoke", made["token"])
    database = open_database(current())
    entries = [(entry.how, entry.what, entry.result) for entry in audit_log.read(database)]
    database.close()
    assert entries == [
        ("cli", f"token revoke fair_{made['id']}", "done"),
        ("cli", "token create amina", "done"),
        ("cli", "user disable amina", "Conflict"),
        ("cli", "user create amina --role admin", "done"),
    ]


def test_roles_change_and_accounts_are_disabled_and_enabled() -> None:
    answer("user", "create", "amina", "--role", "admin")
    answer("user", "create", "bikash")
    assert answer("user", "role", "bikash", "publisher")["role"] == "publisher"
    assert answer("user", "disable", "bikash")["disabled"]
    assert answer("user", "enable", "bikash")["disabled"] is None
    assert [each["account"] for each in answer("user", "list")] == ["amina", "bikash"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["user", "create", "a@example.org"], "e-mail"),
        (["user", "create", "amina", "--role", "king"], "no role"),
        (["user", "role", "nobody-here", "admin"], "no account"),
        (["token", "create", "nobody-here"], "no account"),
        (["token", "revoke", "0123456789ab"], "no token"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(command: list[str], reason: str) -> None:
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 2
    assert reason in ran.stderr
    assert ran.stderr.count("\n") == 1
