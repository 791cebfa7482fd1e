"""Predictions as runs: shared out over sub-runs, cancelled, gone on with, seen while they go on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.flows.backend import Backend, flow_run_of, processes, until
from tests.inference.tiny import blobs, write_geotiff

pytestmark = pytest.mark.service

SIDE_PX = 3000
"""Some four shards."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large blobs over the seams of all shards."""
    image = np.tile(blobs(1500, 1500, 1, 30), (1, 2, 2))[:, :SIDE_PX, :SIDE_PX]
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    return write_geotiff(path, image, "EPSG:32645", (353_000.0, 3_057_000.0), 0.26)


@pytest.fixture(scope="module")
def whole_run(backend: Backend, registered: tuple[str, str], scene: Path) -> str:
    """The run that everything is compared with."""
    run = backend.start("predict", asked(registered, scene))
    backend.outcome(run)
    return run


@pytest.fixture(scope="module")
def whole(backend: Backend, whole_run: str) -> dict[str, Any]:
    """Its result."""
    return backend.result(whole_run)


@pytest.fixture
def shards(backend: Backend) -> Iterator[Path]:
    """Where shards lie. What a test leaves goes: the next one begins anew."""
    folder = backend.home / "store" / "shards"
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()


def asked(registered: tuple[str, str], scene: Path, **others: Any) -> dict[str, Any]:
    return {"model": registered[0], "imagery": str(scene), **others}


def lines(shards: Path) -> set[str]:
    return {path.name for path in shards.rglob("shard-*.json")}


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for kind in ("geoparquet", "vectors", "preview"):
        assert Path(one[kind]).read_bytes() == Path(other[kind]).read_bytes(), kind


def test_two_sub_runs_give_the_bytes_of_one_run(
    backend: Backend, registered: tuple[str, str], scene: Path, whole: dict[str, Any], shards: Path
) -> None:
    run = backend.start("predict", asked(registered, scene, sub_runs=2))

    assert_same(whole, backend.outcome(run))
    assert whole["features"] > 0
    children = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
    made = [
        backend.result(child["id"]) for child in backend.send("POST", "/flow_runs/filter", children).json()
    ]
    assert len(made) == 2
    assert all(each["made"] == each["last"] - each["first"] + 1 > 1 for each in made)
    assert lines(shards) == set()


@pytest.mark.proof
def test_who_cancels_a_prediction_cancels_its_sub_runs(
    backend: Backend, registered: tuple[str, str], tmp_path: Path, shards: Path
) -> None:
    long = np.zeros((3, 10_000, 10_000), np.uint8)  # minutes of work: nothing ends by itself
    path = write_geotiff(
        tmp_path / "long.tif", long, "EPSG:32645", (353_000.0, 3_057_000.0), 0.26, sparse_ok=True
    )
    run = backend.start("predict", asked(registered, path, sub_runs=2, fill="kept"))  # black is imagery
    until(lambda: backend.child(run))

    assert backend.command("cancel", run, "--json").returncode == 0

    assert backend.wait(run)["type"] == "CANCELLED"
    until(lambda: not backend.child(run, "RUNNING", "PENDING", "SCHEDULED", "CANCELLING"))
    assert not backend.child(run, "COMPLETED", "FAILED")
    until(lambda: not any(is_of_a_run(process) for process in processes()))


@pytest.mark.proof
def test_a_prediction_whose_process_is_killed_is_gone_on_with(
    backend: Backend, registered: tuple[str, str], scene: Path, whole_run: str, shards: Path
) -> None:
    run = backend.start("predict", asked(registered, scene))
    until(lambda: len(lines(shards)) >= 2)
    [process] = [each for each in processes() if flow_run_of(each) == run]
    process.kill()
    assert backend.wait(run)["type"] == "CRASHED"
    kept = lines(shards)

    again = backend.start("predict", asked(registered, scene))

    assert_same(backend.result(whole_run), backend.outcome(again))
    assert tasks(backend, again) == tasks(backend, whole_run) - len(kept)
    assert lines(shards) == set()


def test_a_broken_chip_is_a_row_of_the_table_and_of_the_result(
    backend: Backend, registered: tuple[str, str], town: Path, tmp_path: Path
) -> None:
    chips = tmp_path / "chips"
    chips.mkdir()
    for path in (town / "input").iterdir():
        if path.is_file():
            os.link(path, chips / path.name)
    broken = sorted(chips.glob("*.png")) or sorted(chips.glob("*.tif"))
    data = broken[0].read_bytes()
    broken[0].unlink()
    broken[0].write_bytes(data[: len(data) // 2])

    run = backend.start("predict", asked(registered, chips))
    row = backend.outcome(run)
    assert row["failed"] == 1
    wanted = {"flow_run_id": {"any_": [run]}, "key": {"any_": ["failed"]}}
    [artifact] = backend.send("POST", "/artifacts/filter", {"artifacts": wanted}).json()
    [told] = json.loads(artifact["data"])
    assert (told["what"], told["name"]) == ("chip", broken[0].name)
    item = json.loads(Path(row["item"]).read_text())
    assert item["properties"]["fair:counts"]["failed_chips"] == 1


def is_of_a_run(process: psutil.Process) -> bool:
    """Whether the process works on shards."""
    try:
        return flow_run_of(process) is not None and "prefect.engine" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def tasks(backend: Backend, run: str) -> int:
    """How many shards a run made itself."""
    wanted = {"task_runs": {"flow_run_id": {"any_": [run]}, "name": {"like_": "make_shard"}}, "limit": 200}
    found = backend.send("POST", "/task_runs/filter", wanted).json()
    return sum(each["state_type"] == "COMPLETED" for each in found)
