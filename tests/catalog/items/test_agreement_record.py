"""What an item says of how well quicker ways to run its network agree with the exact one."""

from __future__ import annotations

import pytest

from fair_models.catalog import validation
from fair_models.catalog.items import agreement
from fair_models.catalog.items.agreement import Agreement, Figure, from_json
from tests.catalog.item_factory import changed, local_item, raw

OLD = {
    "held_out_count": 12,
    "calibration_count": 32,
    "float_layers": ["first"],
    "figures": [
        {"engine": "onnxruntime", "version": "1.31.1", "precision": "int8", "mask_iou": 0.9961},
        {"engine": "openvino", "version": "2026.4.1", "precision": "bfloat16", "mask_iou": None},
    ],
}


def test_what_was_said_before_objects_were_compared_is_read_and_written_as_it_was() -> None:
    assert from_json(OLD).to_json() == OLD
    assert from_json(OLD).int8_is_enough


def test_figures_of_objects_are_read_as_they_were_written() -> None:
    measured = Agreement((Figure("openvino", "1.0", "int8", 0.9961, 0.9917),), 12, 32)
    assert from_json(measured.to_json()) == measured
    assert measured.int8_instance_f1 == 0.9917


@pytest.mark.parametrize(
    ("mask_iou", "instance_f1", "shortfall"),
    [
        (0.995, 0.98, None),
        (0.995, None, None),
        (None, None, "there was nothing but background to compare it on"),
        (0.9949, 1.0, "its mask IoU of 0.9949 is below 0.995"),
        (0.9999, 0.9799, "its instance F1 of 0.9799 is below 0.98"),
        (0.9999, float("nan"), "its instance F1 of nan is below 0.98"),
    ],
)
def test_a_quicker_way_needs_masks_and_objects_that_agree(
    mask_iou: float | None, instance_f1: float | None, shortfall: str | None
) -> None:
    figure = Figure("openvino", "1.0", "int8", mask_iou, instance_f1)
    assert figure.shortfall == shortfall
    assert figure.is_enough == Agreement((figure,)).int8_is_enough == (shortfall is None)


def test_people_read_both_figures_where_objects_were_compared() -> None:
    figures = (
        Figure("openvino", "1.0", "int8", 0.9961, 0.9917),
        Figure("openvino", "1.0", "bfloat16", 0.9971, 0.97),
    )
    assert Agreement(figures, 12).sentence == (
        "mask IoU and instance F1 on 12 held-out chips: OpenVINO int8 0.9961 and 0.9917, "
        "OpenVINO bfloat16 0.9971 and 0.97 (too low)"
    )


def test_an_item_with_a_network_in_8_bits_whose_objects_differ_is_refused() -> None:
    item = raw(local_item())
    figures = (Figure("onnxruntime", "1.0", "int8", 0.9961, 0.9917),)
    item["properties"]["fair:agreement"] = Agreement(figures, 12, 32).to_json()
    item["assets"]["model-int8"] = {
        **item["assets"]["model"],
        "roles": ["fair:quantized-model"],
        agreement.MASK_IOU: 0.9961,
    }
    assert validation.own_problems(item) == []

    worse = changed(item, ["properties", "fair:agreement", "figures", 0, "instance_f1"], 0.9)

    (reason,) = validation.own_problems(worse)
    assert "fair:agreement has 0.9 as its lowest instance_f1 for int8, a network in 8 bits needs" in reason
