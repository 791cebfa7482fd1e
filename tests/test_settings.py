"""Settings as people write them into the environment."""

from __future__ import annotations

import pytest

from fair_models.errors import Invalid
from fair_models.settings import current


@pytest.mark.parametrize(
    "written", ["a.example.org,10.0.0.7", " a.example.org , 10.0.0.7,", '["a.example.org", "10.0.0.7"]']
)
def test_lists_are_words_with_commas_or_json(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", written)
    assert current().allowed_hosts == ("a.example.org", "10.0.0.7")


def test_an_empty_list_is_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_FOLDERS", "")
    assert current().allowed_folders == ()


def test_all_wrong_variables_are_named_and_none_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_PREFECT_PORT", "hush-hush")
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["hush-hush"')
    with pytest.raises(Invalid) as refused:
        current()
    told = str(refused.value)
    assert "FAIR_PREFECT_PORT" in told
    assert "FAIR_ALLOWED_HOSTS" in told
    assert "hush" not in told
