import numpy as np
import pytest

from fair_models.ml_tasks import evaluation, intervals
from fair_models.ml_tasks.evaluation import Measurement


def share(sums):
    return {"share": sums[0] / sums[1] if sums[1] else None}


def hits(count: int, right: int) -> np.ndarray:
    """What each of `count` samples adds: whether it is right, and itself."""
    return np.stack([np.arange(count) < right, np.ones(count)], axis=1).astype(float)


def test_an_interval_is_as_wide_as_the_binomial_distribution_says():
    low, high = intervals.bootstrap(hits(400, 300), share)["share"]

    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert low == pytest.approx(0.75 - half, abs=0.006)
    assert high == pytest.approx(0.75 + half, abs=0.006)


def test_sums_and_samples_give_like_intervals():
    statistics = hits(200, 50)

    sums = intervals.bootstrap(statistics, share)["share"]
    samples = intervals.resample(200, lambda chosen: share(statistics[chosen].sum(axis=0)))["share"]

    assert samples == pytest.approx(sums, abs=0.02)


def test_samples_that_are_all_alike_leave_no_room():
    assert intervals.bootstrap(hits(20, 20), share)["share"] == (1, 1)


def test_equal_seeds_give_equal_intervals():
    statistics = np.random.default_rng(0).uniform(0.5, 1, size=(30, 2))

    assert intervals.bootstrap(statistics, share, seed=1) == intervals.bootstrap(statistics, share, seed=1)
    assert intervals.bootstrap(statistics, share, seed=1) != intervals.bootstrap(statistics, share, seed=2)


def test_there_is_no_interval_of_one_sample_or_of_what_was_never_measured():
    assert intervals.bootstrap(hits(1, 1), share) == {"share": None}
    assert intervals.bootstrap(np.zeros((9, 2)), share) == {"share": None}
    assert intervals.bootstrap(np.zeros((0, 2)), share) == intervals.resample(0, share) == {}


def test_rows_of_classes_have_each_measure_with_its_ends_and_the_guess_beside_it():
    def summarise(sums):
        return Measurement({"fair:share": share(sums)["share"]}, {"hut": {"recall": share(sums)["share"]}})

    statistics = hits(50, 25)
    measured, ends = summarise(statistics.sum(axis=0)), evaluation.with_sums(statistics, summarise)
    (row,) = evaluation.class_rows(measured, Measurement({}, {"hut": {"recall": 1.0}}), ends)

    low, high = ends.metrics["fair:share"]
    assert row == {
        "class": "hut",
        "recall": 0.5,
        "recall_low": low,
        "recall_high": high,
        "recall_baseline": 1.0,
    }
    assert low < 0.5 < high
