"""Tokens: what opens something, for how long, and what the database keeps."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update

from fair_models.errors import Invalid, NotFound
from fair_models.web.auth import accounts, tokens
from fair_models.web.database import tables
from fair_models.web.database.database import Database


@pytest.fixture
def amina(database: Database) -> Database:
    accounts.create(database, "amina", "publisher")
    return database


def everything(database: Database) -> str:
    """All that the database holds, as text."""
    with database.reading() as session:
        return repr(
            [session.execute(text(f"SELECT * FROM {table}")).all() for table in tables.Table.metadata.tables]
        )


def test_a_token_opens_its_account_with_its_scopes(amina: Database) -> None:
    made = tokens.create(amina, "amina", title="QGIS", scopes=["read", "run"], days=7)
    holder = tokens.check(amina, made.secret)
    assert (holder.account.slug, holder.scopes, holder.token_id) == (
        "amina",
        {"read", "run"},
        made.token.id,
    )
    assert timedelta(days=6.9) < holder.expires - datetime.now(UTC) <= timedelta(days=7)


def test_a_token_has_256_random_bits_and_the_database_has_none_of_them(amina: Database) -> None:
    made = [tokens.create(amina, "amina", title="QGIS", scopes=["read"]) for _ in range(20)]
    secrets = [each.secret.rpartition("_")[2] for each in made]
    assert len(set(secrets)) == 20
    assert all(each.secret.startswith("fair_") for each in made)
    assert all(len(bytes.fromhex(secret)) * 8 == 256 for secret in secrets)
    kept = everything(amina)
    assert not any(secret in kept for secret in secrets)
    assert all(tokens.digest(each.secret) in kept for each in made)


@pytest.mark.parametrize(
    "change",
    [
        lambda secret: secret[:-1] + ("0" if secret[-1] != "0" else "1"),
        lambda secret: secret.upper(),
        lambda secret: secret + "\n",
        lambda secret: " " + secret,
        lambda secret: secret[:-1],
        lambda secret: secret + "0" * 100_000,
        lambda secret: secret.replace("fair_", "fairy_"),
        lambda secret: "fair_" + "0" * 12 + secret[17:],
        lambda secret: secret.replace(secret[-1], "\N{FULLWIDTH DIGIT ONE}"),
        lambda secret: "' OR 1=1 --",
        lambda secret: "",
    ],
)
def test_anything_but_the_token_itself_is_rejected(amina: Database, change: object) -> None:
    made = tokens.create(amina, "amina", title="QGIS", scopes=["read"])
    with pytest.raises(tokens.Rejected):
        tokens.check(amina, change(made.secret))  # type: ignore[operator]


def test_a_token_that_is_over_or_revoked_opens_nothing(amina: Database) -> None:
    made = tokens.create(amina, "amina", title="QGIS", scopes=["read"])
    with amina.writing() as session:
        session.execute(update(tables.Token).values(expires=datetime.now(UTC) - timedelta(seconds=1)))
    with pytest.raises(tokens.Rejected, match="expired"):
        tokens.check(amina, made.secret)
    other = tokens.create(amina, "amina", title="QGIS", scopes=["read"])
    tokens.revoke(amina, other.token.id)
    with pytest.raises(tokens.Rejected, match="revoked"):
        tokens.check(amina, other.secret)
    assert [each.state for each in tokens.list_of(amina)] == ["revoked", "expired"]


def test_scopes_never_exceed_the_role(amina: Database) -> None:
    with pytest.raises(Invalid, match="does not allow admin"):
        tokens.create(amina, "amina", title="QGIS", scopes=["read", "admin"])
    made = tokens.create(amina, "amina", title="QGIS", scopes=["read", "publish"])
    accounts.set_role(amina, "amina", "reader")
    assert tokens.check(amina, made.secret).scopes == {"read"}


def test_a_token_makes_none_that_can_do_more_or_lives_longer(amina: Database) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(Invalid, match="does not have run itself"):
        tokens.create(amina, "amina", title="QGIS", scopes=["run"], within=frozenset({"read"}))
    made = tokens.create(
        amina, "amina", title="QGIS", scopes=["read"], days=30, within=frozenset({"read"}), until=soon
    )
    assert made.token.expires == soon


@pytest.mark.parametrize("days", [0, -1, 3651, float("nan"), float("inf")])
def test_every_token_ends(amina: Database, days: float) -> None:
    with pytest.raises(Invalid, match="ends after"):
        tokens.create(amina, "amina", title="QGIS", scopes=["read"], days=days)


@pytest.mark.parametrize("title", ["", "  ", "a\nb", "a" * 121, "a\x1b[31mb"])
def test_a_title_is_one_line(amina: Database, title: str) -> None:
    with pytest.raises(Invalid, match="title"):
        tokens.create(amina, "amina", title=title, scopes=["read"])


def test_unknown_scopes_and_none_at_all_are_refused(amina: Database) -> None:
    with pytest.raises(Invalid, match="no scope 'fly'"):
        tokens.create(amina, "amina", title="QGIS", scopes=["read", "fly"])
    with pytest.raises(Invalid, match="without scopes"):
        tokens.create(amina, "amina", title="QGIS", scopes=[])


def test_the_last_use_is_written_once_a_minute(amina: Database) -> None:
    made = tokens.create(amina, "amina", title="QGIS", scopes=["read"])
    tokens.check(amina, made.secret)
    (first,) = tokens.list_of(amina)
    tokens.check(amina, made.secret)
    (again,) = tokens.list_of(amina)
    assert first.last_used is not None
    assert again.last_used == first.last_used
    with amina.writing() as session:
        session.execute(update(tables.Token).values(last_used=datetime.now(UTC) - timedelta(minutes=2)))
    tokens.check(amina, made.secret)
    (later,) = tokens.list_of(amina)
    assert later.last_used is not None
    assert later.last_used > first.last_used


def test_nobody_revokes_the_token_of_somebody_else(amina: Database) -> None:
    accounts.create(amina, "bikash", "reader")
    made = tokens.create(amina, "amina", title="QGIS", scopes=["read"])
    with pytest.raises(NotFound):
        tokens.revoke(amina, made.token.id, "bikash")
    assert tokens.check(amina, made.secret).account.slug == "amina"
    assert tokens.revoke(amina, made.secret).state == "revoked"


def test_a_wrong_secret_takes_the_same_steps_whether_the_id_is_known_or_not(
    amina: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[str, str]] = []
    compare = hmac.compare_digest

    def noted(one: str, other: str) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    made = tokens.create(amina, "amina", title="QGIS", scopes=["read"])
    for wrong in (made.secret[:17] + "_" + "0" * 64, "fair_" + "0" * 12 + "_" + "0" * 64):
        with pytest.raises(tokens.Rejected, match="no such token"):
            tokens.check(amina, wrong)
    assert [(len(one), len(other)) for one, other in compared] == [(64, 64)] * 2
