"""Limits of requests, and of wrong tokens."""

from __future__ import annotations

import re

import pytest
from pydantic import SecretStr

from fair_models.errors import Invalid
from fair_models.settings import Settings
from fair_models.web.auth import audit_log
from fair_models.web.auth.rates import Rates, by_network
from tests.web.auth.people import bearer, service


def test_each_token_has_a_limit_of_its_own_and_answers_tell_it(settings: Settings) -> None:
    with service(settings, web_rate="3/hour") as running:
        answers = [running.ask("GET", "/api/account", "reader") for _ in range(4)]
        assert [each.status_code for each in answers] == [200, 200, 200, 429]
        assert answers[0].headers["ratelimit-policy"] == '"requests";q=3;w=3600'
        left = [re.match(r'"requests";r=(\d+);t=(\d+)$', each.headers["ratelimit"]) for each in answers]
        assert [int(each[1]) for each in left if each] == [2, 1, 0, 0]
        assert 0 < int(answers[3].headers["retry-after"]) <= 7200
        assert answers[3].json()["code"] == "too-many-requests"
        assert running.ask("GET", "/api/account", "admin").status_code == 200


def test_strangers_are_counted_by_their_address(settings: Settings) -> None:
    with service(settings, web_rate="2/hour") as running:
        assert [running.ask("GET", "/health/live").status_code for _ in range(3)] == [200, 200, 429]
        assert running.ask("GET", "/api/account", "reader").status_code == 200


def test_who_tries_tokens_has_to_wait_and_so_has_a_right_one_from_there(settings: Settings) -> None:
    with service(settings, web_failed_rate="5/hour") as running:
        wrong = bearer("fair_" + "0" * 12 + "_" + "0" * 64)
        tried = [running.ask("GET", "/api/account", headers=wrong).status_code for _ in range(8)]
        assert tried == [401] * 5 + [429] * 3
        assert running.ask("GET", "/api/account", "admin").status_code == 429
        assert running.ask("GET", "/health/live").status_code == 200
        noted = audit_log.read(running.database)
        assert [entry.result for entry in noted] == ["401"] * 5


def test_addresses_of_one_network_are_one(settings: Settings) -> None:
    assert by_network("2001:db8::1") == by_network("2001:db8::ffff:1")
    assert by_network("2001:db8:0:1::1") != by_network("2001:db8::1")
    assert by_network("::ffff:192.0.2.7") == "192.0.2.7"
    assert by_network("192.0.2.7") != by_network("192.0.2.8")


@pytest.mark.parametrize("storage", ["nothing://", "somewhere", ""])
def test_what_cannot_count_is_refused_at_the_start(settings: Settings, storage: str) -> None:
    with pytest.raises(Invalid, match="FAIR_WEB_RATE_STORAGE"):
        Rates(settings.model_copy(update={"web_rate_storage": SecretStr(storage)}))
