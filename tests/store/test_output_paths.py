"""Where results may be written: never among what the registry keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fair_models.errors import Conflict, Invalid
from fair_models.store import locations
from fair_models.store.atomic import write_new


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("FAIR_ALLOWED_FOLDERS", "FAIR_STORE", "FAIR_CATALOG", "PREFECT_HOME", "ZENML_CONFIG_PATH"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    monkeypatch.setenv("FAIR_HOME", str(home))
    return home


@pytest.mark.parametrize(
    "kept", ["catalog", "store", "cache", "schemas", "run", "prefect", "zenml/local_stores", "mlflow"]
)
@pytest.mark.parametrize("made", [True, False])
def test_nothing_is_written_among_the_state_of_the_registry(home: Path, kept: str, made: bool) -> None:
    if made:
        (home / kept).mkdir(parents=True)
    for path in (home / kept, home / kept / "deep" / "x.json", home / "audits" / ".." / kept / "x.md"):
        with pytest.raises(Invalid, match="keeps its own files") as refused:
            locations.output_path(path)
        assert str(path) in str(refused.value)


def test_links_into_the_state_are_seen_through(home: Path, tmp_path: Path) -> None:
    (home / "catalog").mkdir(parents=True)
    (home / "catalog" / "item.json").write_text("{}")
    (tmp_path / "folder").symlink_to(home / "catalog")
    (tmp_path / "file.json").symlink_to(home / "catalog" / "item.json")
    for path in (tmp_path / "folder" / "new.json", tmp_path / "file.json"):
        with pytest.raises(Invalid, match="keeps its own files"):
            locations.output_path(path)


def test_a_catalogue_a_store_and_programs_elsewhere_are_kept_too(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FAIR_CATALOG", "FAIR_STORE", "PREFECT_HOME", "ZENML_CONFIG_PATH"):
        place = tmp_path / name.lower()
        locations.output_path(place / "x.json")
        monkeypatch.setenv(name, str(place))
        with pytest.raises(Invalid, match="keeps its own files"):
            locations.output_path(place / "x.json")


def test_results_go_anywhere_else(home: Path, tmp_path: Path) -> None:
    for path in (home / "predictions" / "x", home / "audits" / "x.md", home / "mine", tmp_path / "catalog"):
        assert locations.output_path(path) == path


def test_what_is_written_must_lie_in_the_folders_that_are_set(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_FOLDERS", json.dumps([str(tmp_path / "data"), str(home)]))
    assert locations.output_path(tmp_path / "data" / "x") == tmp_path / "data" / "x"
    with pytest.raises(Invalid, match="lies outside"):
        locations.output_path(tmp_path / "other" / "x")
    with pytest.raises(Invalid, match="keeps its own files"):
        locations.output_path(home / "store" / "x")


def test_a_new_file_never_takes_the_place_of_one_that_is_there(tmp_path: Path) -> None:
    write_new(tmp_path / "deep" / "x", b"first")
    with pytest.raises(Conflict, match="not overwritten"):
        write_new(tmp_path / "deep" / "x", b"second")
    (tmp_path / "deep" / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Conflict, match="not overwritten"):
        write_new(tmp_path / "deep" / "link", b"second")
    assert (tmp_path / "deep" / "x").read_bytes() == b"first"
    assert sorted(each.name for each in (tmp_path / "deep").iterdir()) == ["link", "x"]
