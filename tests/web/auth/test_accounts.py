"""Accounts and their roles."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from fair_models.errors import Conflict, Invalid, NotFound
from fair_models.web.auth import accounts, roles, tokens
from fair_models.web.database.database import Database


def test_an_account_has_its_name_and_role(database: Database) -> None:
    accounts.create(database, "amina", "publisher")
    found = accounts.get(database, "amina")
    assert (found.slug, found.role, found.disabled) == ("amina", "publisher", None)
    assert found.created.tzinfo is not None


@pytest.mark.parametrize(
    "slug",
    [
        "amina@example.org",
        "Amina",
        "am",
        "a" * 64,
        "amina--k",
        "-amina",
        "amina-v2",
        "amína",
        "amina\n",
        "../amina",
        "nobody",
        "",
        "amina.k",
    ],
)
def test_what_is_no_slug_names_no_account(sqlite: Database, slug: str) -> None:
    with pytest.raises(Invalid):
        accounts.create(sqlite, slug, "reader")
    assert accounts.list_all(sqlite) == []


def test_a_name_is_given_once(database: Database) -> None:
    def create(role: str) -> str:
        try:
            return accounts.create(database, "amina", role).role
        except Conflict:
            return "taken"

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(create, ["reader", "contributor", "publisher", "admin"]))
    assert made.count("taken") == 3
    assert len(accounts.list_all(database)) == 1


def test_the_last_admin_stays(database: Database) -> None:
    accounts.create(database, "amina", "admin")
    with pytest.raises(Conflict, match="last admin"):
        accounts.set_role(database, "amina", "reader")
    with pytest.raises(Conflict, match="last admin"):
        accounts.disable(database, "amina")
    accounts.create(database, "bikash", "admin")
    accounts.set_role(database, "amina", "reader")
    assert accounts.get(database, "amina").role == "reader"


def test_two_admins_who_disable_each_other_leave_one(database: Database) -> None:
    for slug in ("amina", "bikash"):
        accounts.create(database, slug, "admin")

    def disable(slug: str) -> bool:
        try:
            return accounts.disable(database, slug).disabled is not None
        except Conflict:
            return False

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(disable, ["amina", "bikash"]))
    assert sorted(done) == [False, True]


def test_unknown_accounts_and_roles_are_named(sqlite: Database) -> None:
    with pytest.raises(NotFound, match="'amina'"):
        accounts.get(sqlite, "amina")
    with pytest.raises(Invalid, match="'king'"):
        accounts.create(sqlite, "amina", "king")


def test_a_disabled_account_can_do_nothing_until_it_is_enabled(database: Database) -> None:
    accounts.create(database, "amina", "contributor")
    made = tokens.create(database, "amina", title="laptop", scopes=["read"])
    accounts.disable(database, "amina")
    with pytest.raises(tokens.Rejected, match="disabled"):
        tokens.check(database, made.secret)
    accounts.enable(database, "amina")
    assert tokens.check(database, made.secret).account.slug == "amina"


def test_each_role_has_what_the_one_before_has() -> None:
    for lower, higher in zip(roles.ROLES, roles.ROLES[1:], strict=False):
        assert roles.SCOPES_OF[lower] < roles.SCOPES_OF[higher]
        assert roles.is_at_least(higher, lower)
        assert not roles.is_at_least(lower, higher)
