import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from fair_models.ml_tasks import calibration

RANDOM = np.random.default_rng(0)
LIKELY = RANDOM.dirichlet([1, 1, 1], size=500).astype(np.float32)
TRUTH = np.array([RANDOM.choice(3, p=each / each.sum()) for each in np.sqrt(LIKELY)])
CONFIDENCE, CORRECT = LIKELY.max(axis=1), LIKELY.argmax(axis=1) == TRUTH


def test_the_calibration_error_is_that_of_torchmetrics():
    expected = multiclass_calibration_error(
        torch.tensor(LIKELY), torch.tensor(TRUTH), num_classes=3, n_bins=calibration.BINS, norm="l1"
    )

    error = calibration.expected_error(calibration.bins_of(CONFIDENCE, CORRECT))

    assert error == pytest.approx(float(expected), abs=1e-5)
    assert error > 0.05


def test_what_chips_add_sums_to_what_all_have():
    parts = [calibration.bins_of(CONFIDENCE[at::7], CORRECT[at::7]) for at in range(7)]

    assert np.sum(parts, axis=0) == pytest.approx(calibration.bins_of(CONFIDENCE, CORRECT))


def test_scores_that_mean_what_they_say_have_no_error_and_no_scores_none():
    assert calibration.expected_error(calibration.bins_of(np.ones(9), np.ones(9, bool))) == 0
    assert calibration.expected_error(calibration.bins_of(np.ones(9), np.zeros(9, bool))) == 1
    assert calibration.expected_error(np.zeros(3 * calibration.BINS)) is None


def test_counts_above_a_threshold_are_those_that_a_prediction_keeps():
    confidence = np.concatenate([CONFIDENCE, calibration.THRESHOLDS.astype(np.float32)])
    correct = np.concatenate([CORRECT, np.ones(len(calibration.THRESHOLDS), bool)])

    found, right = calibration.above_thresholds(confidence, correct)

    for at, threshold in enumerate(calibration.THRESHOLDS):
        kept = confidence >= np.float32(threshold)
        assert (found[at], right[at]) == (kept.sum(), (kept & correct).sum())


def test_the_best_threshold_keeps_what_is_right_and_leaves_out_what_is_not():
    confidence = np.array([0.9, 0.8, 0.72, 0.6, 0.55])
    correct = np.array([True, True, True, False, False])

    threshold = calibration.best_threshold(calibration.above_thresholds(confidence, correct), wanted=3)

    assert 0.6 < threshold <= 0.72
    assert threshold == 0.61  # of those that are as good, the nearest to one half


def test_where_all_thresholds_are_as_good_it_stays_at_one_half():
    above = calibration.above_thresholds(np.array([0.99, 0.01]), np.array([True, False]))

    assert calibration.best_threshold(above, wanted=1) == 0.5


def test_no_threshold_is_better_where_nothing_right_is_found():
    above = calibration.above_thresholds(np.array([0.9, 0.6]), np.array([False, False]))

    assert calibration.best_threshold(above, wanted=4) is None
    assert calibration.best_threshold(above, wanted=0) is None
