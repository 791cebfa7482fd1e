"""What the builders make, and what is read back from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fair_models.catalog import validation
from fair_models.catalog.items import (
    assets,
    base_models,
    building,
    local_models,
)
from fair_models.catalog.items.model import ModelItem
from fair_models.errors import InvalidItem, NotFound
from fair_models.types import Json
from tests.catalog.item_factory import (
    AREA,
    NOW,
    base_files,
    base_item,
    changed,
    dataset_item,
    local_facts,
    local_item,
    raw,
    stored,
    template,
    without,
)


def test_a_base_model_belongs_to_no_place_and_says_when_it_came() -> None:
    item = raw(base_item(3))
    assert item["id"] == "roofs-unet-v3"
    assert item["collection"] == "base-models"
    assert item["geometry"] == building.WORLD
    assert item["properties"]["version"] == "3"
    assert item["properties"]["datetime"] == item["properties"]["created"] == "2026-11-21T08:30:00Z"


FIGURES = {
    "intervals": {"fair:building_iou": (0.7, 0.78), "fair:extra": None},
    "classes": [
        {"class": "background", "train": None, "held_out": None, "iou": 0.9},
        {"class": "building", "train": 900, "held_out": 300, "iou": 0.74, "iou_low": 0.7, "iou_high": 0.78},
    ],
    "confusion": {
        "background": {"background": 9, "building": 1},
        "building": {"background": 2, "building": 8},
    },
}


def test_a_local_model_says_intervals_figures_of_each_class_and_the_confusion() -> None:
    item = raw(local_item(**FIGURES))
    properties = item["properties"]

    assert validation.own_problems(item) == []
    assert properties["fair:metrics_spec"][0]["interval"] == [0.7, 0.78]
    assert properties["fair:class_metrics"] == FIGURES["classes"]
    assert properties["fair:confusion"]["building"]["background"] == 2
    assert "interval" not in base_item().properties["fair:metrics_spec"][0]


def test_a_model_that_goes_on_from_a_local_one_has_intervals_of_its_own() -> None:
    first = local_item(**FIGURES)

    later = raw(local_item(2, base=first, intervals={"fair:building_iou": None}))

    assert later["properties"]["fair:metrics_spec"][0]["interval"] is None


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["fair:metrics_spec", 0, "interval"], [0.8, 0.7], "should be its lower end, then its upper"),
        (["fair:metrics_spec", 0, "interval"], [0.8], "fair:metrics_spec[0].interval"),
        (["fair:class_metrics", 1, "class"], "hut", "names hut, the classes are background, building"),
        (["fair:class_metrics", 1, "class"], "background", "has background twice"),
        (["fair:class_metrics", 1, "iou"], "good", "fair:class_metrics[1].iou"),
        (["fair:class_metrics", 1, "held_out"], -1, "fair:class_metrics[1].held_out"),
        (["fair:confusion", "building"], {"hut": 3}, "fair:confusion: names hut"),
        (["fair:confusion", "building"], {"building": 0.5}, "fair:confusion.building.building"),
    ],
)
def test_figures_of_classes_that_cannot_be_are_refused(path: list[Any], value: Any, said: str) -> None:
    item = changed(raw(local_item(**FIGURES)), ["properties", *path], value)

    assert said in "; ".join(validation.own_problems(item))


def test_files_take_the_place_of_what_the_template_names() -> None:
    item = base_item()
    code = item.assets["source-code"]
    assert code.href.endswith("code.zip")
    assert code.extra_fields["mlm:entrypoint"] == "models.roofs.pipeline"
    assert set(item.assets) == {
        "checkpoint",
        "model",
        "source-code",
        "readme",
        "training-runtime",
        "inference-runtime",
    }


def test_a_file_that_is_not_the_one_of_the_template_is_refused() -> None:
    made = template()
    made["assets"]["checkpoint"] = {
        "href": "w.safetensors",
        "roles": ["mlm:weights"],
        "file:checksum": "1220" + "0" * 64,
    }
    with pytest.raises(InvalidItem, match=r"assets\.checkpoint: the item says the digest"):
        base_models.build(made, 1, base_files())


@pytest.mark.parametrize("item_id", ["roofs-unet", "roofs-unet-v7", None])
def test_the_name_comes_from_the_template(item_id: str | None) -> None:
    made = template()
    made["id"] = item_id
    assert base_models.build(made, 2, base_files()).id == "roofs-unet-v2"


def test_a_template_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(InvalidItem, match="make them the same"):
        base_models.build(template(**{"mlm:name": "trees"}), 1, base_files())


@pytest.mark.parametrize("field", ["properties", "assets", "links", "stac_extensions"])
@pytest.mark.parametrize("value", [None, 5, "x", [3], {"a": 3}])
def test_a_malformed_template_is_refused_in_words(field: str, value: Any) -> None:
    made = {**template(), field: value}
    with pytest.raises(InvalidItem):
        validation.validate(raw(base_models.build(made, 1, base_files())))


def test_a_local_model_alone_says_all_that_is_needed() -> None:
    base, item = base_item(), local_item(2)
    assert item.id == "banepa-roofs-v2"
    for role in (assets.SOURCE_CODE, assets.TRAINING_RUNTIME, assets.INFERENCE_RUNTIME):
        assert assets.by_role(item, role).to_dict() == assets.by_role(base, role).to_dict()
    assert ModelItem(item).processing == ModelItem(base).processing
    assert ModelItem(item).input == ModelItem(base).input
    assert ModelItem(item).classes == ["background", "building"]
    assert assets.file_ref(item, assets.WEIGHTS) != assets.file_ref(base, assets.WEIGHTS)
    assert item.properties["mlm:hyperparameters"]["training.epochs"] == 40
    assert item.properties["fair:building_iou"] == 0.74
    assert item.properties["fair:baseline"] == {
        "fair:building_iou": 0.377,
        "name": "everything is a building",
    }
    assert item.properties["fair:base_model_id"] == "roofs-unet-v1"
    assert item.properties["fair:dataset_id"] == "banepa-buildings-v1"
    assert item.properties["fair:zenml"]["model_version"] == 2
    assert item.geometry == dataset_item().geometry
    facts = local_facts()
    derived = [link.href for link in item.links if link.rel == "derived_from"]
    assert derived == [facts.base_href, facts.dataset_href]


def test_a_local_model_shares_nothing_with_its_base_in_memory() -> None:
    facts = local_facts()
    item = local_models.build(facts)
    item.properties["mlm:input"][0]["name"] = "changed"
    item.properties["keywords"].append("changed")
    assert validation.own_problems(raw(facts.base)) == []


def test_a_metric_that_was_not_measured_is_null() -> None:
    item = raw(local_item(metrics={"fair:building_iou": None}))
    assert item["properties"]["fair:building_iou"] is None
    assert validation.own_problems(item) == []


def test_a_dataset_says_what_its_labels_are() -> None:
    item = dataset_item()
    assert item.properties["label:tasks"] == ["segmentation"]
    assert item.properties["label:classes"] == [{"name": "class", "classes": ["building"]}]
    assert item.properties["label:properties"] == ["class"]
    assert item.properties["label:overviews"][0]["counts"] == [{"name": "building", "count": 1200}]
    assert item.properties["fair:repairs"] == {"repaired": 3, "left_out": 2}
    assert item.assets["chips"].extra_fields["bands"][0] == {"name": "red", "data_type": "uint8"}


@pytest.mark.parametrize(
    ("imagery", "linked"), [("https://example.org/mosaic.tif", 1), ("https://example.org/{z}/{x}/{y}", 0)]
)
def test_imagery_that_can_be_opened_is_linked_and_a_template_of_tiles_is_not(
    imagery: str, linked: int
) -> None:
    item = dataset_item(source_imagery=imagery)
    assert len([link for link in item.links if link.rel == "source"]) == linked
    assert item.properties["fair:source_imagery"] == imagery


def test_a_dataset_of_rasters_and_one_of_unknown_origin_are_valid() -> None:
    assert (
        validation.own_problems(raw(dataset_item(label_type="raster", provider="", source_imagery="a drone")))
        == []
    )


def prediction() -> Json:
    """What lies beside the files of a prediction."""
    file = stored("predictions/1/buildings.geojson")
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": "prediction-0123456789ab",
        "geometry": AREA,
        "bbox": [85.51, 27.62, 85.53, 27.64],
        "properties": {
            "datetime": "2026-11-21T08:30:00Z",
            "created": "2026-11-21T08:30:00Z",
            "title": "banepa-roofs-v2 over chips",
            "fair:model_id": "banepa-roofs-v2",
            "fair:model_checksum": stored("m.onnx").checksum,
            "fair:imagery": "/data/chips",
            "fair:parameters": {"inference.confidence_threshold": 0.5},
            "fair:engine": {"name": "onnxruntime", "version": "1.31.1"},
            "fair:counts": {"images": 48, "features": 1466},
            "processing:software": {"fair-models": "0.1.0"},
        },
        "links": [{"rel": "derived_from", "href": "/data/catalog/banepa-roofs-v2.json"}],
        "assets": {
            "vectors": {
                "href": "./buildings.geojson",
                "roles": ["data"],
                "file:checksum": file.checksum,
                "file:size": file.size,
            }
        },
    }


def test_a_prediction_follows_a_profile_of_its_own() -> None:
    assert validation.own_problems(prediction()) == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("properties", "fair:model_id"), "properties.fair:model_id: is missing"),
        (("properties", "fair:model_checksum"), "properties.fair:model_checksum: is missing"),
        (("properties", "processing:software"), "properties.processing:software: is missing"),
        (("assets", "vectors", "file:checksum"), "assets.vectors.file:checksum: is missing"),
    ],
)
def test_a_prediction_that_cannot_be_traced_is_refused(path: tuple[str, ...], said: str) -> None:
    assert said in " ".join(validation.own_problems(without(prediction(), *path)))


def test_of_two_models_the_onnx_is_meant() -> None:
    item = base_item()
    item.assets["trained"] = item.assets.pop("model")
    assert assets.by_role(item, "mlm:model").href.endswith(".onnx")
    assert assets.by_role(item, "code").href == assets.by_role(item, "mlm:source_code").href


def test_an_absent_role_and_two_of_a_kind_are_refused_in_words() -> None:
    item = dataset_item()
    with pytest.raises(NotFound, match=r"no asset with the role mlm:model; it has chips \(data\)"):
        assets.by_role(item, "mlm:model")
    item.assets["a"] = item.assets.pop("labels")
    item.assets["b"] = item.assets["a"]
    with pytest.raises(InvalidItem, match="key the right one as labels"):
        assets.by_role(item, "labels")


def test_a_file_without_digest_cannot_be_referred_to() -> None:
    item = base_item()
    del item.assets["checkpoint"].extra_fields["file:checksum"]
    with pytest.raises(InvalidItem, match="has no file:checksum"):
        assets.file_ref(item, assets.WEIGHTS)


@pytest.mark.parametrize(
    ("href", "image", "pinned"),
    [
        ("local:worker", None, False),
        ("ghcr.io/org/roofs:latest", "ghcr.io/org/roofs:latest", False),
        (f"oci://ghcr.io/org/roofs@sha256:{'ab' * 32}", f"ghcr.io/org/roofs@sha256:{'ab' * 32}", True),
    ],
)
def test_a_runtime_is_an_image_or_the_worker(href: str, image: str | None, pinned: bool) -> None:
    item = base_item()
    item.assets["training-runtime"].href = href
    assert assets.image(item, assets.TRAINING_RUNTIME) == image
    assert assets.is_pinned(image or "") is pinned


@pytest.mark.parametrize(
    ("values", "names"),
    [([0, 1], ["building", "road"]), ([1, 2], ["background", "building", "road"])],
)
def test_classes_are_counted_from_the_background(values: list[int], names: list[str]) -> None:
    item = base_item()
    item.properties["mlm:output"][0]["classification:classes"] = [
        {"value": value, "name": name, "description": name}
        for value, name in zip(values, ["building", "road"], strict=True)
    ]
    assert ModelItem(item).classes == names


@pytest.mark.parametrize(
    "function", [None, [], {"format": "onnx", "expression": "x:y"}, {"format": "python"}]
)
def test_processing_that_is_no_python_function_is_refused(function: Any) -> None:
    item = base_item()
    item.properties["mlm:input"][0]["pre_processing_function"] = function
    with pytest.raises(InvalidItem, match="pre_processing_function"):
        _ = ModelItem(item).processing


def foreign() -> Json:
    """An item with the keys, roles and fields of the existing fAIr catalogue."""
    made = template(
        **{
            "fair:category": "buildings",
            "fair:split_spec": {
                "strategy": "spatial",
                "default_ratio": 0.2,
                "seed": 42,
                "description": "Spatial",
            },
            "updated": "2024-01-01T00:00:00Z",
            "version": "1",
            "deprecated": False,
        }
    )
    properties = made["properties"]
    for name in ("gsd", "fair:resampling", "fair:sample_size_px"):
        del properties[name]
    properties["mlm:input"][0]["input"]["shape"] = [-1, 3, 256, 256]
    properties["mlm:input"][0]["bands"] = [{"name": name} for name in ("red", "green", "blue")]
    properties["mlm:output"][0]["bands"] = []
    properties["fair:metrics_spec"] = [{"key": "fair:mean_iou", "name": "Mean IoU", "description": "Mean."}]
    properties["fair:hyperparameters_spec"] = [
        {"key": "epochs", "type": "int", "default": 5, "min": 1, "max": 500, "description": "Epochs"}
    ]
    properties["mlm:hyperparameters"] = {"epochs": 5}
    bands = [{"name": name} for name in ("red", "green", "blue")]
    image = "ghcr.io/org/models/roofs:latest"
    made["stac_extensions"] = [
        "https://stac-extensions.github.io/mlm/v1.5.1/schema.json",
        "https://stac-extensions.github.io/version/v1.2.0/schema.json",
        "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
        "https://stac-extensions.github.io/file/v2.1.0/schema.json",
        "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        "https://example.org/fair/schemas/v1.0.0/base-model/schema.json",
    ]
    made["assets"] = {
        "checkpoint": {
            "href": "https://example.org/w.pth",
            "roles": ["mlm:model", "mlm:weights"],
            "mlm:artifact_type": "torch.save",
            "raster:bands": bands,
        },
        "model": {
            "href": "https://example.org/m.onnx",
            "roles": ["mlm:model", "mlm:compiled"],
            "mlm:artifact_type": "onnx",
            "raster:bands": bands,
        },
        "source-code": {
            "href": "https://example.org/tree/main/models/roofs",
            "type": "text/html",
            "roles": ["code"],
            "mlm:entrypoint": "models.roofs.pipeline:training_pipeline",
        },
        "mlm:training": {"href": image, "roles": ["mlm:training-runtime"]},
        "mlm:inference": {"href": image, "roles": ["mlm:inference-runtime"]},
        "readme": {"href": "https://example.org/README.md", "type": "text/markdown", "roles": ["metadata"]},
    }
    return made


def test_an_item_of_the_existing_catalogue_is_completed_and_each_assumption_told() -> None:
    made, assumed = base_models.complete(foreign())
    assert len(assumed) == 4
    assert "properties.gsd: not given, taken as 0.3" in assumed
    item = raw(base_models.build(made, 1, {}, NOW))
    assert validation.own_problems(item) == []
    assert item["assets"]["training-runtime"]["href"] == "ghcr.io/org/models/roofs:latest"
    assert item["properties"]["fair:category"] == "buildings"
    warnings = " ".join(validation.weaknesses(item))
    assert "may change" in warnings
    assert "w.pth has no file:checksum" in warnings
    assert "counts as training.epochs" in warnings


@pytest.mark.shared
def test_an_item_of_the_existing_catalogue_fulfils_the_official_schemas(
    shared_schemas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_SCHEMA_CACHE", str(shared_schemas))
    monkeypatch.setenv("FAIR_OFFICIAL_SCHEMAS", "required")
    made, _ = base_models.complete(foreign())
    files = {"checkpoint": stored("w.pth"), "model": stored("m.onnx"), "source-code": stored("code.zip")}
    item = raw(base_models.build(made, 1, files, NOW))
    allowed = ["https://example.org/fair/schemas/v1.0.0/base-model/schema.json"]
    assert validation.validate(item, allow_unchecked=allowed).unchecked == allowed
