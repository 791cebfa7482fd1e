"""Looking at a catalogue whose files may be broken, or must not be touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pystac import Item

from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.local.refresh import refresh
from fair_models.catalog.local.survey import Survey, survey
from fair_models.catalog.protocol import Change
from tests.catalog.local.test_local_crash import as_somebody_else, open_folder

__all__ = ["open_folder"]  # a fixture

MakeItem = Callable[..., Item]


def test_where_there_is_no_catalogue_nothing_is_found_and_nothing_made(tmp_path: Path) -> None:
    assert survey(tmp_path / "catalog") == Survey(tmp_path / "catalog")
    assert not (tmp_path / "catalog").exists()


def test_a_folder_that_may_not_be_written_is_looked_at(open_folder: Path, make_item: MakeItem) -> None:
    catalog = LocalCatalog(open_folder / "catalog")
    catalog.commit(Change(put=[make_item("roofs-v1"), make_item("ramp-v1", "base-models")]))
    said = as_somebody_else(
        lambda: json.dumps([file.path for file in survey(catalog.root).items]), open_folder
    )
    assert json.loads(said) == ["base-models/ramp-v1/ramp-v1.json", "local-models/roofs-v1/roofs-v1.json"]


def test_what_was_just_committed_is_not_behind(tmp_path: Path, make_item: MakeItem) -> None:
    catalog = LocalCatalog(tmp_path / "catalog")
    for number in (1, 2, 3):
        catalog.commit(
            Change(put=[make_item(f"roofs-v{number}"), make_item(f"ramp-v{number}", "base-models")])
        )
        catalog.commit(Change(remove=[("local-models", f"roofs-v{number}")]))
        found = survey(catalog.root)
        assert (found.behind, found.stale, found.absolute, found.unlinked, found.broken) == (
            {},
            [],
            {},
            [],
            {},
        )
    assert refresh(catalog.root) == []
