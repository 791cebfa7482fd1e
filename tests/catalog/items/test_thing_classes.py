"""Models that tell objects apart: what their items say, and what other classes make of it."""

from __future__ import annotations

from typing import Any

import pytest
from pystac import Item

from fair_models.catalog import compatibility, validation
from fair_models.catalog.items import model_classes
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.items.model import ModelItem
from tests.catalog.item_factory import base_item, changed, dataset_item, local_item, raw

P = "properties"
TASKS = ["instance-segmentation", "semantic-segmentation"]


def instance_item(*classes: str, **properties: Any) -> Item:
    """A base model of objects of the classes, with one channel more for their interiors."""
    names = ["background", *(classes or ("building",))]
    item = base_item(
        **{"mlm:tasks": TASKS, "keywords": ["building", "instance-segmentation", "polygon"], **properties}
    )
    output = item.properties["mlm:output"][0]
    output["tasks"] = list(TASKS)
    output["result"] = {
        "shape": [-1, len(names) + 1, -1, -1],
        "dim_order": ["batch", "channel", "height", "width"],
        "data_type": "float32",
    }
    output["classification:classes"] = [
        {"value": value, "name": name, "description": f"All of {name}"} for value, name in enumerate(names)
    ]
    return item


def test_an_item_of_instances_with_a_channel_for_interiors_keeps_the_profile() -> None:
    assert validation.own_problems(raw(instance_item())) == []
    assert (
        validation.own_problems(
            raw(instance_item("building", "road", **{"fair:thing_classes": ["building"]}))
        )
        == []
    )


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            [P, "mlm:output", 0, "result", "shape"],
            [-1, 2, -1, -1],
            "has 2 in channel, should be 3, the number of classes (2) and at least one more for the",
        ),
        (
            [P, "mlm:output", 0, "tasks"],
            ["semantic-segmentation"],
            "mlm:output[0].tasks: lacks instance-segmentation, which mlm:tasks names first",
        ),
        ([P, "fair:thing_classes"], [], "fair:thing_classes: has 0 entries, should have at least 1"),
        ([P, "fair:thing_classes"], ["building", "building"], "the same entry twice"),
        ([P, "fair:thing_classes"], ["roof"], "names roof, the classes besides the background are building"),
        ([P, "fair:thing_classes"], ["background"], "names background, the classes besides"),
    ],
)
def test_an_item_of_instances_that_contradicts_itself_is_refused_in_words(
    path: list[str | int], value: Any, said: str
) -> None:
    found = validation.own_problems(changed(raw(instance_item()), path, value))
    assert said in "; ".join(found)


def test_all_classes_but_the_background_have_objects_where_the_item_names_none() -> None:
    assert ModelItem(instance_item("building", "tank")).thing_classes == ["building", "tank"]
    assert ModelItem(base_item()).thing_classes == ["building"]


def test_the_thing_classes_of_an_item_are_in_the_order_of_its_classes() -> None:
    item = instance_item("building", "road", "tank", **{"fair:thing_classes": ["tank", "building"]})
    assert ModelItem(item).thing_classes == ["building", "tank"]


def test_a_fine_tuned_model_tells_the_same_objects_apart() -> None:
    base = instance_item("building", "road", **{"fair:thing_classes": ["building"]})
    local = local_item(base=base)
    assert ModelItem(local).thing_classes == ["building"]
    assert validation.own_problems(raw(local)) == []


def test_a_model_that_names_no_thing_classes_hands_none_on() -> None:
    assert "fair:thing_classes" not in local_item(base=instance_item()).properties


def test_of_other_classes_those_that_are_new_have_objects_and_known_ones_stay_what_they_were() -> None:
    base = instance_item("building", "road", **{"fair:thing_classes": ["building"]})

    followed = model_classes.following(base, ["background", "road", "tank"])

    assert followed.properties["fair:thing_classes"] == ["tank"]
    assert followed.properties["mlm:output"][0]["result"]["shape"] == [-1, 4, -1, -1]
    assert base.properties["fair:thing_classes"] == ["building"]


def test_the_interiors_keep_their_channel_where_there_are_more_classes() -> None:
    followed = model_classes.following(instance_item(), ["background", "building", "tank"])
    assert followed.properties["mlm:output"][0]["result"]["shape"] == [-1, 4, -1, -1]
    assert "fair:thing_classes" not in followed.properties


def test_what_a_training_told_apart_goes_over_what_its_base_model_says() -> None:
    base = instance_item("building", "road", **{"fair:thing_classes": ["building"]})
    classes = ["background", "building", "road"]

    assert model_classes.following(base, classes, ["building"]) is base
    followed = model_classes.following(base, classes, ["building", "road"])

    assert followed.properties["fair:thing_classes"] == ["building", "road"]


def test_a_dataset_of_connected_ground_alone_cannot_train_a_model_of_objects() -> None:
    model = instance_item(
        "building", "road", **{"fair:thing_classes": ["building"], "fair:class_layers": ["head"]}
    )
    model.properties["keywords"].append("road")
    counts = {"train": {"road": 9}, "held_out": {"road": 9}}
    dataset = dataset_item(
        classes=["road"], class_counts=counts, keywords=["road", "semantic-segmentation", "polygon"]
    )

    (reason,) = compatibility.reasons(ModelItem(model), DatasetItem(dataset))

    assert "there is no object to tell apart" in reason
    assert "takes the dataset's road for connected ground" in reason


@pytest.mark.parametrize("keyword", ["semantic-segmentation", "instance-segmentation"])
@pytest.mark.parametrize("make", [base_item, instance_item])
def test_models_of_pixels_and_of_objects_learn_from_the_same_polygons(keyword: str, make: Any) -> None:
    dataset = dataset_item(keywords=["building", keyword, "polygon"])
    assert compatibility.reasons(ModelItem(make()), DatasetItem(dataset)) == []
