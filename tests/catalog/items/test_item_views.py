"""Typed views of items: what they read, and that they read it once."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from fair_models.catalog.items.dataset import SLICE, DatasetItem
from fair_models.catalog.items.model import ModelItem
from fair_models.errors import InvalidItem
from tests.catalog.item_factory import base_item, dataset_item, local_item


def test_a_local_model_names_what_it_comes_from() -> None:
    model = ModelItem(local_item(2))
    assert (model.name, model.number, model.is_local, model.is_deprecated) == ("banepa-roofs", 2, True, False)
    assert (model.base_model_id, model.dataset_id) == ("roofs-unet-v1", "banepa-buildings-v1")
    assert model.metrics["fair:building_iou"] == 0.74
    assert model.main_metric["key"] == "fair:building_iou"
    assert model.baseline_name("fair:building_iou") == "everything is a building"


def test_only_a_model_that_was_trained_further_has_a_parent() -> None:
    parent = local_item(1)
    further = local_item(2, parent=parent, parent_href="/data/catalog/banepa-roofs-v1.json")
    assert ModelItem(further).parent_id == "banepa-roofs-v1"
    assert ModelItem(parent).parent_id is None
    assert ModelItem(base_item()).parent_id is None
    assert ModelItem(base_item()).base_model_id == "roofs-unet-v1"


def test_a_model_without_a_task_is_refused_where_the_task_is_needed() -> None:
    model = ModelItem(base_item(**{"mlm:tasks": []}))
    assert model.tasks == []
    with pytest.raises(InvalidItem, match="mlm:tasks is empty"):
        _ = model.task


def test_what_a_view_has_read_stays_and_cannot_be_set() -> None:
    item = base_item()
    model = ModelItem(item)
    before = model.input
    item.properties["gsd"] = 9.0
    assert model.input is before
    assert ModelItem(item).input.gsd_m == 9.0
    with pytest.raises(FrozenInstanceError):
        model.item = local_item()  # type: ignore[misc]


def test_a_dataset_says_its_labels_bands_and_what_it_is_a_part_of() -> None:
    item = dataset_item()
    whole = DatasetItem(item)
    assert (whole.classes, whole.band_names, whole.slice_of) == (["building"], ["red", "green", "blue"], None)
    assert whole.has_polygons
    item.properties[SLICE] = {"of": "banepa-v1", "classes": ["building"]}
    del item.assets["chips"]
    part = DatasetItem(item)
    assert (part.slice_of, part.band_names) == ("banepa-v1", [])
