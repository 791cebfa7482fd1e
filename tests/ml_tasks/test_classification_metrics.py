import numpy as np
import pytest

from fair_models.ml_tasks.classification import metrics

CLASSES = ["background", "building"]


def classes(*indices: int) -> np.ndarray:
    return np.array(indices, dtype=np.uint8)


def measure(predicted: np.ndarray, truth: np.ndarray, names=CLASSES):
    return metrics.measure(predicted, truth, names).metrics


def test_accuracy_is_the_share_that_is_right():
    assert measure(classes(0, 1, 1, 0), classes(0, 1, 0, 0))["fair:accuracy"] == 0.75


def test_precision_and_recall_count_the_right_way_round():
    found = measure(classes(1, 1, 1, 0), classes(1, 0, 0, 0))

    assert found["fair:building_precision"] == pytest.approx(1 / 3)
    assert found["fair:building_recall"] == 1
    assert found["fair:building_f1"] == pytest.approx(0.5)
    assert found["fair:background_recall"] == pytest.approx(1 / 3)


def test_what_does_not_occur_is_not_measured():
    measured = measure(classes(0, 0), classes(0, 0))

    assert measured["fair:building_precision"] is None
    assert measured["fair:building_recall"] is None
    assert measured["fair:building_f1"] is None
    assert measured["fair:mean_f1"] == measured["fair:accuracy"] == 1


def test_a_class_that_is_never_found_has_recall_zero_and_no_precision():
    measured = measure(classes(0, 0), classes(0, 1))

    assert measured["fair:building_recall"] == measured["fair:building_f1"] == 0
    assert measured["fair:building_precision"] is None


def test_no_sample_has_no_accuracy():
    assert measure(classes(), classes())["fair:accuracy"] is None


def test_each_class_has_keys_of_its_own():
    truth = classes(0, 1, 2)

    measured = measure(truth, truth, ["background", "building", "water"])

    assert len(measured) == 2 + 3 * 3
    assert set(measured.values()) == {1.0}


def test_the_simplest_guess_is_the_most_frequent_class():
    guess, name = metrics.simplest_guess(classes(0, 1, 1), CLASSES)

    assert name == "every chip is building"
    assert guess.tolist() == [1, 1, 1]
    assert metrics.simplest_guess(classes(0, 0, 1), CLASSES)[1] == "every chip is background"


def test_the_mean_of_a_guess_is_half_of_what_its_accuracy_makes_believe():
    truth = classes(*[1] * 9, 0)
    guess, _ = metrics.simplest_guess(truth, CLASSES)

    measured = measure(guess, truth)

    assert measured["fair:accuracy"] == 0.9
    assert measured["fair:mean_f1"] == pytest.approx(0.5 * 18 / 19)
