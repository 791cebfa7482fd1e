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

    measured = metrics.measure(predicted, truth, CLASSES)

    assert measured["fair:building_iou"] == 1
    assert measured["fair:precision"] == 1
    assert measured["fair:recall"] == 1


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

    assert metrics.foreground_precision(predicted, truth, 2) == 0.5
    assert metrics.foreground_recall(predicted, truth, 2) == 1


def test_precision_needs_a_prediction_and_recall_a_truth():
    assert metrics.foreground_precision(masks("...."), masks("#..."), 2) is None
    assert metrics.foreground_recall(masks("#..."), masks("...."), 2) is None


def test_objects_match_above_one_half_of_their_union():
    truth = blocks((0, 0, 10, 10), (20, 20, 30, 30))

    assert metrics.object_f1(truth, truth, 2) == 1
    assert metrics.object_f1(blocks((0, 0, 10, 6), (20, 20, 30, 30)), truth, 2) == 1
    assert metrics.object_f1(blocks((0, 0, 10, 5), (20, 20, 30, 30)), truth, 2) == 0.5
    assert metrics.object_f1(blocks((0, 0, 10, 10)), truth, 2) == pytest.approx(2 / 3)


def test_everything_a_building_finds_no_object():
    truth = blocks((0, 0, 10, 10), (20, 20, 30, 30))
    guess, name = metrics.simplest_guess(truth, CLASSES)

    assert name == "everything is building"
    assert metrics.object_f1(guess, truth, 2) == 0
    assert metrics.per_class_iou(guess, truth, CLASSES)["building"] == pytest.approx(200 / 1024)


def test_slivers_are_no_objects():
    truth = blocks((0, 0, 10, 10))

    assert metrics.object_f1(blocks((0, 0, 10, 10), (20, 20, 21, 25)), truth, 2) == 1
    assert metrics.object_f1(blocks((20, 20, 21, 25)), blocks(), 2) is None


def test_objects_of_two_samples_are_not_joined():
    both = np.concatenate([blocks((0, 0, 10, 10)), blocks((0, 0, 10, 10))])
    first = np.concatenate([blocks((0, 0, 10, 10)), blocks()])

    assert metrics.object_f1(first, both, 2) == pytest.approx(2 / 3)


def test_the_simplest_guess_is_the_most_frequent_class_after_the_background():
    truth = np.array([[[0, 0, 0, 0, 2, 2, 1]]], dtype=np.uint8)

    guess, name = metrics.simplest_guess(truth, ["background", "building", "road"])

    assert name == "everything is road"
    assert np.array_equal(guess, np.full_like(truth, 2))


def test_each_class_after_the_background_has_a_key_of_its_own():
    truth = np.array([[[0, 1, 2]]], dtype=np.uint8)

    measured = metrics.measure(truth, truth, ["background", "building", "road"])

    assert measured["fair:building_iou"] == measured["fair:road_iou"] == measured["fair:mean_iou"] == 1
    assert "fair:background_iou" not in measured


def test_the_mean_leaves_out_classes_that_do_not_occur():
    truth = masks("##..")

    assert metrics.measure(truth, truth, ["background", "building", "road"])["fair:mean_iou"] == 1
