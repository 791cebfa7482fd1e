"""The whole path with real ZenML: registered, ingested, trained, promoted, audited."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pystac import Item

from fair_models.audit.audit_run import audit
from fair_models.catalog.changes import transitions
from fair_models.catalog.items import assets
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.contract.code import loader
from fair_models.data.synthetic import make_settlement
from fair_models.errors import FairModelsError, GateFailed, Invalid
from fair_models.inference.network.session import open_session
from fair_models.inference.parts import Window
from fair_models.params import (
    AuditParams,
    CollectFeedbackParams,
    FinetuneParams,
    Gate,
    IngestDatasetParams,
    PromoteParams,
)
from fair_models.publishing.datasets import ingest
from fair_models.publishing.feedback import collect
from fair_models.publishing.promote import promote
from fair_models.publishing.register.register import register_base_model
from fair_models.settings import current
from fair_models.store.local import LocalStore
from fair_models.training import launch
from fair_models.training.config.run_config import RunConfig
from fair_models.training.finetune_plan import plan_run
from fair_models.training.ledger import Ledger, open_ledger
from fair_models.types import LOCAL_MODELS
from tests.publishing import feedback_files, tiny_contribution

MODEL = "published-roofs"
GATE = Gate(override_reason=tiny_contribution.UNTRAINED)
IOU = "fair:building_iou"


@dataclass(frozen=True)
class Trained:
    """Two completed versions, and a third whose run failed, in the session's ZenML."""

    base: Item
    dataset: Item
    store: LocalStore
    config: RunConfig


@dataclass(frozen=True)
class Registry:
    """A catalogue in which nothing of the model is published yet. The stages are those of the test before."""

    catalog: LocalCatalog
    store: LocalStore
    ledger: Ledger

    def promote(self, version: int | None = None, **gate: object) -> Item:
        gate = {**GATE.model_dump(), **gate}
        params = PromoteParams(model=MODEL, version=version, gate=Gate.model_validate(gate))
        return promote(params, self.catalog, self.store, self.ledger)

    def stage(self, number: int) -> str:
        return self.ledger.get(MODEL, number).stage


@pytest.fixture(autouse=True)
def home(home_for_tests: Path) -> Path:
    """ZenML's state belongs to the session."""
    return home_for_tests


@pytest.fixture(scope="module")
def trained(home_for_tests: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("registry")
    catalog, store = LocalCatalog(folder / "catalog"), LocalStore(folder / "store")
    base = register_base_model(str(tiny_contribution.write(folder)), catalog, store)
    make_settlement(folder / "town", seed=3, columns=4, rows=2, size_px=64, prediction_columns=0)
    town = IngestDatasetParams(name="town", title="Town", chips=str(folder / "town"))
    dataset = ingest(town, catalog, store)
    wish = FinetuneParams(
        base_model=base.id,
        dataset=dataset.id,
        model_name=MODEL,
        overrides={"training.epochs": 2, "training.precision": "float32"},
    )
    config = plan_run(base, dataset, wish).model_copy(update={"threads": 1})
    launch.run(config)
    launch.run(config)
    wrong = config.weights.model_copy(update={"checksum": "1220" + 64 * "0"})
    with pytest.raises(FairModelsError):
        launch.run(config.model_copy(update={"weights": wrong}))
    return Trained(base, dataset, store, config)


@pytest.fixture
def registry(trained: Trained, tmp_path: Path) -> Registry:
    catalog, ledger = LocalCatalog(tmp_path / "catalog"), open_ledger(current())
    for item in (trained.base, trained.dataset):
        transitions.publish(catalog, item)
    return Registry(catalog, trained.store, ledger)


def test_a_trained_version_is_published_with_what_zenml_says_of_it(
    registry: Registry, trained: Trained
) -> None:
    item = registry.promote(1)

    version = registry.ledger.get(MODEL, 1)
    assert item.properties["fair:zenml"] == {"run_id": version.run_id, "model_version": 1}
    assert item.properties[IOU] == version.metrics[IOU]
    assert item.properties["mlm:hyperparameters"] == trained.config.hyperparameters
    assert item.properties["fair:training_seconds"] > 0
    assert registry.stage(1) == "production"


def test_the_published_item_alone_is_enough_to_predict(registry: Registry) -> None:
    item, store = registry.promote(1), registry.store
    session = open_session(store.fetch(*assets.file_ref(item, assets.MODEL)), threads=1)
    href, checksum = assets.file_ref(item, assets.SOURCE_CODE)
    functions = loader.load_processing(store.fetch(href, checksum), checksum, *ModelItem(item).processing)

    outputs = session.run(functions.preprocess(np.zeros((3, 64, 64), np.uint8))[None])

    (part,) = functions.postprocess(
        {name: values[0] for name, values in outputs.items()}, Window(0, 0, 64, 64, "x"), {}
    )
    assert part.probabilities.shape == (2, 64, 64)


def test_the_next_version_takes_its_place_and_the_audit_finds_nothing(registry: Registry) -> None:
    registry.promote(1)
    registry.promote(2, not_worse_by=1.0)

    assert [registry.stage(1), registry.stage(2)] == ["archived", "production"]
    report = audit(registry.catalog, registry.store, registry.ledger, AuditParams())
    assert list(report.findings) == []
    assert report.skipped == {"thresholds": "no thresholds were given"}


def test_feedback_trains_the_local_model_further_and_the_chain_can_be_read(
    registry: Registry, trained: Trained, tmp_path: Path
) -> None:
    parent = registry.promote(1)
    make_settlement(tmp_path / "town", seed=4, columns=4, rows=2, size_px=64, prediction_columns=0)
    said = CollectFeedbackParams(
        prediction=str(feedback_files.predict(tmp_path / "town", tmp_path / "predicted", parent.id)),
        feedback=str(feedback_files.say(tmp_path / "town", tmp_path / "said.geojson", "accepted")),
        dataset="town",
    )
    dataset = collect(said, registry.catalog, registry.store)
    wish = FinetuneParams(base_model=parent.id, dataset=dataset.id, model_name="further-roofs")
    config = plan_run(parent, dataset, wish).model_copy(update={"threads": 1})
    assert config.weights.checksum == assets.file_ref(parent, assets.WEIGHTS)[1]
    assert (config.base_model, config.parent_model) == (trained.base.id, parent.id)
    assert config.code == trained.config.code

    version = launch.run(config)
    params = PromoteParams(model="further-roofs", version=version.number, gate=GATE)
    item = promote(params, registry.catalog, registry.store, registry.ledger)

    def parents(child: Item) -> list[str]:
        return [Path(link.href).stem for link in child.get_links("derived_from")]

    assert parents(item) == [trained.base.id, dataset.id, parent.id]
    assert parents(dataset) == [parent.id, trained.dataset.id]
    assert (dataset.id, trained.dataset.id) == ("town-v2", "town-v1")
    assert item.properties["mlm:pretrained_source"] == parent.id
    assert item.properties["fair:seen_by_parents"] == 0
    assert item.properties["fair:base_model_id"] == trained.base.id
    for role in (assets.SOURCE_CODE, assets.TRAINING_RUNTIME, assets.INFERENCE_RUNTIME):
        assert assets.by_role(item, role).href == assets.by_role(parent, role).href
    report = audit(registry.catalog, registry.store, registry.ledger, AuditParams())
    assert list(report.findings) == []


def test_without_a_number_the_failed_run_is_passed_over(registry: Registry) -> None:
    assert registry.promote().id == f"{MODEL}-v2"


def test_a_gate_that_is_not_met_leaves_zenml_alone(registry: Registry) -> None:
    before = registry.ledger.versions(MODEL)
    with pytest.raises(GateFailed):
        registry.promote(2, minimum={IOU: 1.0}, override_reason=None)
    assert registry.ledger.versions(MODEL) == before
    assert list(registry.catalog.search(LOCAL_MODELS)) == []


def test_a_failed_run_is_never_published(registry: Registry) -> None:
    with pytest.raises(Invalid, match=r"published-roofs-v3 cannot be published: its run .* is failed"):
        registry.promote(3)
    assert registry.stage(3) == "none"


def test_the_audit_notices_a_stage_that_somebody_changed_and_promoting_again_mends_it(
    registry: Registry,
) -> None:
    registry.promote(2)
    registry.ledger.set_stage(MODEL, 2, "archived")

    report = audit(registry.catalog, registry.store, registry.ledger, AuditParams(rules=["stages"]))
    assert [finding.item for finding in report.findings] == [f"local-models/{MODEL}-v2"]

    registry.promote(2)
    assert registry.stage(2) == "production"
