"""A base model learns the classes of a dataset, and its local model says and predicts those."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from pystac import Item

from fair_models.catalog import validation
from fair_models.catalog.changes import transitions
from fair_models.catalog.items import assets, base_models
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.contract.code.code_archive import pack_code
from fair_models.contract.plans.prediction import plan_prediction
from fair_models.data.synthetic import make_settlement
from fair_models.errors import IncompatibleDataset
from fair_models.inference.parts import Scores, Window
from fair_models.ml_tasks import weights
from fair_models.ml_tasks.results import Evaluation
from fair_models.params import FinetuneParams, Gate, IngestDatasetParams, PredictParams, PromoteParams
from fair_models.publishing.datasets import ingest
from fair_models.publishing.promote import promote
from fair_models.store.local import LocalStore
from fair_models.training.config.run_config import RunConfig
from fair_models.training.finetune_plan import plan_run
from fair_models.training.phases import export, fit, measurement, model_code, sample_cache
from fair_models.training.phases.evaluation import evaluate
from fair_models.types import BASE_MODELS
from tests.publishing.memory_ledger import MemoryLedger, a_network

PROJECT = Path(__file__).resolve().parents[2]
MATERIALS = ["concrete", "metal"]
CLASSES = ["background", *MATERIALS]
GATE = Gate(override_reason="One epoch is enough for a test, and for nothing else")


@dataclass(frozen=True)
class Town:
    """A base model of buildings, datasets of roof materials, and what a short training gave."""

    folder: Path
    catalog: LocalCatalog
    store: LocalStore
    base: Item
    materials: Item
    config: RunConfig
    weights: bytes
    onnx: bytes
    evaluation: Evaluation

    def ingest(self, name: str, **changes: object) -> Item:
        return ingest(_dataset(self.folder, name, **changes), self.catalog, self.store)

    def plan(self, base: Item, dataset: Item) -> RunConfig:
        return plan_run(base, dataset, _wish(base, dataset))


def _dataset(folder: Path, name: str, **changes: object) -> IngestDatasetParams:
    values: dict[str, object] = {
        "name": name,
        "title": name,
        "chips": str(folder / "town"),
        "classes": MATERIALS,
        "class_property": "roof:material",
        "keywords": ["building", "scene-classification", "polygon"],
    }
    return IngestDatasetParams.model_validate(values | changes)


def _registered(folder: Path, catalog: LocalCatalog, store: LocalStore) -> Item:
    """The contribution, without the checks of `tests.contract`."""
    contribution = PROJECT / "models" / "chip_classification"
    code, onnx = folder / "source-code.zip", folder / "model.onnx"
    pack_code(contribution, code)
    onnx.write_bytes(a_network())
    files = {
        "checkpoint": contribution / "weights" / "initial.safetensors",
        "model": onnx,
        "source-code": code,
        "readme": contribution / "README.md",
    }
    stored = {key: store.put(f"base-models/chips/v1/{path.name}", path) for key, path in files.items()}
    template = orjson.loads((contribution / "stac-item.json").read_bytes())
    transitions.publish(catalog, base_models.build(template, 1, stored))
    return catalog.get(BASE_MODELS, "chip-classification-v1")


def _wish(base: Item, dataset: Item) -> FinetuneParams:
    overrides = {"training.epochs": 1, "training.precision": "float32"}
    return FinetuneParams(
        base_model=base.id, dataset=dataset.id, model_name="town-roofs", overrides=overrides
    )


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    folder = tmp_path_factory.mktemp("town")
    catalog, store = LocalCatalog(folder / "catalog"), LocalStore(folder / "store")
    make_settlement(folder / "town", seed=1, columns=4, rows=4, prediction_columns=0)
    base = _registered(folder, catalog, store)
    materials = ingest(_dataset(folder, "town-materials"), catalog, store)
    config = plan_run(base, materials, _wish(base, materials)).model_copy(update={"threads": 1})
    code = model_code.load(config, store)
    samples = sample_cache.load(config, store, folder / "cache")
    fitted = fit.fit(config, code, store, samples.train, lambda epoch: None)
    evaluation = evaluate(config, code, fitted.weights, samples.held_out)
    onnx = export.export(config, code, fitted.weights)
    return Town(folder, catalog, store, base, materials, config, fitted.weights, onnx, evaluation)


@pytest.fixture(scope="module")
def published(town: Town) -> Item:
    ledger = MemoryLedger()
    version = ledger.add("town-roofs")
    key = (version.model, version.number)
    ledger.configs[key] = town.config
    ledger.records[key] = replace(
        version,
        metrics=dict(town.evaluation.metrics),
        baseline=dict(town.evaluation.baseline),
        baseline_name=town.evaluation.baseline_name,
        held_out_count=town.evaluation.sample_count,
        hyperparameters=town.config.hyperparameters,
    )
    ledger.files[(*key, "weights")], ledger.files[(*key, "onnx")] = town.weights, town.onnx
    return promote(PromoteParams(model="town-roofs", gate=GATE), town.catalog, town.store, ledger)


def test_the_run_learns_the_classes_of_the_dataset_with_a_new_head(town: Town) -> None:
    assert town.config.classes == CLASSES
    assert town.config.new_layers == ["head"]


def test_each_class_of_the_dataset_is_measured(town: Town) -> None:
    assert {f"fair:{name}_f1" for name in CLASSES} <= set(town.evaluation.metrics)
    assert "fair:building_f1" not in town.evaluation.metrics


def test_the_weights_of_the_other_layers_are_those_that_were_registered(town: Town, tmp_path: Path) -> None:
    path = town.store.fetch(*assets.file_ref(town.base, assets.WEIGHTS))
    initial = weights.read(path)
    still = {**town.config.hyperparameters, "training.learning_rate": 1e-6, "training.weight_decay": 0.0}
    config = town.config.model_copy(update={"hyperparameters": still})
    code = model_code.load(config, town.store)
    samples = sample_cache.load(config, town.store, town.folder / "cache").train.select([0, 1, 2, 3])

    fitted = fit.fit(config, code, town.store, samples, lambda epoch: None)
    state = fit.restore(config, code, fitted.weights).state_dict()

    assert state["head.weight"].shape[0] == len(CLASSES)
    kept = [name for name in initial if name.startswith("features.") and name.endswith("weight")]
    assert kept
    assert all(np.allclose(state[name], initial[name].float(), atol=1e-4) for name in kept)


def test_the_local_model_says_the_classes_that_it_learnt(town: Town, published: Item) -> None:
    output = published.properties["mlm:output"][0]
    keys = {entry["key"] for entry in published.properties["fair:metrics_spec"]}

    assert ModelItem(published).classes == CLASSES
    assert output["result"]["shape"] == [-1, 3]
    assert keys >= {"fair:concrete_recall", "fair:metal_recall", "fair:background_recall"}
    assert not any("building" in key for key in keys)
    assert ModelItem(town.base).classes == ["background", "building"]
    assert validation.problems(published.to_dict(transform_hrefs=False)) == []


def test_metrics_of_a_class_are_described_by_its_name(published: Item) -> None:
    spec = {entry["key"]: entry for entry in published.properties["fair:metrics_spec"]}
    assert spec["fair:concrete_precision"]["name"] == "Concrete precision"
    assert "predicted as concrete" in spec["fair:concrete_precision"]["description"]


def test_a_prediction_gives_a_probability_of_each_class_that_was_learnt(
    town: Town, published: Item, tmp_path: Path
) -> None:
    wish = PredictParams(model=published.id, imagery=str(town.folder / "town" / "input"))
    request = plan_prediction(published, wish, town.store, tmp_path)
    pixels = np.zeros((3, 256, 256), np.uint8)

    outputs = request.session.run(request.processing.preprocess(pixels)[None])
    values = {name: array[0] for name, array in outputs.items()}
    (part,) = request.processing.postprocess(values, Window(0, 0, 256, 256, "dark"), {})

    assert isinstance(part, Scores)
    assert list(part.values) == CLASSES == request.classes


def test_a_training_goes_on_from_the_local_model_with_all_its_layers(town: Town, published: Item) -> None:
    config = town.plan(published, town.materials)
    assert (config.classes, config.new_layers) == (CLASSES, [])


def test_a_model_is_not_measured_on_classes_that_it_does_not_tell_apart(town: Town) -> None:
    with pytest.raises(IncompatibleDataset, match="concrete, metal, which the model does not tell apart"):
        measurement.measure(town.base, town.materials, town.store, town.folder / "cache")


def test_a_class_with_too_few_chips_is_refused_with_the_counts(town: Town) -> None:
    dataset = deepcopy(town.materials)
    dataset.properties["label:classes"][0]["classes"].append("roof_tiles")
    for counts in dataset.properties["fair:chip_counts"].values():
        counts["roof_tiles"] = 0

    with pytest.raises(IncompatibleDataset) as told:
        town.plan(town.base, dataset)

    assert "training side of the split has too few chips of roof_tiles" in str(told.value)
    assert "at least 5 of each class" in str(told.value)
    assert "5 metal, 0 roof_tiles" in str(told.value)
    assert "held-out side of the split has too few chips of roof_tiles" in str(told.value)


def test_a_class_that_no_metric_can_be_named_after_is_refused(town: Town) -> None:
    dataset = deepcopy(town.materials)
    dataset.properties["label:classes"][0]["classes"] = ["clay-tiles", "metal"]
    with pytest.raises(IncompatibleDataset, match="ingest it as clay_tiles"):
        town.plan(town.base, dataset)
