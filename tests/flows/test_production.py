"""A model's whole life in production, and on one machine.

Production is a bucket, pgstac and a Prefect server on PostgreSQL with workers, all named by blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter
from rasterio.shutil import copy

from blocks.runtime import Runtime
from blocks.tracking import Tracking
from fair_models.client import Client
from fair_models.data.synthetic import make_settlement
from fair_models.errors import FairModelsError
from fair_models.params import IngestDatasetParams
from flows.ingest_dataset import ingest_dataset
from flows.tasks import registry
from tests import services
from tests.flows import life
from tests.flows.backend import Backend
from tests.flows.leaking import (
    MLFLOW_SECRET,
    WRONG_PASSWORD,
    denying,
    files,
    in_bucket,
    leaks,
    save_catalog,
    save_store,
    take_blocks_back,
)
from tests.flows.production import APART, production
from tests.inference.tiny import blobs, write_geotiff
from tests.publishing import tiny_contribution

MODEL = "living-roofs"
SIDE_PX = 2400
"""Two shards."""

pytestmark = [pytest.mark.service, pytest.mark.proof]


@pytest.fixture
def hamlet(tmp_path: Path) -> Path:
    """A few small chips."""
    folder = tmp_path / "hamlet"
    return make_settlement(folder, seed=3, columns=4, rows=2, size_px=64, prediction_columns=1)


@pytest.fixture
def database(postgres: services.Postgres) -> Iterator[str]:
    """Where the Prefect server keeps its state."""
    url = postgres.empty()
    yield url
    postgres.drop(url)


def an_image(folder: Path, bucket: str) -> str:
    """A cloud-optimised GeoTIFF in the bucket; its address."""
    pixels = np.tile(blobs(SIDE_PX // 2, SIDE_PX // 2, 1, 30), (1, 2, 2))
    plain = write_geotiff(folder / "plain.tif", pixels, "EPSG:32645", (353_000.0, 3_057_000.0), 1.0)
    copy(plain, folder / "scene.tif", driver="COG")
    boto3.client("s3").upload_file(str(folder / "scene.tif"), bucket, "imagery/scene.tif")
    return f"s3://{bucket}/imagery/scene.tif"


def save_blocks(bucket: str, endpoint: str, catalog: str, mlflow: str) -> None:
    """What an operator saves to say where everything is."""
    save_store(bucket, endpoint)
    save_catalog(catalog)
    Tracking(
        zenml_artifacts=f"s3://{bucket}/zenml",
        mlflow_uri=mlflow,
        mlflow_username="operator",
        mlflow_password=MLFLOW_SECRET,
    ).save("default", overwrite=True)
    Runtime(train_pool=APART, predict_pool=APART, train_memory="4Gi").save("default", overwrite=True)


def said_when_refused(chips: Path, catalog: str, denied: str, bucket: str, endpoint: str) -> str:
    """The errors of runs that the bucket, and then the catalogue, lets not in."""
    params = IngestDatasetParams(name="never-there", title="Never there", chips=str(chips))
    try:
        save_store("somebody-elses", denied)
        with pytest.raises(FairModelsError) as no_bucket:
            ingest_dataset(params)
        save_store(bucket, endpoint)
        save_catalog(catalog, WRONG_PASSWORD)
        with pytest.raises(FairModelsError) as no_catalog:
            ingest_dataset(params)
    finally:
        take_blocks_back()
    return repr([no_bucket.value, no_catalog.value])


def pools_of(*flows: str) -> set[str | None]:
    """The work pools that runs of some flows went to."""
    wanted = FlowFilter.model_validate({"name": {"any_": flows}})
    with get_client(sync_client=True) as client:
        return {run.work_pool_name for run in client.read_flow_runs(flow_filter=wanted)}


def test_a_model_lives_in_production_through_blocks_and_no_secret_is_seen(
    postgres: services.Postgres,
    database: str,
    pgstac_url: str,
    s3_bucket: str,
    s3_endpoint: str,
    hamlet: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry.ingest, "retries", 0)  # for the runs of this process, which are refused
    with denying() as stranger, production(database, tmp_path) as client:
        save_blocks(s3_bucket, s3_endpoint, pgstac_url, stranger)
        promoted = life.published(client, tiny_contribution.write(tmp_path), hamlet / "input", MODEL)
        stored = in_bucket(s3_bucket)
        found = life.predicted(client, MODEL, an_image(tmp_path, s3_bucket), sub_runs=2)
        life.retired(client, MODEL)
        pools = pools_of("train", "predict-shards")
        refused = said_when_refused(hamlet / "input", pgstac_url, stranger, s3_bucket, s3_endpoint)

    left, own = in_bucket(s3_bucket), f"fair/models/local-models/{MODEL}/"
    assert promoted.href == f"https://stac.example.org/collections/local-models/items/{MODEL}-v1"
    assert found.folder.startswith(f"s3://{s3_bucket}/fair/models/predictions/{MODEL}-v1-")
    assert pools == {APART}
    assert any(key.startswith(own) for key in stored)
    assert not any(key.startswith(own) for key in left)
    assert any(key.startswith("zenml/") for key in left)
    history = postgres.dump(database)
    assert "goes on without them" in history  # MLflow said no, and that was told
    assert "predict-shards" in history
    assert "never-there" in history
    told = {"prefect": history, "catalogue": postgres.dump(pgstac_url), "refused": refused}
    told |= {"log": caplog.text, "output": "".join(capfd.readouterr())}
    assert leaks({**told, **stored, **left, **files(tmp_path)}) == []
    assert leaks({"planted": f"at {MLFLOW_SECRET}!"})


def test_the_same_life_on_the_local_defaults(backend: Backend, hamlet: Path, tmp_path: Path) -> None:
    with Client(str(backend.http.base_url)) as client:
        promoted = life.published(client, tiny_contribution.write(tmp_path), hamlet / "input", MODEL)
        item = backend.item("local-models", promoted.item)
        found = life.predicted(client, MODEL, str(hamlet / "prediction" / "input"))
        life.retired(client, MODEL)

    assert item.get_self_href() == promoted.href
    assert Path(found.folder).is_relative_to(backend.home / "predictions")
    assert Path(found.vectors or "").is_file()
    stored = backend.home / "store" / "local-models" / MODEL
    assert [path for path in stored.rglob("*") if path.is_file()] == []
