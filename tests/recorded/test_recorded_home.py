"""A registry that the state of November 2026 (d384fd9) left behind goes on working.

`home.tar.xz` was made by that state: a registered contribution, a dataset, two trainings of `old-roofs` of
which the first is published, a prediction, and archives of code: of all contributions, and of one that
`new-model` made.
`promoted-second.json` is the item that the same state then published of the second training.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import orjson
import pytest
import shapely
from shapely.geometry import shape

from fair_models.store.digests import checksum_file

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
MADE_AT = "/tmp/fair-recorded"
IOU = "fair:building_iou"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home, unpacked; it names its new place, but in files that lie under their digest."""
    folder = tmp_path_factory.mktemp("recorded")
    with tarfile.open(HERE / "home.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    home = folder / "recorded-home"
    for path in home.rglob("*"):
        if path.suffix in {".json", ".yaml"} and "store" not in path.relative_to(home).parts[:1]:
            path.write_text(path.read_text().replace(MADE_AT, str(home)))
    for path in home.rglob("*.db"):
        _relocate(path, str(home))
    _checksum_again(home / "predictions" / "town", "predict.yaml")
    return home


def _checksum_again(folder: Path, name: str) -> None:
    """Have a prediction's item say what its file holds now."""
    path = folder / "prediction.json"
    item = orjson.loads(path.read_bytes())
    for asset in item["assets"].values():
        if asset["href"].endswith(name):
            asset["file:checksum"] = checksum_file(folder / name)
            asset["file:size"] = (folder / name).stat().st_size
    path.write_bytes(orjson.dumps(item))


def _relocate(database: Path, home: str) -> None:
    connection = sqlite3.connect(database)
    tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
    for table in tables:
        for _, column, kind, *_ in connection.execute(f'pragma table_info("{table}")').fetchall():
            if "CHAR" in kind.upper() or "TEXT" in kind.upper():
                change = (
                    f'update "{table}" set "{column}" = replace("{column}", ?, ?) where "{column}" like ?'
                )
                connection.execute(change, (MADE_AT, home, f"%{MADE_AT}%"))
    connection.commit()
    connection.close()


def replay(home: Path, step: str) -> Any:
    answer = home.parent / f"{step}.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.recorded.replay", step, str(answer)],
        cwd=PROJECT,
        env=os.environ | {"FAIR_HOME": str(home), "ZENML_CONFIG_PATH": str(home / "zenml")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return orjson.loads(answer.read_bytes())


def test_every_archive_of_code_is_imported_and_keeps_to_the_contract(home: Path) -> None:
    found = replay(home, "loaded")

    assert len(found) == 6
    assert all("epochs" in names for names in found.values())


def test_the_audit_finds_nothing_wrong_with_it(home: Path) -> None:
    assert replay(home, "audited") == []


def test_a_prediction_is_made_once_more_from_its_config(home: Path) -> None:
    folders = replay(home, "repeated")

    before, after = (_polygons(Path(folders[name])) for name in ("before", "after"))
    # Not byte by byte: another processor may round a score to the other side of the threshold.
    assert shapely.symmetric_difference(before, after).area <= 0.001 * before.area


def test_a_version_that_was_trained_before_is_published_with_what_its_run_said(home: Path) -> None:
    before = orjson.loads((HERE / "promoted-second.json").read_bytes())

    after = replay(home, "promoted")

    assert after["id"] == before["id"] == "old-roofs-v2"
    same = set(before["properties"]) - {"created", "datetime", "updated"}
    assert {name: after["properties"].get(name) for name in same} == {
        name: before["properties"][name] for name in same
    }
    assert _checksums(after) == _checksums(before)


def _checksums(item: Any) -> dict[str, str]:
    """Digests of its files. The run config holds addresses, so it differs where the home lies elsewhere."""
    return {
        name: asset["file:checksum"]
        for name, asset in item["assets"].items()
        if "file:checksum" in asset and name != "run-config"
    }


def test_a_run_config_of_before_trains_the_same_model_again(home: Path) -> None:
    runs = replay(home, "trained_again")

    assert runs["number"] > 2
    assert runs["after"][IOU] == pytest.approx(runs["before"][IOU], abs=0.02)
    assert runs["after"].keys() >= runs["before"].keys()


def _polygons(folder: Path) -> Any:
    features = orjson.loads((folder / "predictions.geojson").read_bytes())["features"]
    assert features
    return shapely.union_all([shape(feature["geometry"]) for feature in features])
