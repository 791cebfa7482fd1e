"""A model from outside the repository: made, changed, registered, trained, published, predicting."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from pystac import Asset, Item

from fair_models.catalog import validation
from fair_models.catalog.items import agreement, assets, building, versions
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.contract import checks, scaffold
from fair_models.contract.contribution import note_weights
from fair_models.contract.plans.prediction import plan_prediction
from fair_models.data.synthetic import make_settlement
from fair_models.inference.network.session import open_session
from fair_models.inference.prediction import predict
from fair_models.inference.repeating import settle
from fair_models.params import (
    FinetuneParams,
    Gate,
    IngestDatasetParams,
    PredictParams,
    PromoteParams,
    RepeatParams,
)
from fair_models.publishing.datasets import ingest
from fair_models.publishing.promote import promote
from fair_models.publishing.register.register import register_base_model
from fair_models.settings import current
from fair_models.store.digests import checksum_file
from fair_models.store.local import LocalStore
from fair_models.store.naming import key
from fair_models.training import launch
from fair_models.training.finetune_plan import plan_run
from fair_models.training.ledger import Ledger, ModelVersion, open_ledger
from fair_models.training.phases import quantization
from fair_models.types import LOCAL_MODELS
from tests.inference.tile_server import TileServer
from tests.inference.tiny import CORNER, blobs

PROJECT = Path(__file__).resolve().parent.parent
MODEL = "street-roofs-of-town"
GATE = Gate(override_reason="Two epochs are enough for a test, and for nothing else")

PROCESSING = '''
"""Darker than the starting point has it, and sure of itself. Numpy only."""

import numpy as np

from fair_models.sdk import segmentation

from .tone import GAMMA


def preprocess(window):
    """Raise the pixels to a power."""
    return np.power(segmentation.scale_to_unit(window), np.float32(GAMMA))


postprocess = segmentation.class_probabilities
'''


@dataclass(frozen=True)
class Town:
    """Everything that came of one contribution."""

    folder: Path
    base: Item
    dataset: Item
    version: ModelVersion
    published: Item
    catalog: LocalCatalog
    store: LocalStore
    imagery: Path


@pytest.fixture(scope="module")
def contribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `fair-models new-model` makes it, then changed as somebody would."""
    folder = tmp_path_factory.mktemp("somebody") / "street_roofs"
    scaffold.create("street-roofs", folder, "semantic-segmentation")
    (folder / "processing.py").write_text(PROCESSING.lstrip(), encoding="utf-8")
    (folder / "tone.py").write_text('"""Tone."""\n\nGAMMA = 1.5\n', encoding="utf-8")
    item = json.loads((folder / "stac-item.json").read_text(encoding="utf-8"))
    item["properties"] |= {"title": "Roofs along streets", "license": "MIT"}
    item["properties"] |= {"gsd": 1.0, "fair:sample_size_px": 64}
    (folder / "stac-item.json").write_text(json.dumps(item), encoding="utf-8")
    note_weights(folder)
    return folder


@pytest.fixture(scope="module")
def ledger(home_for_tests: Path) -> Ledger:
    return open_ledger(current())


@pytest.fixture(scope="module")
def town(contribution: Path, ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Town:
    folder = tmp_path_factory.mktemp("town")
    catalog, store = LocalCatalog(folder / "catalog"), LocalStore(folder / "store")
    make_settlement(folder / "imagery", seed=3, columns=4, rows=2, size_px=64, prediction_columns=1)
    base = register_base_model(str(contribution), catalog, store)
    asked = IngestDatasetParams(name="town", title="Town", chips=str(folder / "imagery"))
    dataset = ingest(asked, catalog, store)
    wish = FinetuneParams(
        base_model=base.id,
        dataset=dataset.id,
        model_name=MODEL,
        overrides={"training.epochs": 2, "training.precision": "float32", "training.dropout": 0.2},
    )
    version = launch.run(plan_run(base, dataset, wish).model_copy(update={"threads": 1}))
    published = promote(PromoteParams(model=MODEL, gate=GATE), catalog, store, ledger)
    imagery = folder / "imagery" / "prediction" / "input"
    return Town(contribution, base, dataset, version, published, catalog, store, imagery)


def test_the_contribution_lies_outside_of_the_repository_and_passes(contribution: Path) -> None:
    assert not contribution.is_relative_to(PROJECT)
    assert checks.problems(contribution) == []


def test_it_is_registered_under_its_own_names(town: Town) -> None:
    assert town.base.id == "street-roofs-v1"
    assert town.base.properties["license"] == "MIT"
    assert town.base.assets["source-code"].extra_fields["mlm:entrypoint"] == "street_roofs.pipeline"


def test_it_is_trained_with_a_hyperparameter_of_its_own(town: Town) -> None:
    assert (town.version.status, town.version.number) == ("completed", 1)
    assert town.version.hyperparameters["training.dropout"] == 0.2
    assert set(town.version.metrics) >= {"fair:building_iou", "fair:object_f1"}


def test_its_version_is_published_as_derived_from_it(town: Town) -> None:
    item = versions.resolve(town.catalog, LOCAL_MODELS, MODEL)
    assert item.id == f"{MODEL}-v1"
    assert item.properties["fair:base_model_id"] == "street-roofs-v1"
    assert item.properties["license"] == "MIT"


@pytest.mark.parametrize("model", ["base", "published"])
def test_it_predicts_with_its_own_processing(town: Town, tmp_path: Path, model: str) -> None:
    item = town.base if model == "base" else town.published
    wish = PredictParams(model=item.id, imagery=str(town.imagery), formats=["geojson"])
    request = plan_prediction(item, wish, town.store, tmp_path)

    result = predict(request)

    assert _gamma(request.processing.preprocess) == 1.5
    assert result.image_count == 2
    features = json.loads((result.folder / "predictions.geojson").read_text(encoding="utf-8"))["features"]
    assert sum(result.counts.values()) == len(features)
    assert any(link["href"].endswith(f"{item.id}.json") for link in result.item["links"])


def test_a_prediction_is_repeated_with_the_same_model_and_all_its_parameters(
    town: Town, tmp_path: Path
) -> None:
    wish = PredictParams(
        model=town.published.id,
        imagery=str(town.imagery),
        regularise=True,
        holes=False,
        formats=["geoparquet"],
    )
    first = predict(plan_prediction(town.published, wish, town.store, tmp_path))

    params, original = settle(RepeatParams(prediction=str(first.folder)))
    again = predict(plan_prediction(town.published, params, town.store, tmp_path, original))

    settled = {"parameters": params.parameters, "imagery_rules": params.imagery_rules}
    assert params == wish.model_copy(update=settled)
    assert params.imagery_rules is not None
    assert params.imagery_rules.model_dump() == first.item["properties"]["fair:imagery_rules"]
    assert set(params.parameters) == set(first.item["properties"]["fair:parameters"])
    assert again.folder != first.folder
    assert again.same is True


def test_its_item_says_how_well_quicker_ways_agree_with_it(town: Town) -> None:
    known = agreement.read(town.published.properties)

    assert known == town.version.agreement
    assert known.figure("onnxruntime", "int8") is not None
    assert (agreement.is_enough(known.int8_mask_iou)) == ("model-int8" in town.published.assets)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_fast_prediction_is_repeated_byte_for_byte_by_the_engine_that_made_it(
    town: Town, tmp_path: Path, engine: str
) -> None:
    item = _in_8_bits(town, tmp_path, engine)
    wish = PredictParams(model=item.id, imagery=str(town.imagery), engine="fast", formats=["geojson"])
    first = predict(plan_prediction(item, wish, town.store, tmp_path))

    params, original = settle(RepeatParams(prediction=str(first.folder)))
    again = predict(plan_prediction(item, params, town.store, tmp_path, original))

    ran = first.item["properties"]["fair:engine"]
    assert (ran["name"], ran["precision"]) == (engine, "int8")
    assert ran["checksum"] == item.assets["model-int8"].extra_fields["file:checksum"]
    assert ran["file"].startswith("model-int8")
    assert ran["version"] == first.item["properties"]["processing:software"][engine]
    assert ran["note"].startswith("mask IoU 1.0000")
    assert "engine: fast" in (first.folder / "predict.yaml").read_text(encoding="utf-8")
    assert validation.problems(first.item) == []
    assert again.same is True
    assert again.item["properties"]["fair:engine"] == ran


def _in_8_bits(town: Town, folder: Path, engine: str) -> Item:
    """The published item with a network in 8 bits and a figure that lets one engine run it."""
    item = town.published.clone()
    exact = open_session(town.store.fetch(*assets.file_ref(item, assets.MODEL)), 1)
    chip = np.random.default_rng(0).random((3, 64, 64), np.float32)
    quantization.quantize(exact, [chip], [], folder / "model-int8.onnx")
    path = folder / "model-int8.onnx"
    stored = town.store.put(key("local-models", MODEL, 1, path, checksum_file(path)), path)
    item.assets["model-int8"] = Asset.from_dict(building.file_asset("model-int8", stored))
    figures = (agreement.Figure(engine, "1.0", "int8", 1.0),)
    item.properties[agreement.FIELD] = agreement.Agreement(figures, 2, 1).to_json()
    return item


def test_a_prediction_over_tiles_is_repeated_from_what_it_wrote_down(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    with TileServer(tmp_path, blobs(512, 512), CORNER).running() as server:
        assert isinstance(server, TileServer)
        area = tmp_path / "area.geojson"
        area.write_text(shapely.to_geojson(server.area(0.2).outline))
        wish = PredictParams(
            model=town.published.id,
            imagery=server.url("{z}/{x}/{y}.png"),
            area=str(area),
            zoom=CORNER.z,
            formats=["geojson"],
        )
        first = predict(plan_prediction(town.published, wish, town.store, tmp_path))
        area.unlink()
        server.asked.clear()

        params, original = settle(RepeatParams(prediction=str(first.folder)))
        again = predict(plan_prediction(town.published, params, town.store, tmp_path, original))

    assert again.same is True
    assert server.asked == []
    assert first.item["properties"]["fair:options"]["zoom"] == CORNER.z
    assert params.area == first.item["properties"]["fair:options"]["area"]
    assert first.item["properties"]["fair:tiles"] == {"all": 4, "holes": 0, "broken": 0}


def test_what_was_registered_keeps_its_code_when_the_folder_changes(town: Town, tmp_path: Path) -> None:
    (town.folder / "tone.py").write_text('"""Tone."""\n\nGAMMA = 9\n', encoding="utf-8")
    second = register_base_model(str(town.folder), town.catalog, town.store)
    wish = PredictParams(model=town.base.id, imagery=str(town.imagery))

    gammas = [
        _gamma(plan_prediction(item, wish, town.store, tmp_path).processing.preprocess)
        for item in (town.base, second, town.published)
    ]

    assert second.id == "street-roofs-v2"
    assert gammas == [1.5, 9, 1.5]


def _gamma(preprocess: Any) -> float:
    """The tone that the loaded code has."""
    return float(preprocess.__globals__["GAMMA"])
