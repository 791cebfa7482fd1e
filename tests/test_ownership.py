"""Whose a piece of work is: what the tags of a run say, and what is published meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from fair_models import ownership
from fair_models.errors import Conflict, Invalid
from fair_models.ownership import Ownership

AMINA = Ownership("amina", "bikash", "private")


def test_tags_say_whose_a_run_is() -> None:
    assert AMINA.tags() == ["owner:amina", "requester:bikash", "visibility:private"]
    assert ownership.of_tags(["3-train", *AMINA.tags(), "named"]) == AMINA
    assert ownership.of_tags(["3-train", "model:roofs"]) == Ownership()
    assert Ownership().tags() == []


@pytest.mark.parametrize(
    "tags",
    [
        ["owner:amina", "owner:bikash"],
        ["owner:a@example.org"],
        ["owner:"],
        ["owner:Amina"],
        ["owner:" + "a" * 64],
        ["visibility:secret"],
        ["requester:amina\n"],
    ],
)
def test_tags_that_contradict_themselves_or_name_no_account_are_refused(tags: list[str]) -> None:
    with pytest.raises(Invalid, match="knows whose it is"):
        ownership.of_tags(tags)


def test_nobody_gives_a_run_tags_that_say_whose_it_is() -> None:
    assert ownership.free_tags(["trial:3", "owners"]) == ["trial:3", "owners"]
    for tag in ("owner:amina", "requester:amina", "visibility:public"):
        with pytest.raises(Invalid, match="service alone"):
            ownership.free_tags(["trial:3", tag])


def test_what_an_item_says_of_its_owner_itself_does_not_count() -> None:
    forged = {"fair:owner": "somebody", "fair:visibility": "public", "fair:requester": "somebody"}
    with ownership.acting_for(AMINA):
        mine = dict(forged)
        ownership.stamp(mine)
    assert mine == {"fair:owner": "amina", "fair:requester": "bikash", "fair:visibility": "private"}
    ownership.stamp(forged)
    assert forged == {}


def test_a_new_name_is_private_unless_its_owner_says_otherwise() -> None:
    with ownership.acting_for(Ownership("amina", "amina")):
        said: dict[str, object] = {}
        ownership.stamp(said)
        assert said["fair:visibility"] == "private"
    with ownership.acting_for(Ownership("amina", "amina", "public")):
        ownership.stamp(said)
        assert said["fair:visibility"] == "public"


def test_a_further_version_stays_its_owners_and_as_visible_as_the_one_before() -> None:
    former = {"fair:owner": "amina", "fair:visibility": "public"}
    for who in (Ownership(), Ownership("amina", "bikash")):
        with ownership.acting_for(who):
            said: dict[str, object] = {}
            ownership.stamp(said, former)
        assert (said["fair:owner"], said["fair:visibility"]) == ("amina", "public")


@pytest.mark.parametrize("former", [{"fair:owner": "bikash", "fair:visibility": "private"}, {}])
def test_a_name_of_somebody_else_is_taken_and_that_is_all_that_is_said(former: dict[str, object]) -> None:
    with ownership.acting_for(AMINA), pytest.raises(Conflict, match=r"^This name is taken$"):
        ownership.stamp({}, former)


def test_work_in_threads_is_for_whom_it_was_started() -> None:
    with ThreadPoolExecutor(1) as pool, ownership.acting_for(AMINA):
        assert pool.submit(copy_context().run, ownership.current).result() == AMINA
    assert ownership.current() == Ownership()
