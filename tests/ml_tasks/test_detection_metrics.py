import numpy as np
import pytest

from fair_models.data.samples import Samples
from fair_models.ml_tasks.average_precision import average_precision
from fair_models.ml_tasks.detection import metrics
from fair_models.ml_tasks.detection.evaluation import best_threshold, evaluate
from fair_models.ml_tasks.detection.metrics import (
    Boxes,
    matches,
    simplest_guess,
    summarise,
)
from fair_models.ml_tasks.detection.targets import filled_up


def boxes(*rows, scores=None, classes=None) -> Boxes:
    count = len(rows)
    return Boxes(
        np.array(rows, np.float64).reshape(-1, 4),
        np.array(classes or [1] * count, np.int64),
        np.array(scores or [1.0] * count),
    )


def noisy(seed: int, chips: int = 6) -> tuple[list[Boxes], list[Boxes]]:
    """Truth, and what a poor model finds of it: moved, missed, made up."""
    random = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(chips):
        corners = random.uniform(0, 200, (12, 2))
        wanted = np.hstack([corners, corners + random.uniform(8, 50, (12, 2))])
        kinds = random.integers(1, 3, 12)
        guess = np.vstack([wanted[:9] + random.normal(0, 3, (9, 4)), wanted[3:6] + 60])
        guess[:, 2:] = np.maximum(guess[:, 2:], guess[:, :2] + 2)
        truth.append(Boxes(wanted, kinds, np.ones(12)))
        found.append(Boxes(guess, kinds, random.random(12).round(2)))
    return truth, found


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_that_of_pycocotools(seed):
    truth, found = noisy(seed)
    evaluated = metrics.coco_evaluation(truth, found, 2)
    evaluated.accumulate()
    theirs = evaluated.eval["precision"][:, :, :, 0, 0].mean(axis=1)  # thresholds, classes

    for index, matched in enumerate(matches(truth, found, 2)):
        ours = average_precision(matched.right, np.ones(len(matched.scores)), matched.wanted.sum())
        assert ours == pytest.approx(theirs[:, index])
        assert 0.05 < ours[0] < 0.95


def test_weights_count_chips_as_often_as_they_say():
    truth, found = noisy(9)
    weights = np.array([0, 2, 1, 1, 3, 0])
    again = np.repeat(np.arange(6), weights)

    weighted = summarise(matches(truth, found, 2), ["a", "b"], 0.4, weights.astype(float))
    repeated = summarise(
        matches([truth[at] for at in again], [found[at] for at in again], 2), ["a", "b"], 0.4
    )

    # Of equal boxes the first ones make a point of the curve of their own where they are counted one by one.
    assert weighted.metrics == pytest.approx(repeated.metrics, abs=0.003)
    assert weighted.metrics != pytest.approx(
        summarise(matches(truth, found, 2), ["a", "b"], 0.4).metrics, abs=0.01
    )


def test_precision_and_recall_are_those_of_the_boxes_that_are_kept():
    truth = [boxes([0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10])]
    found = [
        boxes([0, 0, 10, 10], [0, 1, 10, 10], [21, 0, 30, 10], [60, 60, 70, 70], scores=[0.9, 0.8, 0.4, 0.7])
    ]

    measured = summarise(matches(truth, found, 1), ["building"], 0.5).metrics

    assert measured["fair:building_precision"] == pytest.approx(1 / 3)  # a building is found once
    assert measured["fair:building_recall"] == pytest.approx(1 / 3)
    assert summarise(matches(truth, found, 1), ["building"], 0.3).metrics[
        "fair:building_recall"
    ] == pytest.approx(2 / 3)


def test_exact_boxes_score_one_and_looser_ones_less():
    truth = [boxes([0, 0, 10, 10]), boxes([5, 5, 25, 25])]

    exact = summarise(matches(truth, truth, 1), ["building"], 0.5).metrics
    looser = [boxes([0, 0, 10, 12]), boxes([5, 5, 25, 29])]
    loose = summarise(matches(truth, looser, 1), ["building"], 0.5).metrics

    assert exact["fair:map_50"] == exact["fair:map_50_95"] == exact["fair:building_f1"] == pytest.approx(1)
    assert loose["fair:map_50"] == pytest.approx(1)
    assert loose["fair:map_50_95"] == pytest.approx(0.7)  # IoU 0.83: right at 0.5 to 0.8


def test_where_there_is_nothing_nothing_is_measured():
    nothing = [boxes(), boxes()]

    measured = summarise(matches(nothing, nothing, 2), ["a", "b"], 0.5)
    invented = summarise(matches(nothing, [boxes([0, 0, 9, 9]), boxes()], 2), ["a", "b"], 0.5)
    missed = summarise(matches([boxes([0, 0, 9, 9]), boxes()], nothing, 2), ["a", "b"], 0.5)

    assert set(measured.metrics.values()) == {None}
    assert invented.metrics["fair:a_precision"] == 0
    assert invented.metrics["fair:a_recall"] is None
    assert invented.metrics["fair:map_50"] is None
    assert missed.metrics["fair:a_recall"] == missed.metrics["fair:map_50"] == 0
    assert missed.metrics["fair:a_precision"] is None
    assert missed.classes["b"]["ap_50"] is None


def test_the_simplest_guess_is_boxes_of_the_usual_size():
    truth = [boxes([0, 0, 60, 30], [0, 0, 64, 32]), boxes([0, 0, 70, 40], classes=[2])]

    guess, name = simplest_guess(truth, 256)

    assert name == "boxes of the usual size side by side"
    assert guess[0] is guess[1]
    first, second = guess[0].select(guess[0].classes == 1), guess[0].select(guess[0].classes == 2)
    assert len(guess[0]) == len(first) + len(second) == 4 * 8 + 4 * 6
    assert first.geometries[-1].tolist() == [192, 224, 256, 256]
    assert second.geometries[0].tolist() == pytest.approx([0, 0, 64, 256 / 6])
    assert len(simplest_guess([boxes()], 256)[0][0]) == 0


def test_an_evaluation_says_all_of_it_with_intervals():
    truth, found = noisy(3)
    images = np.zeros((6, 3, 256, 256), np.uint8)
    targets = np.stack([filled_up(np.column_stack([each.geometries, each.classes])) for each in truth])
    samples = Samples(images, targets, [f"chip-{at}" for at in range(6)], ["background", "a", "b"])

    evaluation = evaluate(samples, found, 0.3)

    assert set(evaluation.metrics) == set(evaluation.baseline) == set(evaluation.intervals)
    low, high = evaluation.intervals["fair:map_50"]
    assert low < evaluation.metrics["fair:map_50"] < high
    assert [row["class"] for row in evaluation.classes] == ["a", "b"]
    assert set(evaluation.samples) == set(samples.names)
    assert len(evaluation.pictures) == 3
    assert all(picture.shape == (256, 3 * 256 + 8, 3) for picture in evaluation.pictures.values())
    recall, precision = evaluation.curves["precision_recall:a"][0]
    assert 0 < recall <= 1
    assert 0 < precision <= 1
    assert 0.05 <= best_threshold(samples, found) <= 0.95
