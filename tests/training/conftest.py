"""A tiny contribution and a tiny dataset, registered in the store of the session's home."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from fair_models.contract.code.code_archive import pack_code
from fair_models.data import splits
from fair_models.data.images import chips
from fair_models.data.synthetic import make_settlement
from fair_models.data.vectors.labels import CLASS_PROPERTY
from fair_models.errors import TrainingFailed
from fair_models.ml_tasks.results import Epoch
from fair_models.settings import current
from fair_models.store.archive import pack
from fair_models.store.opening import open_store
from fair_models.training import launch
from fair_models.training.config.run_config import Bounds, CodeRef, DataRef, FileRef, InputSpec, RunConfig
from fair_models.training.ledger import Ledger, ModelVersion, open_ledger

PROCESSING = '''
"""Tiny processing."""

import numpy as np

from fair_models.inference.parts import RasterPart


def preprocess(window):
    return window.astype(np.float32) / 255


def postprocess(outputs, window, params):
    scores = outputs["logits"]
    odds = np.exp(scores - scores.max(axis=0))
    return [RasterPart((odds / odds.sum(axis=0)).astype(np.float32))]
'''

PIPELINE = '''
"""Tiny network: one convolution."""

import time

from pydantic import Field
from torch import nn

from fair_models.ml_tasks.segmentation import training


class Params(training.Params):
    width: int = Field(4, ge=1, le=8)
    fail_in_epoch: int = 0
    last_step_spoils: bool = False
    seconds_per_epoch: float = 0.0


def build(params):
    return nn.Sequential(
        nn.Conv2d(3, params.width, 3, padding=1), nn.ReLU(), nn.Conv2d(params.width, 2, 3, padding=1)
    )


def train(network, samples, processing, params, seed, report):
    def checked(epoch):
        report(epoch)
        time.sleep(params.seconds_per_epoch)
        if epoch.number == params.fail_in_epoch:
            raise ZeroDivisionError("the roof fell in")

    training.train(network, samples, processing, params, seed, checked)
    if params.last_step_spoils:  # as one step with a huge gradient does, whose loss nobody looks at any more
        nn.init.constant_(network[0].bias, float("nan"))


evaluate, calibrate, export = training.evaluate, training.calibrate, training.export
'''

OWN_PIPELINE = '''
"""A model with a ZenML pipeline of its own."""

from typing import Annotated

from zenml import pipeline, step

from fair_models.ml_tasks.results import Epoch, Evaluation
from fair_models.training.config.run_config import RunConfig
from fair_models.training.tracking import tracked


@step
def work(config: RunConfig) -> tuple[Annotated[bytes, "weights"], Annotated[bytes, "onnx"]]:
    with tracked(config) as run:
        run.epoch(Epoch(1, 1, {"loss": 0.5}))
        run.fitted(seconds=0.25, threads=1)
        run.notes(["Its labels are few"])
        run.evaluation(Evaluation({"fair:building_iou": 0.5}, {"fair:building_iou": 0.25}, "a guess", 3))
    return b"weights", b"onnx"


@pipeline
def training_pipeline(config: RunConfig) -> None:
    work(config)
'''

MakeConfig = Callable[..., RunConfig]
CLASSES = ["background", "building"]
THRESHOLD = "inference.confidence_threshold"
SIZE_PX = 64


def put(key: str, source: Path | bytes) -> FileRef:
    stored = open_store(current()).put(key, source)
    return FileRef(href=stored.href, checksum=stored.checksum)


@pytest.fixture(scope="session")
def code_archive(tmp_path_factory: pytest.TempPathFactory) -> FileRef:
    folder = tmp_path_factory.mktemp("contribution") / "models" / "tiny"
    folder.mkdir(parents=True)
    for name, text in (
        ("__init__", ""),
        ("processing", PROCESSING),
        ("pipeline", PIPELINE),
        ("own", OWN_PIPELINE),
    ):
        (folder / f"{name}.py").write_text(text.lstrip())
    archive = tmp_path_factory.mktemp("code") / "code.zip"
    pack_code(folder, archive)
    return put("base-models/tiny/v1/code.zip", archive)


@pytest.fixture(scope="session")
def initial_weights(tmp_path_factory: pytest.TempPathFactory) -> FileRef:
    import torch
    from torch import nn

    from fair_models.ml_tasks import weights

    torch.manual_seed(7)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))
    path = tmp_path_factory.mktemp("weights") / "initial.safetensors"
    weights.save(network, path)
    return put("base-models/tiny/v1/initial.safetensors", path)


@pytest.fixture(scope="session")
def settlement(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settlement")
    make_settlement(folder, seed=3, columns=4, rows=2, size_px=SIZE_PX, prediction_columns=0)
    return folder / "input"


@pytest.fixture(scope="session")
def dataset(settlement: Path, tmp_path_factory: pytest.TempPathFactory) -> DataRef:
    folder = tmp_path_factory.mktemp("dataset")
    found = chips.find(settlement)
    pack({chip.path.name: chip.path for chip in found}, folder / "chips.zip")
    labels = orjson.loads((settlement / "labels.geojson").read_bytes())
    for feature in labels["features"]:
        feature["properties"][CLASS_PROPERTY] = "building"
    splits.by_area(found, ratio=0.25, seed=0, buffer_m=0).write(folder / "split.json")
    return DataRef(
        chips=put("datasets/town/v1/chips.zip", folder / "chips.zip"),
        labels=put("datasets/town/v1/labels.geojson", orjson.dumps(labels)),
        split=put("datasets/town/v1/split.json", folder / "split.json"),
        class_counts={"train": {"building": 9}, "held_out": {"building": 4}},
    )


@pytest.fixture(scope="session")
def make_config(
    code_archive: FileRef, initial_weights: FileRef, dataset: DataRef, settlement: Path
) -> MakeConfig:
    """Makes run configs; keywords replace fields, `training` adds hyperparameters without their prefix."""
    gsd_m = chips.find(settlement)[0].gsd_m

    def make(
        entrypoint: str = "models.tiny.pipeline", training: dict[str, Any] | None = None, **fields: Any
    ) -> RunConfig:
        values: dict[str, Any] = {"epochs": 3, "batch_size": 2, "width": 4, **(training or {})}
        return RunConfig(
            **{
                "model_name": "tiny-roofs",
                "title": "Tiny roofs",
                "base_model": "tiny-v1",
                "dataset": "town-v1",
                "task": "semantic-segmentation",
                "code": CodeRef(
                    archive=code_archive,
                    entrypoint=entrypoint,
                    preprocess="models.tiny.processing:preprocess",
                    postprocess="models.tiny.processing:postprocess",
                ),
                "weights": initial_weights,
                "data": dataset,
                "input": InputSpec(
                    bands=3, band_names=["red", "green", "blue"], size_px=SIZE_PX, gsd_m=round(gsd_m, 4)
                ),
                "classes": CLASSES,
                "hyperparameters": {
                    **{f"training.{name}": value for name, value in values.items()},
                    THRESHOLD: 0.5,
                },
                "calibrated": {THRESHOLD: Bounds(least=0.1, most=0.9)},
                "seed": 11,
                "threads": 1,
                **fields,
            }
        )

    return make


@pytest.fixture(scope="session")
def ledger(home_for_tests: Path) -> Ledger:
    return open_ledger(current())


@pytest.fixture(scope="session")
def heard() -> list[Epoch]:
    """Epochs that the caller of the completed run was told."""
    return []


@pytest.fixture(scope="session")
def completed(make_config: MakeConfig, heard: list[Epoch]) -> ModelVersion:
    """One training that went well."""
    return launch.run(make_config(), heard.append)


@pytest.fixture(scope="session")
def failed(make_config: MakeConfig, ledger: Ledger) -> ModelVersion:
    """One training whose second epoch raised."""
    with pytest.raises(TrainingFailed):
        launch.run(make_config(model_name="falling-roofs", training={"fail_in_epoch": 2}))
    (version,) = ledger.versions("falling-roofs")
    return version
