"""A model's whole life with its files in a bucket: the settings say so, and every part follows them."""

from __future__ import annotations

from pathlib import Path

import boto3
import numpy as np
import pytest
from rasterio.shutil import copy

from fair_models.audit.audit_run import audit
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.contract.plans.prediction import plan_prediction
from fair_models.data.synthetic import make_settlement
from fair_models.errors import NotFound
from fair_models.inference.prediction import predict
from fair_models.params import (
    AuditParams,
    FinetuneParams,
    Gate,
    IngestDatasetParams,
    PredictParams,
    PromoteParams,
    RetireParams,
)
from fair_models.publishing.datasets import ingest
from fair_models.publishing.promote import promote
from fair_models.publishing.register.register import register_base_model
from fair_models.publishing.retire import retire
from fair_models.settings import current
from fair_models.store.opening import open_store
from fair_models.training import launch
from fair_models.training.finetune_plan import plan_run
from fair_models.training.ledger import open_ledger
from tests.inference.tiny import write_geotiff
from tests.publishing import tiny_contribution

MODEL = "bucket-roofs"
GATE = Gate(override_reason=tiny_contribution.UNTRAINED)
UTM = "EPSG:32645"

pytestmark = pytest.mark.proof


@pytest.fixture(autouse=True)
def home(home_for_tests: Path) -> Path:
    """ZenML's state belongs to the session."""
    return home_for_tests


@pytest.fixture
def place(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the files go: nothing but the environment says it."""
    monkeypatch.setenv("FAIR_STORE", f"s3://{s3_bucket}/registry")
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", f'["s3://{s3_bucket}"]')
    return f"s3://{s3_bucket}/registry"


def an_image(folder: Path, bucket: str) -> str:
    """A cloud-optimised GeoTIFF in the bucket; its address."""
    pixels = np.random.default_rng(0).integers(0, 255, (3, 200, 260), np.uint8)
    plain = write_geotiff(folder / "plain.tif", pixels, UTM, (353_000, 3_057_000), 1.0)
    copy(plain, folder / "scene.tif", driver="COG")
    boto3.client("s3").upload_file(str(folder / "scene.tif"), bucket, "imagery/scene.tif")
    return f"s3://{bucket}/imagery/scene.tif"


def test_a_model_lives_in_a_bucket_from_registration_to_deletion(
    place: str, s3_bucket: str, tmp_path: Path
) -> None:
    catalog, store, ledger = LocalCatalog(tmp_path / "catalog"), open_store(current()), open_ledger(current())
    base = register_base_model(str(tiny_contribution.write(tmp_path)), catalog, store)
    make_settlement(tmp_path / "town", seed=3, columns=4, rows=2, size_px=64, prediction_columns=0)
    dataset = ingest(
        IngestDatasetParams(name="town", title="Town", chips=str(tmp_path / "town")), catalog, store
    )
    held = [
        asset
        for item in (base, dataset)
        for asset in item.assets.values()
        if asset.extra_fields.get("file:size")
    ]
    assert held
    assert all(asset.href.startswith(f"{place}/") for asset in held)

    wish = FinetuneParams(
        base_model=base.id,
        dataset=dataset.id,
        model_name=MODEL,
        overrides={"training.epochs": 1, "training.precision": "float32"},
    )
    launch.run(plan_run(base, dataset, wish).model_copy(update={"threads": 1}))
    item = promote(PromoteParams(model=MODEL, gate=GATE), catalog, store, ledger)

    remote = an_image(tmp_path, s3_bucket)
    there, here = (
        predict(plan_prediction(item, PredictParams(model=item.id, imagery=imagery), store, tmp_path / "out"))
        for imagery in (remote, str(tmp_path / "scene.tif"))
    )
    name = "predictions.geojson"
    assert (there.folder / name).read_bytes() == (here.folder / name).read_bytes()

    report = audit(catalog, store, ledger, AuditParams(digests=True))
    assert list(report.findings) == []

    retire(RetireParams(name=MODEL, action="delete", force=True), catalog, store, ledger)
    assert not [href for href in store.hrefs() if f"/{MODEL}/" in href]
    with pytest.raises(NotFound):
        catalog.get("local-models", item.id)
    assert list(audit(catalog, store, ledger, AuditParams(digests=True)).findings) == []
