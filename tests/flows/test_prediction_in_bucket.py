"""Predictions where the registry's store is a bucket: shards that many pods share, results that all see."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fair_models.inference.network.session import open_session
from fair_models.inference.prediction import predict
from fair_models.inference.shards.sharding import sharded
from fair_models.store.digests import verify
from fair_models.store.local import LocalStore
from fair_models.store.s3.place import BucketPlace
from fair_models.store.s3.store import S3Store
from flows.tasks import results
from tests.inference.tiny import blobs, request_for, write_geotiff, write_network
from tests.store.s3_server import s3_bucket, s3_endpoint

__all__ = ["s3_bucket", "s3_endpoint"]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_geotiff(
        tmp_path / "scene.tif", blobs(300, 600, 2, 14), "EPSG:32645", (353_000.0, 3_057_000.0), 0.26
    )


def test_shards_of_two_machines_meet_in_a_bucket_and_go_when_they_are_put_together(
    tmp_path: Path, scene: Path, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fair_models.inference.windowing.plan.MIN_SHARD_PX", 128 * 128 * 3)
    session = open_session(write_network(tmp_path / "n.onnx", size_px=128), threads=1)
    one, other = (
        S3Store(BucketPlace.of(f"s3://{s3_bucket}/fair"), tmp_path / f"cache-{name}") for name in "ab"
    )
    request = request_for(scene, tmp_path / "out", session)
    with sharded(request, one) as work:
        for shard in work.missing()[:2]:
            work.make(shard)

    with sharded(request, other) as work:
        assert work.missing() == list(work.shards)[2:]
        for shard in work.missing():
            work.make(shard)
        found = work.write(lambda step: None)

    whole = predict(request_for(scene, tmp_path / "whole", session))
    name = "predictions.geojson"
    assert (found.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert list(one.hrefs("shards/")) == []
    left = [path.name for path in (tmp_path / "cache-b").rglob("*") if path.is_file()]
    assert set(left) <= {".lock"}


def test_results_lie_where_everybody_sees_them(tmp_path: Path, scene: Path, s3_bucket: str) -> None:
    session = open_session(write_network(tmp_path / "n.onnx", size_px=128), threads=1)
    found = predict(request_for(scene, tmp_path / "roofs-1", session, formats=["geoparquet", "classes"]))
    row = results.predicted(found, "brightness-v1")
    store = S3Store(BucketPlace.of(f"s3://{s3_bucket}/fair"), tmp_path / "cache")

    moved = results.where_all_see_it(row, found, store)

    folder = f"s3://{s3_bucket}/fair/predictions/roofs-1"
    assert moved.folder == folder
    assert (moved.geoparquet, moved.classes) == (f"{folder}/predictions.parquet", f"{folder}/classes.tif")
    assert (moved.item, moved.vectors) == (f"{folder}/prediction.json", None)
    for file in found.files:
        verify(store.fetch(f"{folder}/{file.name}"), file.checksum)
    assert not found.folder.exists()


def test_results_in_a_folder_that_is_the_store_stay_where_they_are(tmp_path: Path, scene: Path) -> None:
    session = open_session(write_network(tmp_path / "n.onnx", size_px=128), threads=1)
    found = predict(request_for(scene, tmp_path / "out", session))
    row = results.predicted(found, "brightness-v1")

    assert results.where_all_see_it(row, found, LocalStore(tmp_path / "store")) == row
    shutil.rmtree(found.folder)
