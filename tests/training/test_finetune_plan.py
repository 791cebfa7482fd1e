"""From items and parameters to a run config."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pystac import Item

from fair_models.catalog.changes import transitions
from fair_models.catalog.items import base_models, datasets
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.errors import (
    Conflict,
    IncompatibleDataset,
    InvalidDocument,
    InvalidHyperparameters,
    InvalidItem,
    InvalidParameters,
)
from fair_models.params import FinetuneParams, SearchParams, SearchRange
from fair_models.store.local import LocalStore
from fair_models.store.protocol import StoredFile
from fair_models.training.config.run_config import FileRef, RunConfig
from fair_models.training.finetune_plan import find_items, plan_run
from fair_models.training.search import study
from tests.catalog.item_factory import base_item, dataset_item

TEMPLATE: dict[str, Any] = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "id": "tiny",
    "properties": {
        "mlm:name": "tiny",
        "mlm:tasks": ["semantic-segmentation"],
        "keywords": ["building", "semantic-segmentation", "polygon"],
        "gsd": 0.3,
        "fair:resampling": "average",
        "fair:sample_size_px": 256,
        "mlm:input": [
            {
                "name": "pixels",
                "bands": ["red", "green", "blue"],
                "input": {"shape": [-1, 3, -1, -1], "data_type": "float32"},
                "pre_processing_function": {
                    "format": "python",
                    "expression": "models.tiny.processing:preprocess",
                },
            }
        ],
        "mlm:output": [
            {
                "name": "logits",
                "classification:classes": [
                    {"value": 0, "name": "background"},
                    {"value": 1, "name": "building"},
                ],
                "post_processing_function": {
                    "format": "python",
                    "expression": "models.tiny.processing:postprocess",
                },
            }
        ],
        "mlm:hyperparameters": {"training.epochs": 30},
        "fair:hyperparameters_spec": [
            {"key": "training.epochs", "type": "int", "default": 20, "min": 1, "max": 100, "description": ""},
            {"key": "inference.confidence_threshold", "type": "float", "default": 0.5, "description": ""},
        ],
    },
    "assets": {
        "source-code": {
            "href": "code.zip",
            "type": "application/zip",
            "roles": ["mlm:source_code", "code"],
            "mlm:entrypoint": "models.tiny.pipeline",
        },
    },
}


def stored(name: str, digit: str) -> StoredFile:
    return StoredFile(href=f"/store/{name}", checksum="1220" + digit * 64, size=10)


@pytest.fixture
def base() -> Item:
    files = {
        "checkpoint": stored("w.safetensors", "a"),
        "model": stored("m.onnx", "b"),
        "source-code": stored("c.zip", "c"),
    }
    return base_models.build(TEMPLATE, 3, files)


@pytest.fixture
def town() -> Item:
    return datasets.build(
        datasets.DatasetFacts(
            name="town",
            version=2,
            title="Town",
            description="",
            geometry={"type": "Point", "coordinates": [5.4, 27.6]},
            bbox=[5.4, 27.6, 5.4, 27.6],
            files={
                "chips": stored("chips.zip", "d"),
                "labels": stored("labels.geojson", "e"),
                "split": stored("split.json", "f"),
            },
            keywords=["building", "semantic-segmentation", "polygon"],
            classes=["building"],
            class_counts={"train": {"building": 5}, "held_out": {"building": 2}},
            chip_count=8,
            gsd_m=0.26,
            split={"method": "area", "held_out_ratio": 0.25, "buffer_m": 0, "seed": 0},
            license="CC-BY-4.0",
            created=datetime(2026, 11, 1, tzinfo=UTC),
        )
    )


def wish(**fields: Any) -> FinetuneParams:
    return FinetuneParams(**{"base_model": "tiny", "dataset": "town", "model_name": "town-roofs", **fields})


def test_the_config_names_exact_items_and_their_files_by_digest(base, town):
    config = plan_run(base, town, wish())

    assert (config.base_model, config.dataset) == ("tiny-v3", "town-v2")
    assert config.weights.checksum == "1220" + "a" * 64
    assert config.code.archive.checksum == "1220" + "c" * 64
    assert config.data.chips.href == "/store/chips.zip"
    assert config.data.labels.checksum == "1220" + "e" * 64
    assert config.data.split.checksum == "1220" + "f" * 64


def test_the_config_says_whether_objects_are_connected_pixels(base, town):
    assert not plan_run(base, town, wish()).data.connected
    town.properties["fair:instances"] = "connected"
    assert plan_run(base, town, wish()).data.connected


def test_the_config_says_what_code_to_call_and_what_the_network_takes(base, town):
    config = plan_run(base, town, wish(seed=5))

    assert config.code.entrypoint == "models.tiny.pipeline"
    assert config.code.preprocess == "models.tiny.processing:preprocess"
    assert config.classes == ["background", "building"]
    assert (config.input.bands, config.input.size_px, config.input.gsd_m) == (3, 256, 0.3)
    assert (config.task, config.seed) == ("semantic-segmentation", 5)


def test_overrides_go_over_the_models_values_and_these_over_defaults(base, town):
    assert plan_run(base, town, wish()).hyperparameters == {
        "training.epochs": 30,
        "inference.confidence_threshold": 0.5,
    }
    assert (
        plan_run(base, town, wish(overrides={"training.epochs": 2})).hyperparameters["training.epochs"] == 2
    )


def test_the_training_may_set_what_nobody_asked_for_within_the_models_bounds(base, town):
    (entry,) = [
        each
        for each in base.properties["fair:hyperparameters_spec"]
        if each["key"] == "inference.confidence_threshold"
    ]
    assert plan_run(base, town, wish()).calibrated == {}
    entry |= {"min": 0.2, "max": 0.9}
    bounds = plan_run(base, town, wish()).calibrated["inference.confidence_threshold"]

    assert (bounds.least, bounds.most) == (0.2, 0.9)
    asked = wish(overrides={"inference.confidence_threshold": 0.5})
    assert plan_run(base, town, asked).calibrated == {}


def test_the_config_says_whose_objects_are_told_apart_where_the_model_says_it(base, town):
    assert plan_run(base, town, wish()).thing_classes == []
    assert plan_run(base, town, wish()).things == ["building"]
    output = base.properties["mlm:output"][0]
    output["classification:classes"].append({"value": 2, "name": "road"})
    base.properties["fair:thing_classes"] = ["building"]
    town.properties["label:classes"][0]["classes"] = ["building", "road"]

    config = plan_run(base, town, wish())

    assert (config.classes[1:], config.thing_classes) == (["building", "road"], ["building"])
    assert config.things == ["building"]


def test_a_config_that_tells_objects_of_no_class_apart_is_refused(base, town):
    text = plan_run(base, town, wish()).to_zenml().replace("thing_classes: []", "thing_classes: [roof]")

    with pytest.raises(InvalidParameters, match=r"thing_classes names roof, the classes .* are building"):
        RunConfig.from_zenml(text)


def test_the_config_says_how_many_labels_of_each_class_there_are(base, town):
    counts = plan_run(base, town, wish()).data.class_counts

    assert counts == {"train": {"building": 5}, "held_out": {"building": 2}}


def test_a_title_is_made_from_the_names_unless_one_is_given(base, town):
    assert plan_run(base, town, wish()).title == "town-roofs: tiny-v3 fine-tuned on town-v2"
    assert plan_run(base, town, wish(title="Roofs of the town")).title == "Roofs of the town"


def test_the_same_wish_gives_the_same_text_and_the_text_the_same_config(base, town):
    first, second = plan_run(base, town, wish()), plan_run(base, town, wish())

    assert first.to_zenml() == second.to_zenml()
    assert RunConfig.from_zenml(first.to_zenml()) == first


def test_wrong_overrides_are_refused_all_at_once(base, town):
    overrides = {"training.epochs": 1000, "training.epoch": 3, "inference.confidence_threshold": True}

    with pytest.raises(InvalidHyperparameters) as caught:
        plan_run(base, town, wish(overrides=overrides))
    assert len(caught.value.reasons) == 3


def test_an_incompatible_dataset_is_refused_with_every_reason(base, town):
    town.properties["keywords"] = ["road"]
    town.properties["gsd"] = 9.0

    with pytest.raises(IncompatibleDataset, match="town-v2 cannot train tiny-v3") as caught:
        plan_run(base, town, wish())
    assert len(caught.value.reasons) >= 2


def test_a_model_without_an_entrypoint_is_refused(base, town):
    del base.assets["source-code"].extra_fields["mlm:entrypoint"]

    with pytest.raises(InvalidItem, match="mlm:entrypoint"):
        plan_run(base, town, wish())


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("", InvalidParameters, "parameters.config is missing"),
        ("parameters: {config: {seed: 1}}", InvalidParameters, "model_name: Field required"),
        ("parameters: {config: &a {}, more: *a}", InvalidDocument, "anchor or alias"),
        ("parameters: !!python/name:os.system x", InvalidDocument, "tag"),
        ("parameters: {config: {}, config: {}}", InvalidDocument, "gives the key 'config' twice"),
        ("a: " + "x" * 1_000_000, InvalidDocument, "more than 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_run_config_is_told(text, error, said):
    with pytest.raises(error, match=said):
        RunConfig.from_zenml(text)


@pytest.mark.parametrize("seed", [True, 1.5, "1", -1, float("nan")])
def test_the_seed_of_a_run_config_is_a_whole_number(base, town, seed):
    document = plan_run(base, town, wish()).model_dump()
    with pytest.raises(ValueError, match="seed"):
        RunConfig.model_validate(document | {"seed": seed})


def test_what_is_varied_cannot_be_held_at_once(base: Item, town: Item) -> None:
    params = SearchParams(
        base_model="tiny",
        dataset="town",
        model_name="roofs",
        vary={"training.epochs": SearchRange(least=1, most=3)},
        overrides={"training.epochs": 2},
    )
    with pytest.raises(InvalidHyperparameters, match=r"training.epochs is varied and given one value"):
        study.plan(base, town, params, LocalStore(Path("nowhere")))


def test_trials_make_nothing_that_only_published_versions_need(base: Item, town: Item) -> None:
    params = SearchParams(
        base_model="tiny", dataset="town", model_name="roofs", vary={"training.epochs": SearchRange()}
    )
    split = FileRef(href="/searches/split.json", checksum="1220" + "0" * 64)
    search = study.Search("abc", params, base, town, split)
    assert not search.trial(1, {"training.epochs": 2}).quicken
    assert search.final(study.Trial(1, {"training.epochs": 2})).quicken


def test_a_model_cannot_be_trained_under_the_name_of_a_base_model(tmp_path: Path) -> None:
    catalog = LocalCatalog(tmp_path / "catalog")
    for item in (base_item(), dataset_item()):
        transitions.publish(catalog, item)
    wish = FinetuneParams(base_model="roofs-unet", dataset="banepa-buildings", model_name="roofs-unet")
    with pytest.raises(Conflict, match="roofs-unet is the name of a base model already"):
        find_items(catalog, wish)
    base, dataset = find_items(catalog, wish.model_copy(update={"model_name": "my-roofs"}))
    assert (base.id, dataset.id) == ("roofs-unet-v1", "banepa-buildings-v1")
