"""Where ZenML keeps its state when it is started on its own."""

import os
from pathlib import Path

import pytest

from fair_models.training.process.environment import follow_settings


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ZENML_CONFIG_PATH", "ZENML_ANALYTICS_OPT_IN", "FAIR_HOME"):
        # Set first, so that what the hook sets is taken back too.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def config_path() -> str | None:
    return os.environ.get("ZENML_CONFIG_PATH")


def test_zenml_follows_the_home_that_is_set(monkeypatch, tmp_path):
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "state"))

    follow_settings()

    assert config_path() == str(tmp_path / "state" / "zenml")


def test_zenml_follows_the_checkout_that_it_is_started_in(tmp_path, monkeypatch):
    (tmp_path / "prefect.yaml").touch()
    (tmp_path / "flows").mkdir()
    monkeypatch.chdir(tmp_path / "flows")

    follow_settings()

    assert config_path() == str(tmp_path / ".fair" / "zenml")


def test_zenml_elsewhere_keeps_its_own_state():
    follow_settings()

    assert config_path() is None


def test_a_config_path_that_is_set_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("FAIR_HOME", str(tmp_path))
    monkeypatch.setenv("ZENML_CONFIG_PATH", "/elsewhere")

    follow_settings()

    assert config_path() == "/elsewhere"
