"""Ingests whose chips sub-runs cut: the same bytes, cancelled together, gone on with after a death."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import shapely

from fair_models.data.images.grid import LONLAT, reproject
from tests.flows.backend import Backend, flow_run_of, processes, until
from tests.inference.tiny import blobs, write_geotiff

pytestmark = pytest.mark.service

SIDE_PX, CRS, CORNER = 3000, "EPSG:32645", (353_000.0, 3_057_000.0)
"""Some 600 chips of zoom 20."""


def labels(path: Path) -> Path:
    """Boxes of 20 m, 60 m apart."""
    features = []
    for x in np.arange(CORNER[0] + 30, CORNER[0] + 750, 60):
        for y in np.arange(CORNER[1] - 750, CORNER[1] - 30, 60):
            box = shapely.box(x, y, x + 20, y + 20)
            lonlat = shapely.transform(
                box, lambda xy: np.column_stack(reproject(CRS, LONLAT, xy[:, 0], xy[:, 1]))
            )
            shape = json.loads(shapely.to_geojson(lonlat))
            features.append({"type": "Feature", "properties": {}, "geometry": shape})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = np.tile(blobs(1500, 1500, 1, 30), (1, 2, 2))[:, :SIDE_PX, :SIDE_PX]
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    labels(path.with_name("labels.geojson"))
    return write_geotiff(path, image, CRS, CORNER, 0.26)


@pytest.fixture
def shards(backend: Backend) -> Iterator[Path]:
    """Where blocks lie. What a test leaves goes: the next one begins anew."""
    folder = backend.home / "store" / "shards"
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()


def asked(scene: Path, name: str, **more: Any) -> dict[str, Any]:
    given = {"name": name, "title": "Scene", "imagery": str(scene), "zoom": 20, "license": "CC0-1.0"}
    return {**given, "labels": str(scene.with_name("labels.geojson")), **more}


def checksums(backend: Backend, name: str) -> dict[str, str]:
    item = backend.item("datasets", f"{name}-v1")
    wanted = ("chips", "labels", "split")
    return {key: item.assets[key].extra_fields["file:checksum"] for key in wanted}


def lines(shards: Path) -> set[str]:
    return {path.name for path in shards.rglob("shard-*.json")}


def children(backend: Backend, run: str) -> list[str]:
    wanted = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
    return [each["id"] for each in backend.send("POST", "/flow_runs/filter", wanted).json()]


@pytest.mark.proof
def test_sub_runs_give_the_dataset_of_one_run(backend: Backend, scene: Path, shards: Path) -> None:
    one = backend.start("ingest-dataset", asked(scene, "scene-one"))
    backend.outcome(one)
    shared = backend.start("ingest-dataset", asked(scene, "scene-shared", sub_runs=2))
    backend.outcome(shared)

    assert checksums(backend, "scene-shared") == checksums(backend, "scene-one")
    assert children(backend, one) == []
    made = [backend.result(child) for child in children(backend, shared)]
    assert len(made) == 2
    assert sum(each["made"] for each in made) >= 4
    assert lines(shards) == set()


@pytest.mark.proof
def test_who_cancels_an_ingest_cancels_its_sub_runs(backend: Backend, scene: Path, shards: Path) -> None:
    run = backend.start("ingest-dataset", asked(scene, "scene-never", zoom=22, sub_runs=2))
    until(lambda: backend.child(run))

    assert backend.command("cancel", run, "--json").returncode == 0

    assert backend.wait(run)["type"] == "CANCELLED"
    until(lambda: not backend.child(run, "RUNNING", "PENDING", "SCHEDULED", "CANCELLING"))
    assert not backend.child(run, "COMPLETED", "FAILED")


@pytest.mark.proof
def test_blocks_of_a_worker_that_dies_are_sent_out_again(backend: Backend, scene: Path, shards: Path) -> None:
    run = backend.start("ingest-dataset", asked(scene, "scene-died", sub_runs=2))
    child = until(lambda: backend.child(run))

    def process() -> psutil.Process | None:
        return next((each for each in processes() if flow_run_of(each) == child), None)

    until(lambda: len(lines(shards)) >= 1)
    found = process()
    if found is not None:
        found.kill()

    backend.outcome(run)
    sent = len(children(backend, run))
    assert (
        sent == 2 if found is None else 2 < sent <= 4
    )  # the blocks that are missing are shared by two again
