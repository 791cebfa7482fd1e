"""Secrets live in blocks and in the environment of processes, and are found nowhere else."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import httpx
import pytest
from prefect import flow
from prefect.logging.handlers import APILogWorker
from prefect_aws import MinIOCredentials

from blocks.bucket_store import BucketStore
from blocks.local_catalog import LocalCatalog
from blocks.local_store import LocalStore
from blocks.pgstac_catalog import PgstacCatalog
from blocks.runtime import Runtime
from blocks.tracking import Tracking
from fair_models.errors import FairModelsError, Invalid
from fair_models.params import AuditParams, FinetuneParams, IngestDatasetParams, RegisterModelParams
from fair_models.settings import current
from fair_models.training.run_config import RunConfig
from flows import places, tasks
from flows.audit import audit
from flows.ingest_dataset import ingest_dataset
from flows.register_model import register_model
from flows.tasks import fetch_items, plan_run
from flows.train import train
from tests.flows.backend import PROJECT
from tests.services import PASSWORD

BUCKET_SECRET = "bucketSecret7Qx/rainy+days"
MLFLOW_SECRET = "mlflowSecret9Wz"
WRONG_PASSWORD = "wrong:Password@3Kp"
SECRETS = [
    form
    for secret in (BUCKET_SECRET, MLFLOW_SECRET, WRONG_PASSWORD, PASSWORD)
    for form in {secret, quote(secret, safe="")}
]
BLOCKS = (BucketStore, LocalStore, PgstacCatalog, LocalCatalog, Tracking, Runtime)
pytestmark = pytest.mark.service


class Denying(http.server.BaseHTTPRequestHandler):
    """A bucket that says no, with the request in its answer, as some do."""

    def do_GET(self) -> None:
        said = f"<Error><Code>AccessDenied</Code><Message>{self.headers['Authorization']}</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said.encode())

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def denying() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Denying) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def saved(prefect_api: str) -> Iterator[None]:
    """Blocks that a test saves are deleted after it, and what they put into the environment is taken out."""
    yield
    for kind in BLOCKS:
        try:
            kind.delete("default")
        except ValueError:
            continue
    places.enter()


def save_store(bucket: str, endpoint: str) -> None:
    credentials = MinIOCredentials(
        minio_root_user="operator",
        minio_root_password=BUCKET_SECRET,
        region_name="us-east-1",
        aws_client_parameters={"endpoint_url": endpoint},
    )
    credentials.save("bucket-of-tests", overwrite=True)
    block = BucketStore(
        credentials=MinIOCredentials.load("bucket-of-tests"), bucket=bucket, prefix="fair/models"
    )
    block.save("default", overwrite=True)


def save_catalog(url: str, password: str = PASSWORD) -> None:
    parts = urlsplit(url)
    without = f"postgresql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
    block = PgstacCatalog(url=without, password=password, api_url="https://stac.example.org")
    block.save("default", overwrite=True)


@flow
def plan(params: FinetuneParams) -> RunConfig:
    base, dataset = fetch_items(params.base_model, params.dataset)
    return plan_run(base, dataset, params)


def test_a_training_through_blocks_shows_no_secret_anywhere(
    saved: None,
    prefect_api: str,
    s3_bucket: str,
    s3_endpoint: str,
    pgstac_url: str,
    town: Path,
    denying: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    save_store(s3_bucket, s3_endpoint)
    save_catalog(pgstac_url)
    Tracking(
        zenml_artifacts=f"s3://{s3_bucket}/zenml",
        mlflow_uri=denying,  # the training goes on without curves
        mlflow_username="operator",
        mlflow_password=MLFLOW_SECRET,
    ).save("default")
    Runtime(train_memory="4Gi").save("default")

    model = register_model(RegisterModelParams(source=str(PROJECT / "models" / "unet_segmentation")))
    data = ingest_dataset(IngestDatasetParams(name="town-buildings", title="Town", chips=str(town / "input")))
    config = plan(
        FinetuneParams(
            base_model=model.item,
            dataset=data.item,
            model_name="secret-roofs",
            overrides={"training.epochs": 1},
        )
    )
    trained = train(config)
    assert audit(AuditParams()).ok

    assert trained.version == 1
    assert current().store == f"s3://{s3_bucket}/fair/models"
    keys = list(keys_of(s3_bucket))
    assert any(key.startswith("fair/models/base-models/") for key in keys)
    assert any(key.startswith("zenml/") for key in keys)
    told = {"log": caplog.text, "output": "".join(capfd.readouterr())}
    assert "goes on without them" in caplog.text  # MLflow said no, and that was told
    told |= on_the_server(prefect_api) | files(current().home) | in_bucket(s3_bucket)
    assert leaks(told) == []
    assert leaks({"planted": f"at {MLFLOW_SECRET}!"})


def test_a_wrong_password_and_a_denied_bucket_are_told_without_the_secrets(
    saved: None,
    prefect_api: str,
    denying: str,
    pgstac_url: str,
    town: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(tasks.ingest, "retries", 0)
    params = IngestDatasetParams(name="town-buildings", title="Town", chips=str(town / "input"))
    said = []
    LocalCatalog(folder=tmp_path / "catalog").save("default")
    save_store("somebody-elses", denying)
    with pytest.raises(FairModelsError) as denied:
        ingest_dataset(params)
    said.append(denied.value)
    LocalCatalog.delete("default")
    save_catalog(pgstac_url, WRONG_PASSWORD)
    with pytest.raises(FairModelsError) as refused:
        ingest_dataset(params)
    said.append(refused.value)
    told = {"log": caplog.text, "output": "".join(capfd.readouterr()), "errors": repr(said)}
    assert leaks({**told, **on_the_server(prefect_api), **files(current().home)}) == []


def test_two_blocks_for_one_purpose_are_refused(saved: None, prefect_api: str, tmp_path: Path) -> None:
    LocalStore(folder=tmp_path).save("default")
    save_store("some-bucket", "http://127.0.0.1:1")
    with pytest.raises(Invalid, match="only one of them"):
        places.enter()


def leaks(texts: dict[str, str]) -> list[str]:
    """Where a secret can be read."""
    return [f"{place}: {secret[:6]}" for place, text in texts.items() for secret in SECRETS if secret in text]


def on_the_server(api: str) -> dict[str, str]:
    """All that the Prefect server tells, but for the blocks themselves."""
    APILogWorker.drain_all(timeout=5)
    kinds = ("flow_runs", "task_runs", "artifacts", "logs", "deployments")
    found = {}
    with httpx.Client(base_url=api, timeout=30) as client:
        for kind in kinds:
            found[kind] = "".join(pages(client, kind))
        found["block_documents"] = client.post("/block_documents/filter", json={}).text
        runs = client.post("/flow_runs/filter", json={"limit": 200}).json()
        found["states"] = "".join(
            client.get("/flow_run_states/", params={"flow_run_id": run["id"]}).text for run in runs
        )
    assert "town-buildings" in found["flow_runs"]
    return found


def pages(client: httpx.Client, kind: str) -> Iterator[str]:
    for offset in range(0, 20_000, 200):
        answer = client.post(f"/{kind}/filter", json={"limit": 200, "offset": offset}).raise_for_status()
        yield answer.text
        if len(answer.json()) < 200:
            return


def files(folder: Path) -> dict[str, str]:
    """Every file as text, whatever it is."""
    return {str(path): path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()}


def keys_of(bucket: str) -> Iterator[str]:
    for page in boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (each["Key"] for each in page.get("Contents", ()))


def in_bucket(bucket: str) -> dict[str, str]:
    client = boto3.client("s3")
    return {
        key: client.get_object(Bucket=bucket, Key=key)["Body"].read().decode("latin-1")
        for key in keys_of(bucket)
    }
