import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fair_models.data.samples import IGNORE
from fair_models.ml_tasks.segmentation import metrics

CLASSES = ["background", "building"]


def masks(*rows: str) -> np.ndarray:
    """One sample; # is a building, ? counts nowhere."""
    values = {"#": 1, ".": 0, "?": IGNORE}
    return np.array([[[values[each] for each in row] for row in rows]], dtype=np.uint8)


def blocks(*boxes: tuple[int, int, int, int], size: int = 32) -> np.ndarray:
    """One sample with a building for each box (top, left, bottom, right)."""
    mask = np.zeros((1, size, size), dtype=np.uint8)
    for top, left, bottom, right in boxes:
        mask[0, top:bottom, left:right] = 1
    return mask


def measured(predicted: np.ndarray, truth: np.ndarray, key: str) -> float | None:
    return metrics.measure(predicted, truth, CLASSES).metrics[f"fair:{key}"]


def test_iou_is_the_shared_part_of_the_union():
    iou = metrics.per_class_iou(masks("##.."), masks(".##."), CLASSES)

    assert iou == {"background": pytest.approx(1 / 3), "building": pytest.approx(1 / 3)}


def test_an_absent_class_has_no_iou():
    iou = metrics.per_class_iou(masks("...."), masks("...."), CLASSES)

    assert iou == {"background": 1.0, "building": None}


def test_a_class_that_only_one_side_has_scores_zero():
    assert metrics.per_class_iou(masks("#..."), masks("...."), CLASSES)["building"] == 0


def test_pixels_to_be_ignored_count_nowhere():
    predicted, truth = masks("####"), masks("##??")

    for key in ("building_iou", "precision", "recall"):
        assert measured(predicted, truth, key) == 1


@given(
    arrays(np.uint8, (2, 6, 6), elements=st.integers(0, 2)),
    arrays(np.uint8, (2, 6, 6), elements=st.integers(0, 2)),
)
def test_iou_is_symmetric_and_within_bounds(one, other):
    names = ["background", "building", "road"]
    forth, back = metrics.per_class_iou(one, other, names), metrics.per_class_iou(other, one, names)

    assert forth == back
    assert all(value is None or 0 <= value <= 1 for value in forth.values())


def test_precision_and_recall_count_the_right_way_round():
    predicted, truth = masks("##.."), masks("#...")

    assert measured(predicted, truth, "precision") == 0.5
    assert measured(predicted, truth, "recall") == 1


def test_precision_needs_a_prediction_and_recall_a_truth():
    assert measured(masks("...."), masks("#..."), "precision") is None
    assert measured(masks("#..."), masks("...."), "recall") is None


def test_objects_match_above_one_half_of_their_union():
    truth = blocks((0, 0, 10, 10), (20, 20, 30, 30))

    assert measured(truth, truth, "object_f1") == 1
    assert measured(blocks((0, 0, 10, 6), (20, 20, 30, 30)), truth, "object_f1") == 1
    assert measured(blocks((0, 0, 10, 5), (20, 20, 30, 30)), truth, "object_f1") == 0.5
    assert measured(blocks((0, 0, 10, 10)), truth, "object_f1") == pytest.approx(2 / 3)


def test_everything_a_building_finds_no_object():
    truth = blocks((0, 0, 10, 10), (20, 20, 30, 30))
    guess, name = metrics.simplest_guess(truth, CLASSES)

    assert name == "everything is building"
    assert measured(guess, truth, "object_f1") == 0
    assert metrics.per_class_iou(guess, truth, CLASSES)["building"] == pytest.approx(200 / 1024)


def test_slivers_are_no_objects():
    truth = blocks((0, 0, 10, 10))

    assert measured(blocks((0, 0, 10, 10), (20, 20, 21, 25)), truth, "object_f1") == 1
    assert measured(blocks((20, 20, 21, 25)), blocks(), "object_f1") is None


def test_objects_of_two_samples_are_not_joined():
    both = np.concatenate([blocks((0, 0, 10, 10)), blocks((0, 0, 10, 10))])
    first = np.concatenate([blocks((0, 0, 10, 10)), blocks()])

    assert measured(first, both, "object_f1") == pytest.approx(2 / 3)


def test_the_simplest_guess_is_the_most_frequent_class_after_the_background():
    truth = np.array([[[0, 0, 0, 0, 2, 2, 1]]], dtype=np.uint8)

    guess, name = metrics.simplest_guess(truth, ["background", "building", "road"])

    assert name == "everything is road"
    assert np.array_equal(guess, np.full_like(truth, 2))


def test_each_class_after_the_background_has_a_key_of_its_own():
    truth = np.array([[[0, 1, 2]]], dtype=np.uint8)

    found = metrics.measure(truth, truth, ["background", "building", "road"]).metrics

    assert found["fair:building_iou"] == found["fair:road_iou"] == found["fair:mean_iou"] == 1
    assert "fair:background_iou" not in found


def test_the_mean_leaves_out_classes_that_do_not_occur():
    truth = masks("##..")

    assert metrics.measure(truth, truth, ["background", "building", "road"]).metrics["fair:mean_iou"] == 1
