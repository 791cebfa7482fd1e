"""Which datasets can train which models."""

from __future__ import annotations

from typing import Any

import pytest
from pystac import Item

from fair_models.catalog import compatibility
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.items.model import ModelItem
from fair_models.errors import IncompatibleDataset
from tests.catalog.item_factory import base_item, dataset_item

DETECTION = {
    "keywords": ["building", "object-detection", "polygon"],
    "mlm:tasks": ["object-detection"],
}


def reasons(model: Item, dataset: Item, *, is_trained: bool = True) -> list[str]:
    return compatibility.reasons(ModelItem(model), DatasetItem(dataset), is_trained=is_trained)


def check(model: Item, dataset: Item) -> None:
    compatibility.check(ModelItem(model), DatasetItem(dataset))


def test_a_fitting_dataset_has_nothing_against_it() -> None:
    assert reasons(base_item(), dataset_item()) == []
    check(base_item(), dataset_item())


@pytest.mark.parametrize(
    "changes",
    [
        {"keywords": ["building", "semantic-segmentation"]},
        {"keywords": ["building", "road", "polygon", "semantic-segmentation"]},
        {"gsd_m": 0.3 / 8},
        {"gsd_m": 0.6},
        {"bands": ("Blue", "Green", "Red", "nir")},
    ],
)
def test_a_dataset_may_differ_where_it_does_not_matter(changes: dict[str, Any]) -> None:
    assert reasons(base_item(), dataset_item(**changes)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"keywords": ["road", "semantic-segmentation", "polygon"]},
            ["no feature in common", "maps building", "dataset road"],
        ),
        (
            {"keywords": ["building", "object-detection", "polygon"]},
            ["the tasks differ", "segmentation", "detection"],
        ),
        (
            {"keywords": ["building", "semantic-segmentation", "line"]},
            ["geometries differ", "polygon", "line"],
        ),
        (
            {"classes": ["hut"], "class_counts": {"train": {"hut": 1}, "held_out": {"hut": 1}}},
            ["building", "hut"],
        ),
        (
            {"classes": ["building", "hut"]},
            ["classes differ", "does not know hut", "fair-models ingest", "--class building"],
        ),
        ({"bands": ("red", "green")}, ["bands are missing", "red, green, blue", "red, green"]),
        ({"gsd_m": 0.61}, ["ground resolutions", "0.3 m per px", "0.61"]),
        ({"gsd_m": 0.03}, ["ground resolutions", "0.0375", "0.03"]),
    ],
)
def test_each_reason_is_told_with_both_values(changes: dict[str, Any], said: list[str]) -> None:
    found = reasons(base_item(), dataset_item(**changes))
    assert len(found) == 1
    assert all(word in found[0] for word in said)


def test_a_shared_task_and_geometry_word_are_not_enough() -> None:
    model = base_item(keywords=["tree", "semantic-segmentation", "polygon"])
    assert "no feature in common" in reasons(model, dataset_item())[0]


def test_the_order_of_classes_does_not_matter() -> None:
    model = base_item()
    output = model.properties["mlm:output"][0]
    output["classification:classes"] += [{"value": 2, "name": "road", "description": "Roads"}]
    dataset = dataset_item(classes=["road", "building"])
    assert reasons(model, dataset) == []


@pytest.mark.parametrize(
    ("task", "keyword", "fits"),
    [
        ("semantic-segmentation", "semantic-segmentation", True),
        ("semantic-segmentation", "instance-segmentation", True),
        ("instance-segmentation", "semantic-segmentation", True),
        ("instance-segmentation", "object-detection", False),
        ("object-detection", "object-detection", True),
        ("classification", "classification", True),
        ("object-detection", "semantic-segmentation", True),
        ("semantic-segmentation", "object-detection", False),
        ("classification", "semantic-segmentation", True),
        ("scene-classification", "semantic-segmentation", True),
        ("scene-classification", "object-detection", False),
        ("semantic-segmentation", "classification", False),
    ],
)
def test_tasks_of_models_map_to_tasks_of_labels(task: str, keyword: str, fits: bool) -> None:
    model = base_item(**{"mlm:tasks": [task], "keywords": ["building", task]})
    found = reasons(model, dataset_item(keywords=["building", keyword]))
    assert any("tasks differ" in reason for reason in found) is not fits


CLASSIFICATION = {
    "keywords": ["building", "scene-classification", "polygon"],
    "mlm:tasks": ["scene-classification"],
}


def test_a_classification_needs_chips_of_both_classes_on_both_sides() -> None:
    counts = {"train": {"background": 0, "building": 36}, "held_out": {"background": 12, "building": 0}}

    found = reasons(base_item(**CLASSIFICATION), dataset_item(chip_counts=counts))

    assert len(found) == 2
    assert "training side" in found[0]
    assert "all 36 chips are building (0 background, 36 building)" in found[0]
    assert "held-out side" in found[1]
    assert "all 12 chips are background (12 background, 0 building)" in found[1]


def test_chips_of_both_classes_suit_a_classification_and_other_tasks_do_not_ask() -> None:
    both = {"train": {"background": 6, "building": 30}, "held_out": {"background": 2, "building": 10}}
    one = {"train": {"background": 0, "building": 36}, "held_out": {"background": 0, "building": 12}}

    assert reasons(base_item(**CLASSIFICATION), dataset_item(chip_counts=both)) == []
    assert reasons(base_item(), dataset_item(chip_counts=one)) == []


def test_a_dataset_that_does_not_count_its_chips_is_left_to_the_training() -> None:
    assert reasons(base_item(**CLASSIFICATION), dataset_item()) == []


def test_labels_may_name_the_task_as_models_do() -> None:
    dataset = dataset_item()
    dataset.properties["label:tasks"] = ["semantic-segmentation"]
    assert reasons(base_item(), dataset) == []


def test_all_reasons_are_listed_at_once() -> None:
    dataset = dataset_item(
        keywords=["tree", "object-detection", "point"], classes=["palm"], bands=("grey",), gsd_m=10.0
    )
    with pytest.raises(IncompatibleDataset) as caught:
        check(base_item(), dataset)
    assert len(caught.value.reasons) == 6
    assert str(caught.value).startswith("banepa-buildings-v1 cannot train roofs-unet-v1: ")


ROOFS = {
    "classes": ["concrete", "tin"],
    "class_counts": {"train": {"concrete": 9, "tin": 9}, "held_out": {"concrete": 9, "tin": 9}},
}


def test_a_model_that_says_which_layers_follow_the_classes_takes_other_classes() -> None:
    model = base_item(**{"fair:class_layers": ["head"]})
    assert reasons(model, dataset_item(**ROOFS)) == []
    roofs, plain = DatasetItem(dataset_item(**ROOFS)), DatasetItem(dataset_item())
    assert compatibility.trained_classes(ModelItem(model), roofs) == [
        "background",
        "concrete",
        "tin",
    ]
    assert compatibility.trained_classes(ModelItem(model), plain) == [
        "background",
        "building",
    ]


@pytest.mark.parametrize(
    ("train", "held_out", "said"),
    [
        ({"background": 0, "concrete": 5, "tin": 5}, {"background": 0, "concrete": 1, "tin": 1}, []),
        (
            {"background": 0, "concrete": 30, "tin": 4},
            {"background": 0, "concrete": 11, "tin": 0},
            ["too few chips of tin", "all 11 chips are concrete"],
        ),
        (
            {"background": 4, "concrete": 30, "tin": 9},
            {"background": 2, "concrete": 11, "tin": 0},
            ["0 tin"],
        ),
    ],
)
def test_each_class_needs_chips_on_both_sides(
    train: dict[str, int], held_out: dict[str, int], said: list[str]
) -> None:
    model = base_item(**CLASSIFICATION, **{"fair:class_layers": ["head"]})
    dataset = dataset_item(**ROOFS, chip_counts={"train": train, "held_out": held_out})
    found = reasons(model, dataset)
    assert len(found) == len(said)
    assert all(words in reason for words, reason in zip(said, found, strict=True))


def test_of_two_classes_the_background_counts_too() -> None:
    few = {"train": {"background": 2, "building": 34}, "held_out": {"background": 2, "building": 10}}
    found = reasons(base_item(**CLASSIFICATION), dataset_item(chip_counts=few))
    assert len(found) == 1
    assert "too few chips of background: a classification needs at least 5 of each class" in found[0]


def test_a_dataset_that_counts_no_label_on_a_side_is_refused_before_anything_is_read() -> None:
    empty = dataset_item(class_counts={"train": {"building": 0}, "held_out": {"building": 0}})

    train, held_out = reasons(base_item(), empty)

    assert "the training side of the split has nothing of building to learn from: 0 building" in train
    assert "the held-out side of the split has nothing of building to measure on: 0 building" in held_out
    assert reasons(base_item(), empty, is_trained=False) == [held_out]


def test_a_class_without_labels_beside_others_with_some_is_no_reason() -> None:
    model, classes = base_item(), ["building", "road"]
    output = model.properties["mlm:output"][0]
    output["classification:classes"] += [{"value": 2, "name": "road", "description": "Roads"}]
    counts = {side: {"building": 3, "road": 0} for side in ("train", "held_out")}

    assert reasons(model, dataset_item(classes=classes, class_counts=counts)) == []
