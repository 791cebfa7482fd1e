"""A catalogue copied between a folder and pgstac, in both directions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pystac
import pytest
from pydantic import SecretStr
from pystac import Item
from typer.testing import CliRunner

from fair_models.catalog import copying
from fair_models.catalog.changes.transitions import deleting, publish
from fair_models.catalog.items import tombstones
from fair_models.catalog.items.collections import COLLECTIONS
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.pgstac.catalog import PgstacCatalog
from fair_models.catalog.protocol import Catalog, Change
from fair_models.cli.app import app
from fair_models.errors import Conflict
from fair_models.training import ledger
from tests.catalog.item_factory import base_item, dataset_item, local_item, raw
from tests.publishing.memory_ledger import MemoryLedger

API = "https://stac.example.org"
WHEN = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> LocalCatalog:
    """Three versions of a model of which one was deleted, and what they derive from."""
    catalog = LocalCatalog(tmp_path / "catalog")
    fill(catalog)
    return catalog


def fill(catalog: Catalog) -> None:
    publish(catalog, base_item())
    publish(catalog, dataset_item())
    parents = {
        "base_href": catalog.href("base-models", "roofs-unet-v1"),
        "dataset_href": catalog.href("datasets", "banepa-buildings-v1"),
    }
    for number in (1, 2, 3):
        publish(catalog, local_item(number, **parents))
    gone = catalog.get("local-models", "banepa-roofs-v2")
    catalog.commit(deleting(catalog, [gone], WHEN, reason="wrong labels", forced=True).change)


def everything(catalog: Catalog) -> dict[str, dict[str, Any]]:
    items = [item for name in COLLECTIONS for item in catalog.search(name)]
    buried = [item for name in COLLECTIONS for item in catalog.tombstones(name)]
    return {
        f"{kind} {item.id}": raw(item) for kind, held in (("item", items), ("grave", buried)) for item in held
    }


def test_there_and_back_every_item_and_tombstone_is_the_same(
    folder: LocalCatalog, shared_pgstac_url: str, tmp_path: Path
) -> None:
    before = everything(folder)
    database = PgstacCatalog(SecretStr(shared_pgstac_url), API)
    there = copying.copy(folder, database)
    assert (there.items, there.tombstones, there.same) == (4, 1, 0)
    assert str(folder.root) not in json.dumps(everything(database))
    third = database.get("local-models", "banepa-roofs-v3")
    assert (
        third.get_single_link("predecessor-version").href
        == f"{API}/collections/local-models/items/banepa-roofs-v1"
    )
    assert [item.id for item in database.derivatives("base-models", "roofs-unet-v1")] == [
        "banepa-roofs-v1",
        "banepa-roofs-v3",
    ]
    assert tombstones.note(database.tombstones("local-models")[0])["reason"] == "wrong labels"

    folder.root.rename(tmp_path / "put-away")
    copying.copy(database, LocalCatalog(folder.root))
    assert everything(LocalCatalog(folder.root)) == before


def test_a_catalogue_is_restored_from_its_items_alone(
    pgstac_url: str, empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rehearsal of docs/guides/backup.md: pgstac, a folder of JSON, and a new, empty database."""
    lost = PgstacCatalog(SecretStr(pgstac_url), API)
    fill(lost)
    before, sums = everything(lost), lost.collection("local-models").to_dict()
    command("copy", "configured", str(tmp_path / "backup"), catalog=pgstac_url, monkeypatch=monkeypatch)
    lost.database.close()
    assert (
        len(
            list(
                pystac.Catalog.from_file(str(tmp_path / "backup" / "catalog.json")).get_items(recursive=True)
            )
        )
        == 4
    )

    command("init", catalog=empty_url, monkeypatch=monkeypatch)
    told = command("copy", str(tmp_path / "backup"), "configured", catalog=empty_url, monkeypatch=monkeypatch)
    assert "Copied 4 items and 1 tombstones; 0 were already there." in " ".join(told.split())
    restored = PgstacCatalog(SecretStr(empty_url), API)
    assert everything(restored) == before
    assert restored.collection("local-models").to_dict() == sums
    restored.database.close()


def command(*arguments: str, catalog: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FAIR_CATALOG", catalog)
    monkeypatch.setenv("FAIR_CATALOG_API_URL", API)
    done = CliRunner().invoke(app, ["catalog", *arguments])
    assert done.exit_code == 0, done.output
    assert "w0rd" not in done.output
    return done.output


@pytest.mark.parametrize("commits", range(3))
def test_after_a_crash_the_same_again_completes_the_copy(
    folder: LocalCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    class Dying(LocalCatalog):
        left = commits

        def commit(self, change: Change) -> None:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            super().commit(change)

    monkeypatch.setattr(copying, "AT_ONCE", 2)
    with pytest.raises(KeyboardInterrupt):
        copying.copy(folder, Dying(tmp_path / "copy"))
    copying.copy(folder, LocalCatalog(tmp_path / "copy"))

    copied = everything(LocalCatalog(tmp_path / "copy"))
    assert copied.keys() == everything(folder).keys()
    again = copying.copy(folder, LocalCatalog(tmp_path / "copy"))
    assert (again.items, again.tombstones, again.same) == (0, 0, 5)


def test_a_target_with_something_else_is_refused(folder: LocalCatalog, tmp_path: Path) -> None:
    target = LocalCatalog(tmp_path / "other")
    other: Item = base_item(title="Another")
    target.commit(Change(put=[other]))
    with pytest.raises(Conflict, match="not empty: it has base-models/roofs-unet-v1, which the source"):
        copying.copy(folder, target)
    assert [item.id for name in COLLECTIONS for item in target.search(name)] == ["roofs-unet-v1"]


def test_init_of_a_folder_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAIR_CATALOG", str(tmp_path))
    done = CliRunner().invoke(app, ["catalog", "init"])
    assert done.exit_code == 2
    assert "set FAIR_CATALOG to postgresql://" in " ".join(done.output.split())


def test_a_restored_catalogue_is_checked_itself_and_not_the_one_of_the_settings(
    folder: LocalCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_CATALOG", str(tmp_path / "in-use"))
    monkeypatch.setattr(ledger, "open_ledger", lambda _: MemoryLedger())
    restored = LocalCatalog(tmp_path / "restored")
    copying.copy(folder, restored)

    done = CliRunner().invoke(app, ["catalog", "audit", str(restored.root), "--json"])
    said = json.loads(done.stdout)
    assert said["catalog"] == str(restored.root)
    assert sum(said["checked"].values()) == 4
    assert done.exit_code == 1  # its files are not in this store
    assert {"assets"} <= {finding["rule"] for finding in said["findings"]}

    unused = json.loads(CliRunner().invoke(app, ["catalog", "audit", "--json"]).stdout)
    assert (unused["catalog"], sum(unused["checked"].values())) == (str(tmp_path / "in-use"), 0)
    assert "Catalogue: " in CliRunner().invoke(app, ["catalog", "audit"]).stdout
