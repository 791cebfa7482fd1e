"""Champion and challenger on the same held-out chips: real networks, real chips, real measurements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from pystac import Item

from fair_models.catalog.changes import transitions
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.contract.code.code_archive import pack_code
from fair_models.data.splits import Split
from fair_models.data.synthetic import make_settlement
from fair_models.errors import GateFailed
from fair_models.ml_tasks.results import Evaluation
from fair_models.params import FinetuneParams, Gate, IngestDatasetParams, PromoteParams
from fair_models.publishing.candidate import Candidate, evaluate
from fair_models.publishing.commit import put_files
from fair_models.publishing.datasets import ingest
from fair_models.publishing.promote import promote
from fair_models.publishing.register.register import register_base_model
from fair_models.settings import current
from fair_models.store.local import LocalStore
from fair_models.training.finetune_plan import plan_run
from fair_models.training.phases import model_code, sample_cache
from fair_models.training.phases.evaluation import evaluate as evaluate_network
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, Json
from tests.catalog.item_factory import changed, local_item, raw
from tests.publishing import tiny_contribution
from tests.publishing.memory_ledger import MemoryLedger, a_network

MODEL = "roofs"
IOU = "fair:building_iou"
GOOD, POOR = 1, 3
"""Seeds of two tiny networks; the first finds more of the roofs."""


@dataclass(frozen=True)
class World:
    """A base model, a town in two versions (the other way round split), and a village elsewhere."""

    base: Item
    town: Item
    town_again: Item
    village: Item
    store: LocalStore


@pytest.fixture(scope="module")
def world(home_for_tests: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    catalog, store = LocalCatalog(folder / "catalog"), LocalStore(folder / "store")
    base = register_base_model(str(tiny_contribution.write(folder)), catalog, store)
    for name, seed in (("town", 3), ("village", 4)):
        make_settlement(folder / name, seed=seed, columns=4, rows=2, size_px=64, prediction_columns=0)

    def ingested(name: str, seed: int = 0) -> Item:
        wish = IngestDatasetParams(name=name, title=name, chips=str(folder / name), seed=seed)
        return ingest(wish, catalog, store)

    return World(base, ingested("town"), ingested("town", seed=2), ingested("village"), store)


@pytest.fixture
def catalog(world: World, home: Path) -> LocalCatalog:
    catalog = LocalCatalog(home / "catalog")
    for item in (world.base, world.town, world.village):
        transitions.publish(catalog, item)
    return catalog


Make = Callable[..., Candidate]


@pytest.fixture
def make(world: World, ledger: MemoryLedger, tmp_path: Path) -> Make:
    """A completed run with the weights of a seed, measured as the training does it."""

    def made(dataset: Item, seed: int, **fields: Any) -> Candidate:
        wish = FinetuneParams(base_model=world.base.id, dataset=dataset.id, model_name=MODEL)
        config = plan_run(world.base, dataset, wish)
        evaluation = measured(world, dataset, seed, tmp_path)
        values: dict[str, Any] = {
            "metrics": evaluation.metrics,
            "baseline": dict.fromkeys(evaluation.baseline),  # these networks have learnt nothing
            "held_out_count": evaluation.sample_count,
            "hyperparameters": config.hyperparameters,
            **fields,
        }
        version = ledger.add(MODEL, base_model=world.base.id, dataset=dataset.id, **values)
        ledger.configs[MODEL, version.number] = config
        ledger.files[MODEL, version.number, "weights"] = weights_of(seed, tmp_path).read_bytes()
        return Candidate(version, config, ModelItem(world.base), DatasetItem(dataset))

    return made


def weights_of(seed: int, folder: Path) -> Path:
    from fair_models.ml_tasks import weights

    path = folder / f"{seed}.safetensors"
    weights.save(tiny_contribution.network(seed), path)
    return path


def measured(world: World, dataset: Item, seed: int, folder: Path) -> Evaluation:
    """What the steps of a training on this dataset measure."""
    wish = FinetuneParams(base_model=world.base.id, dataset=dataset.id, model_name=MODEL)
    config = plan_run(world.base, dataset, wish)
    held_out = sample_cache.load(config, world.store, current().cache_folder).held_out
    state = weights_of(seed, folder).read_bytes()
    return evaluate_network(config, model_code.load(config, world.store), state, held_out)


def published(
    candidate: Candidate, seed: int, catalog: LocalCatalog, store: LocalStore, folder: Path
) -> Item:
    """The candidate as the current version, with its real weights."""
    onnx = folder / "model.onnx"
    onnx.write_bytes(a_network(seed))
    files = {"checkpoint": weights_of(seed, folder), "model": onnx}
    version = candidate.version
    return transitions.publish(
        catalog,
        local_item(
            version.number,
            name=MODEL,
            base=candidate.base.item,
            dataset=candidate.dataset.item,
            base_href=catalog.href(BASE_MODELS, candidate.base.id),
            dataset_href=catalog.href(DATASETS, candidate.dataset.id),
            files=put_files(store, LOCAL_MODELS, MODEL, version.number, files),
            hyperparameters=candidate.config.hyperparameters,
            metrics=version.metrics,
            baseline=version.baseline,
            held_out_count=version.held_out_count,
            split=candidate.dataset.split,
        ),
    )


@dataclass(frozen=True)
class Duel:
    """A current version and those who would take its place."""

    world: World
    catalog: LocalCatalog
    champion: Item

    def judge(self, candidate: Candidate, **gate: Any) -> Json:
        asked = Gate(**{"not_worse_by": 1.0, **gate})
        return evaluate(asked, candidate, ModelItem(self.champion), self.catalog, self.world.store)

    def refused(self, candidate: Candidate, **gate: Any) -> str:
        with pytest.raises(GateFailed) as failed:
            self.judge(candidate, **gate)
        return str(failed.value)

    def changed(self, path: list[str | int], value: Any) -> Duel:
        """The same with another current version: its item differs in one place."""
        return replace(self, champion=Item.from_dict(changed(raw(self.champion), path, value)))


@pytest.fixture
def duel(world: World, catalog: LocalCatalog, make: Make, tmp_path: Path) -> Duel:
    """The good network, trained on the town, is current."""
    champion = published(make(world.town, GOOD), GOOD, catalog, world.store, tmp_path)
    return Duel(world, catalog, champion)


def test_figures_of_the_same_chips_by_the_same_code_are_taken_as_recorded(
    duel: Duel, make: Make, world: World
) -> None:
    candidate = make(world.town, POOR)
    record = duel.changed(["properties", IOU], 0.123).judge(candidate)
    assert record["measured"] == "recorded"
    assert record["champion_value"] == 0.123
    assert record["champion"] == "roofs-v1"


def test_a_champion_of_another_dataset_is_measured_on_the_challenger_s_held_out_chips(
    duel: Duel, make: Make, world: World, tmp_path: Path
) -> None:
    record = duel.judge(make(world.village, POOR))

    there = measured(world, world.village, GOOD, tmp_path).metrics[IOU]
    assert record["measured"] == "now"
    assert record["measured_on"] == "village-v1"
    assert record["champion_value"] == there
    assert record["champion_value"] != duel.champion.properties[IOU]
    assert record["seen_by_champion"] == 0


def test_a_challenger_worse_on_these_chips_is_told_metric_values_and_margin(
    duel: Duel, make: Make, world: World, tmp_path: Path
) -> None:
    candidate = make(world.village, POOR)
    ours = candidate.version.metrics[IOU]
    theirs = measured(world, world.village, GOOD, tmp_path).metrics[IOU]
    assert ours is not None
    assert theirs is not None
    assert theirs > ours

    told = duel.refused(candidate, not_worse_by=(theirs - ours) / 2)

    assert f"{IOU} is {ours:.4g}" in told
    assert f"worse than {theirs:.4g} of the current roofs-v1 on the same held-out chips of village-v1" in told
    assert f"at most {(theirs - ours) / 2:g} is allowed" in told
    assert duel.judge(candidate, not_worse_by=theirs - ours)["passed"]


def test_the_same_weights_are_equally_good_on_the_same_chips(duel: Duel, make: Make, world: World) -> None:
    record = duel.judge(make(world.village, GOOD), not_worse_by=0.0)
    assert record["champion_value"] == record["challenger_value"]


def test_held_out_chips_that_the_champion_was_trained_on_are_counted(
    duel: Duel, make: Make, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    trained_on = split_of(world, world.town).train
    held_out = split_of(world, world.town_again).held_out
    both = {*trained_on} & {*held_out}
    assert both

    record = duel.judge(make(world.town_again, POOR))

    assert record["seen_by_champion"] == len(both)
    assert (
        f"roofs-v1 was trained on {len(both)} of the {len(held_out)} held-out chips of town-v2" in caplog.text
    )


def test_chips_of_the_same_name_in_another_place_are_others(duel: Duel, make: Make, world: World) -> None:
    elsewhere = Item.from_dict(changed(raw(world.town_again), ["bbox"], [10.0, 10.0, 10.1, 10.1]))
    candidate = replace(make(world.town_again, POOR), dataset=DatasetItem(elsewhere))
    assert duel.judge(candidate)["seen_by_champion"] == 0


def split_of(world: World, dataset: Item) -> Split:
    return Split.read(world.store.fetch(dataset.assets["split"].href))


def test_the_same_chips_measured_by_other_code_are_measured_again(
    duel: Duel, make: Make, world: World
) -> None:
    """As after the base model's code has a new version."""
    candidate = make(world.town, POOR)
    code = candidate.config.code
    archive = code.archive.model_copy(update={"checksum": "1220" + 64 * "b"})
    newer = candidate.config.model_copy(update={"code": code.model_copy(update={"archive": archive})})

    record = duel.changed(["properties", IOU], 0.123).judge(replace(candidate, config=newer))

    assert record["measured"] == "now"
    assert record["champion_value"] == duel.champion.properties[IOU]


def test_figures_of_another_split_of_the_dataset_are_not_taken(duel: Duel, make: Make, world: World) -> None:
    otherwise = duel.changed(["properties", "fair:split_spec", "seed"], 5)
    assert otherwise.judge(make(world.town, POOR))["measured"] == "now"


def test_a_champion_with_other_classes_is_not_compared_and_both_are_named(
    duel: Duel, make: Make, world: World
) -> None:
    path = ["properties", "mlm:output", 0, "classification:classes", 1, "name"]
    told = duel.changed(path, "road").refused(make(world.village, POOR))
    assert (
        f"{IOU} cannot be compared: the current roofs-v1 does not fit village-v1: the classes differ" in told
    )
    assert "road" in told


def test_a_champion_that_was_judged_by_another_metric_is_not_compared(
    duel: Duel, make: Make, world: World
) -> None:
    path = ["properties", "fair:metrics_spec", 0]
    other = {"key": "fair:accuracy", "name": "A", "description": "A.", "higher_is_better": True}
    told = duel.changed(path, other).refused(make(world.town, POOR))
    assert "the current roofs-v1 has no such metric, it has fair:accuracy" in told
    turned = duel.changed([*path, "higher_is_better"], False).refused(make(world.town, POOR))
    assert "the opposite direction is better" in turned


def test_a_champion_without_a_recorded_value_is_not_compared(duel: Duel, make: Make, world: World) -> None:
    told = duel.changed(["properties", IOU], None).refused(make(world.town, POOR))
    assert "the current roofs-v1 did not measure it" in told


def test_a_champion_whose_weights_are_gone_is_not_compared_and_an_override_says_so(
    duel: Duel, make: Make, world: World
) -> None:
    gone = duel.changed(["assets", "checkpoint", "href"], "/nowhere/w.safetensors")
    candidate = make(world.village, POOR)
    assert "the current roofs-v1 cannot be measured on village-v1" in gone.refused(candidate)

    record = gone.judge(candidate, override_reason="The old weights were lost with the disk")

    assert not record["passed"]
    assert "cannot be measured" in record["reasons"][0]
    assert "champion_value" not in record
    assert "measured" not in record


def test_a_champion_with_a_pipeline_of_its_own_is_not_compared(duel: Duel, make: Make, world: World) -> None:
    own = duel.changed(["assets", "source-code", "mlm:entrypoint"], "models.tiny.pipeline:training_pipeline")
    assert "has a ZenML pipeline of its own" in own.refused(make(world.village, POOR))


def test_weights_that_do_not_fit_the_code_are_a_reason_not_a_crash(
    duel: Duel, make: Make, world: World
) -> None:
    wider = duel.changed(["properties", "mlm:hyperparameters", "training.width"], 8)
    assert "cannot be measured on village-v1" in wider.refused(make(world.village, POOR))


BROKEN = """
def evaluate(network, samples, processing, params):
    raise ZeroDivisionError("the roof fell in")
"""
BOASTING = """
def evaluate(network, samples, processing, params):
    from dataclasses import replace

    return replace(training.evaluate(network, samples, processing, params), sample_count=99)
"""


@pytest.mark.parametrize(
    ("evaluate", "said"),
    [
        (BROKEN, "Measuring roofs-v1 on village-v1 failed: ZeroDivisionError: the roof fell in"),
        (BOASTING, "roofs-v1 says that it measured 99 samples where 2 are held out"),
    ],
)
def test_code_of_the_champion_that_measures_nothing_is_a_reason_not_a_crash(
    evaluate: str, said: str, duel: Duel, make: Make, world: World, tmp_path: Path
) -> None:
    folder = tiny_contribution.write(tmp_path / "other")
    with (folder / "pipeline.py").open("a") as pipeline:
        pipeline.write(evaluate)
    pack_code(folder, tmp_path / "code.zip")
    stored = world.store.put(f"base-models/other/{len(evaluate)}.zip", tmp_path / "code.zip")
    other = duel.changed(["assets", "source-code", "href"], stored.href)
    other = other.changed(["assets", "source-code", "file:checksum"], stored.checksum)

    assert said in other.refused(make(world.village, POOR))


def test_nothing_is_measured_for_a_run_without_held_out_data(
    duel: Duel, make: Make, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        told = duel.refused(make(world.village, POOR, held_out_count=0), override_reason="We need it by noon")
    assert "was not measured on held-out data" in told
    assert "an override cannot take the place of a measurement" in told
    assert "measuring the current" not in caplog.text


def test_a_run_that_claims_more_held_out_samples_than_there_are_is_refused(
    duel: Duel, make: Make, world: World
) -> None:
    there = len(split_of(world, world.village).held_out)
    told = duel.refused(make(world.village, POOR, held_out_count=there + 4))
    assert f"measured on {there + 4} held-out samples, village-v1 has {there} for it" in told


def test_a_run_that_read_other_chips_than_its_dataset_s_is_refused(
    duel: Duel, make: Make, world: World
) -> None:
    candidate = make(world.town, POOR)
    lie = replace(candidate, dataset=DatasetItem(world.village))
    assert "its run read other files than those of village-v1 (chips, labels)" in duel.refused(lie)


def test_without_a_margin_the_champion_is_not_looked_at(duel: Duel, make: Make, world: World) -> None:
    record = duel.judge(make(world.village, POOR), not_worse_by=None)
    assert record["passed"]
    assert not {"champion", "champion_value", "not_worse_by", "measured"} & set(record)


def test_an_override_is_told_in_the_log(
    duel: Duel, make: Make, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    duel.judge(make(world.town, POOR), minimum={IOU: 0.999}, override_reason="A baseline for the workshop")
    assert "roofs-v2 passes by an override (A baseline for the workshop), although" in caplog.text


def test_every_record_is_valid_in_an_item(duel: Duel, make: Make, world: World) -> None:
    from fair_models.catalog import validation

    village = make(world.village, POOR)
    gone = duel.changed(["assets", "checkpoint", "href"], "/nowhere/w.safetensors")
    reason = {"override_reason": "A baseline for the workshop"}
    records = [
        duel.judge(village),
        duel.judge(make(world.town, POOR), minimum={IOU: 0.01}),
        duel.judge(village, not_worse_by=None),
        duel.judge(village, minimum={IOU: 0.999}, **reason),
        gone.judge(village, **reason),
    ]
    for record in records:
        item = raw(local_item(gate=orjson.loads(orjson.dumps(record))))
        assert item["properties"]["fair:gate"] == record
        assert validation.own_problems(item) == []


def test_the_whole_promotion_compares_on_the_challenger_s_chips_and_keeps_the_override(
    catalog: LocalCatalog, ledger: MemoryLedger, make: Make, world: World, tmp_path: Path
) -> None:
    make(world.town, GOOD)
    make(world.village, POOR)
    there = measured(world, world.village, GOOD, tmp_path).metrics[IOU]

    def promoted(number: int, **gate: Any) -> Item:
        params = PromoteParams(model=MODEL, version=number, gate=Gate(**gate))
        return promote(params, catalog, world.store, ledger)

    assert promoted(1, not_worse_by=0.0).properties["fair:gate"]["passed"]
    with pytest.raises(GateFailed, match=rf"worse than {there:.4g} of the current roofs-v1"):
        promoted(2, not_worse_by=0.0)
    assert [item.id for item in catalog.search(LOCAL_MODELS)] == ["roofs-v1"]

    gate = promoted(2, not_worse_by=0.0, override_reason="The village has other roofs").properties[
        "fair:gate"
    ]

    assert (gate["passed"], gate["measured"], gate["champion_value"]) == (False, "now", there)
    assert gate["override_reason"] == "The village has other roofs"
    kept = catalog.get(LOCAL_MODELS, "roofs-v2")
    assert kept.properties["fair:gate"] == gate
    assert not kept.properties["deprecated"]
