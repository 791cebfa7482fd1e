"""Requests that cannot be met are refused before a run is created, by the code of their flows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from typer.testing import CliRunner

from fair_models import prechecks
from fair_models.catalog.changes import transitions
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.cli.app import app
from fair_models.errors import (
    Conflict,
    FairModelsError,
    IncompatibleDataset,
    Invalid,
    InvalidHyperparameters,
    InvalidItem,
    NotFound,
)
from fair_models.params import (
    AuditParams,
    CleanRunsParams,
    CompareParams,
    FinetuneParams,
    IngestDatasetParams,
    Params,
    PinParams,
    PredictParams,
    RegisterModelParams,
    RetireParams,
    SearchParams,
    SearchRange,
    SliceDatasetParams,
)
from tests.catalog.item_factory import base_item, dataset_item

BASE, DATASET = "roofs-unet", "banepa-buildings"
HEAVY = {"torch", "zenml", "mlflow", "prefect", "onnxruntime", "numpy", "rasterio", "shapely", "jsonschema"}
OUTSIDE = "10.0,10.0,10.01,10.01"


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalCatalog:
    """A base model and a dataset, in a home without a server."""
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    made = LocalCatalog(tmp_path / "home" / "catalog")
    for item in (base_item(), dataset_item()):
        transitions.publish(made, item)
    return made


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "scene.tif"
    facts = {"width": 64, "height": 64, "count": 3, "dtype": "uint8", "crs": "EPSG:32645"}
    place = from_origin(355_000, 3_057_000, 0.3, 0.3)
    with rasterio.open(path, "w", driver="GTiff", transform=place, **facts) as scene:
        scene.write(np.random.default_rng(0).integers(1, 200, (3, 64, 64), dtype=np.uint8))
    return path


def training(**changes: Any) -> FinetuneParams:
    return FinetuneParams(**{"base_model": BASE, "dataset": DATASET, "model_name": "my-roofs", **changes})


REFUSED: dict[str, tuple[Params, type[FairModelsError], str]] = {
    "unknown base model": (training(base_model="roofs-unit"), NotFound, "did you mean roofs-unet"),
    "unknown dataset": (training(dataset="banepa"), NotFound, "banepa"),
    "unknown hyperparameter": (
        training(overrides={"training.epoch": 3}),
        InvalidHyperparameters,
        "did you mean training.epochs",
    ),
    "wrong value": (training(overrides={"training.epochs": 0}), InvalidHyperparameters, "training.epochs"),
    "taken name": (training(model_name=BASE), Conflict, "one name means one model"),
    "varied and fixed": (
        SearchParams(
            base_model=BASE,
            dataset=DATASET,
            model_name="my-roofs",
            vary={"training.epochs": SearchRange(least=1, most=3)},
            overrides={"training.epochs": 2},
        ),
        InvalidHyperparameters,
        "is varied and given one value",
    ),
    "unknown model": (PredictParams(model="roof-unet", imagery="/nowhere"), NotFound, "roofs-unet"),
    "no imagery": (PredictParams(model=BASE, imagery="/nowhere"), NotFound, "no imagery at /nowhere"),
    "training value": (
        PredictParams(model=BASE, imagery="/nowhere", parameters={"training.epochs": 3}),
        InvalidHyperparameters,
        "not of inference",
    ),
    "no chips": (IngestDatasetParams(name="town", title="Town", chips="/nowhere"), NotFound, "/nowhere"),
    "class that is no keyword": (
        IngestDatasetParams(name="town", title="Town", chips="/nowhere", classes=["buildings"]),
        Invalid,
        "What do labels of buildings map.*--keyword building",
    ),
    "no contribution": (RegisterModelParams(source="/nowhere"), NotFound, "no model at /nowhere"),
    "unknown rule": (AuditParams(rules=["linkz"]), Invalid, "No audit rule is called linkz"),
    "retire what is not there": (
        RetireParams(name="no-such-model"),
        NotFound,
        "nothing called no-such",
    ),
    "retire no such version": (
        RetireParams(name=DATASET, collection="datasets", version=7),
        NotFound,
        "it has banepa-buildings-v1",
    ),
    "pin what is not there": (
        PinParams(name=DATASET, collection="datasets", version=7, reason="for the report", by="me"),
        NotFound,
        "banepa-buildings-v7",
    ),
    "clean runs of what was never trained": (
        CleanRunsParams(models=["no-such-model"]),
        NotFound,
        "Nothing was trained here yet",
    ),
    "unknown slice": (
        CompareParams(versions=["my-roofs-v1"], slices=["banepa-west"]),
        NotFound,
        "banepa-west",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_done_is_refused_beforehand(catalog: LocalCatalog, kind: str) -> None:
    params, error, words = REFUSED[kind]
    with pytest.raises(error, match=words):
        prechecks.check(params, catalog)


def test_a_dataset_that_does_not_fit_is_refused_with_all_reasons(catalog: LocalCatalog) -> None:
    huts = dataset_item()
    huts.id, huts.properties["gsd"] = "huts-v1", 30.0
    huts.properties["label:classes"] = [{"name": "fair:class", "classes": ["hut"]}]
    catalog.commit(transitions.Change(put=[huts]))
    with pytest.raises(IncompatibleDataset) as refused:
        prechecks.check(training(dataset="huts"), catalog)
    assert len(refused.value.reasons) == 2
    assert "--class building" in str(refused.value)


def test_an_area_outside_of_an_image_and_a_zoom_for_it_are_refused(
    catalog: LocalCatalog, image: Path
) -> None:
    wish = PredictParams(model=BASE, imagery=str(image))
    prechecks.check(wish, catalog)
    with pytest.raises(Invalid, match="ground"):
        prechecks.check(wish.model_copy(update={"area": OUTSIDE}), catalog)
    with pytest.raises(Invalid, match="leave the zoom out"):
        prechecks.check(wish.model_copy(update={"zoom": 19}), catalog)
    prechecks.check(wish.model_copy(update={"imagery": str(image.parent), "zoom": 19}), catalog)


def test_paths_are_left_to_the_flow_where_they_mean_something_else_there(catalog: LocalCatalog) -> None:
    prechecks.check(PredictParams(model=BASE, imagery="/nowhere"), catalog, files=False)
    prechecks.check(IngestDatasetParams(name="town", title="Town", chips="/nowhere"), catalog, files=False)


def test_what_can_be_done_passes(catalog: LocalCatalog) -> None:
    prechecks.check(training(overrides={"training.epochs": 2}), catalog)
    prechecks.check(
        SliceDatasetParams(dataset=DATASET, name="west", title="West", area="85,27,86,28"), catalog
    )
    prechecks.check(AuditParams(), catalog)


@pytest.mark.parametrize(
    ("imagery", "area", "told"),
    [
        ("tms[1,22]:https://tiles.example.org/{zoom}/{x}/{y}.png", None, "give the area"),
        ("wms:https://maps.example.org/wms?LAYERS=a", None, "give the area"),
        ("https://tiles.example.org/{z}/{x}/{y}?key={apikey}", OUTSIDE, "write your key in its place"),
        ("wms_endpoint:https://maps.example.org/wms", OUTSIDE, "service=WMS&layers=NAME"),
    ],
)
def test_addresses_of_tiles_are_looked_at_beforehand(
    catalog: LocalCatalog, imagery: str, area: str | None, told: str
) -> None:
    with pytest.raises(Invalid, match=told):
        prechecks.check(PredictParams(model=BASE, imagery=imagery, area=area), catalog)
    good = "type=xyz&url=https%3A%2F%2Ftiles.example.org%2F%7Bz%7D%2F%7Bx%7D%2F%7By%7D.png&zmax=22"
    prechecks.check(PredictParams(model=BASE, imagery=good, area=OUTSIDE), catalog)


def test_the_item_of_a_dataset_is_looked_at_beforehand(catalog: LocalCatalog, tmp_path: Path) -> None:
    path = tmp_path / "item.json"
    path.write_text('{"type": "Feature", "id": "town", "properties": {"label:type": "raster"}, "assets": {}}')
    with pytest.raises(InvalidItem, match=r"there are no chips.*is raster"):
        prechecks.check(IngestDatasetParams(name="town", title="Town", chips=str(path)), catalog)
    elsewhere = IngestDatasetParams(name="town", title="Town", chips="https://data.example.org/item.json")
    prechecks.check(elsewhere, catalog)


def test_the_command_line_refuses_without_a_server_what_cannot_be_done(catalog: LocalCatalog) -> None:
    refused = CliRunner().invoke(app, ["finetune", BASE, DATASET, "my-roofs", "--set", "training.epochs=0"])
    assert refused.exit_code == 2
    assert "training.epochs is 0" in refused.output
    passed = CliRunner().invoke(app, ["finetune", BASE, DATASET, "my-roofs"])
    assert passed.exit_code == 3


@pytest.mark.parametrize("command", ["finetune roofs-unet banepa my-roofs", "predict no-such-model ."])
def test_a_refusal_loads_nothing_that_computes(catalog: LocalCatalog, command: str) -> None:
    code = (
        f"import sys; sys.argv = ['fair-models', *{command.split()!r}]\n"
        "from fair_models.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert ended.code == 2, ended.code\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
