"""What is published belongs to whom the run is for."""

from __future__ import annotations

from typing import Any

import pytest
from pystac import Item

from fair_models import ownership
from fair_models.catalog import validation
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.errors import Conflict
from fair_models.ownership import Ownership
from fair_models.params import PromoteParams, RetireParams
from fair_models.publishing.promote import promote
from fair_models.publishing.retire import retire
from fair_models.store.local import LocalStore
from fair_models.types import LOCAL_MODELS
from tests.publishing.memory_ledger import MemoryLedger

pytestmark = pytest.mark.usefixtures("parents")

MODEL = "banepa-roofs"
AMINA = Ownership("amina", "bikash", "private")


@pytest.fixture
def publish(catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger) -> Any:
    def call(version: int, who: Ownership) -> Item:
        with ownership.acting_for(who):
            return promote(PromoteParams(model=MODEL, version=version), catalog, store, ledger)

    return call


def said(item: Item) -> tuple[Any, ...]:
    return tuple(item.properties.get(field) for field in ownership.FIELDS)


def test_a_version_says_whose_it_is_and_who_asked_for_it(publish: Any, ledger: MemoryLedger) -> None:
    ledger.add()
    item = publish(1, AMINA)
    assert said(item) == ("amina", "bikash", "private")
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []


def test_a_version_without_an_owner_says_nothing(publish: Any, ledger: MemoryLedger) -> None:
    ledger.add()
    assert said(publish(1, Ownership())) == (None, None, None)


def test_the_next_version_stays_the_owners_whoever_publishes_it(publish: Any, ledger: MemoryLedger) -> None:
    ledger.add()
    ledger.add()
    publish(1, AMINA)
    assert said(publish(2, Ownership(requester="root"))) == ("amina", "root", "private")


def test_nobody_else_publishes_under_the_name_and_nothing_is_left_of_it(
    publish: Any, ledger: MemoryLedger, catalog: LocalCatalog, store: LocalStore
) -> None:
    ledger.add()
    ledger.add()
    publish(1, AMINA)
    before = sorted(store.hrefs(""))
    with pytest.raises(Conflict, match=r"^This name is taken$"):
        publish(2, Ownership("chandra", "chandra", "public"))
    assert [item.id for item in catalog.search(LOCAL_MODELS)] == ["banepa-roofs-v1"]
    assert sorted(store.hrefs("")) == before


def test_the_same_version_again_changes_nothing_whoever_asks(publish: Any, ledger: MemoryLedger) -> None:
    ledger.add()
    first = publish(1, AMINA)
    again = publish(1, Ownership("amina", "amina", "public"))
    assert said(again) == said(first)


def test_a_tombstone_still_says_whose_it_was(
    publish: Any, ledger: MemoryLedger, catalog: LocalCatalog, store: LocalStore
) -> None:
    ledger.add()
    publish(1, AMINA)
    retire(RetireParams(name=MODEL, action="delete"), catalog, store, ledger)
    (buried,) = catalog.tombstones(LOCAL_MODELS, MODEL)
    assert said(buried) == ("amina", "bikash", "private")


@pytest.mark.parametrize(
    "wrong", [{"fair:owner": "a@example.org"}, {"fair:visibility": "secret"}, {"fair:requester": ""}]
)
def test_an_owner_that_is_no_account_breaks_the_profile(
    publish: Any, ledger: MemoryLedger, wrong: dict[str, str]
) -> None:
    ledger.add()
    item = publish(1, Ownership())
    item.properties |= wrong
    found = validation.problems(item.to_dict(transform_hrefs=False))
    assert found
    assert all(next(iter(wrong)) in problem for problem in found)
