"""Each metric is compared with the simple guess that is best at it, whatever the ML task."""

import numpy as np
import pytest

from fair_models.catalog.items import guesses
from fair_models.data.samples import IGNORE, Samples
from fair_models.ml_tasks.classification import evaluation as chips
from fair_models.ml_tasks.detection import evaluation as boxes
from fair_models.ml_tasks.detection.metrics import Boxes
from fair_models.ml_tasks.detection.targets import filled_up
from fair_models.ml_tasks.evaluation import CALIBRATION_ERROR, Measurement, best_guess
from fair_models.ml_tasks.ranking import evaluation as search
from fair_models.ml_tasks.ranking.gallery import Gallery
from fair_models.ml_tasks.segmentation import evaluation as masks
from fair_models.ml_tasks.segmentation import metrics

CLASSES = ["background", "building", "road"]


def mapped() -> Samples:
    """Three chips with few buildings, more road, and most of it neither; a part is no imagery."""
    targets = np.zeros((3, 32, 32), np.uint8)
    targets[:, 4:12, 4:12] = 1
    targets[:, 20:32, :] = 2
    targets[:, :, 28:] = IGNORE
    targets[2, 4:12, 4:12] = 0
    images = np.zeros((3, 3, 32, 32), np.uint8)
    return Samples(images, targets, list("abc"), CLASSES)


def everywhere(index: int) -> list[np.ndarray]:
    one = np.zeros((len(CLASSES), 32, 32), np.float32)
    one[index] = 1
    return [one] * 3


def better(evaluation, lower=()) -> set[str]:
    """Metrics that are better than their guess."""
    return {
        key
        for key, value in evaluation.metrics.items()
        if guesses.is_better(
            {"key": key, "higher_is_better": key not in lower}, value, evaluation.baseline[key]
        )
    }


def test_the_guess_of_a_class_s_iou_is_that_everything_is_of_that_class():
    evaluation = masks.evaluate(mapped(), everywhere(0), None)

    pixels = 3 * 32 * 28
    assert evaluation.baseline["fair:building_iou"] == pytest.approx(2 * 64 / pixels)
    assert evaluation.baseline["fair:road_iou"] == pytest.approx(3 * 12 * 28 / pixels)
    assert evaluation.baseline_names["fair:building_iou"] == "everything is building"
    assert evaluation.baseline_names["fair:road_iou"] == "everything is road"
    assert evaluation.baseline_names["fair:mean_iou"] == "everything is background"
    assert evaluation.baseline_name == "everything is building"
    assert CALIBRATION_ERROR not in evaluation.baseline_names
    rows = {row["class"]: row["iou_baseline"] for row in evaluation.classes}
    assert rows["building"] == evaluation.baseline["fair:building_iou"]
    assert rows["road"] == evaluation.baseline["fair:road_iou"]


@pytest.mark.parametrize("index", range(3))
def test_a_mask_that_collapsed_to_one_class_is_better_than_guessing_at_nothing(index):
    assert better(masks.evaluate(mapped(), everywhere(index), None)) == set()


@pytest.mark.parametrize("index", range(3))
def test_what_a_guess_reaches_is_what_measuring_it_gives(index):
    samples = mapped()
    counts = metrics.statistics(np.zeros_like(samples.targets), samples.targets, 3).sum(axis=0)

    found = metrics.guesses(counts, samples.targets, CLASSES)[f"everything is {CLASSES[index]}"]

    assert found == metrics.measure(np.full_like(samples.targets, index), samples.targets, CLASSES)


def test_a_class_that_does_not_occur_is_not_guessed():
    samples = mapped()
    samples.targets[samples.targets == 1] = 0

    evaluation = masks.evaluate(samples, everywhere(0), None)

    assert evaluation.baseline["fair:building_iou"] is None
    assert "fair:building_iou" not in evaluation.baseline_names


def test_chips_of_one_class_are_better_than_guessing_at_nothing():
    truth = np.array([0, 0, 0, 1, 2, 2], np.uint8)
    samples = Samples(np.zeros((6, 3, 8, 8), np.uint8), truth, list("abcdef"), CLASSES)
    likely = np.tile(np.array([0, 1, 0], np.float32), (6, 1))

    evaluation = chips.evaluate(samples, likely, None)

    assert better(evaluation) == set()
    assert evaluation.baseline["fair:accuracy"] == 0.5
    assert evaluation.baseline["fair:road_f1"] == pytest.approx(0.5)
    assert evaluation.baseline_names["fair:road_f1"] == "every chip is road"
    assert evaluation.baseline_name == "every chip is background"


def test_boxes_of_every_class_are_guessed_in_its_own_size():
    truth = np.array([[0, 0, 32, 32, 1], [0, 32, 32, 64, 1], [0, 0, 64, 16, 2]], np.float32)
    samples = Samples(
        np.zeros((2, 3, 64, 64), np.uint8), np.stack([filled_up(truth)] * 2), ["a", "b"], CLASSES
    )
    nothing = [Boxes(np.empty((0, 4)), np.empty(0, int), np.empty(0))] * 2

    evaluation = boxes.evaluate(samples, nothing, 0.3)

    assert evaluation.baseline["fair:building_precision"] == pytest.approx(2 / 4)
    assert evaluation.baseline["fair:road_precision"] == pytest.approx(1 / 4)
    assert better(evaluation) == set()


def test_a_search_is_compared_with_the_most_frequent_captions_and_fewer_ranks_are_better():
    names = [b"huts", *[f"place {number}".encode() for number in range(29)]]
    owners = np.arange(40)
    captions = np.array([names[0]] * 11 + names[1:])
    images = np.random.default_rng(0).integers(0, 255, (40, 3, 8, 8), dtype=np.uint8)
    samples = Samples(images, captions[:, None], [f"chip-{at}" for at in owners], ["background", "caption"])
    blind = Gallery(np.zeros((40, 4)), np.zeros((40, 4)), owners, captions)

    evaluation = search.evaluate(blind, samples)

    key = "fair:image_to_text_recall_at_1"
    assert evaluation.metrics[key] == pytest.approx(1 / 30, abs=0.01)
    assert evaluation.baseline[key] == pytest.approx(11 / 40)
    assert evaluation.baseline_names[key] == search.FREQUENT
    assert evaluation.baseline_name == search.GUESS
    rank = "fair:image_to_text_median_rank"
    assert evaluation.baseline[rank] <= evaluation.metrics[rank]
    assert better(evaluation, search.LOWER_IS_BETTER) == set()
    assert evaluation.baseline[search.CEILING] is None


def test_of_equally_good_guesses_the_first_one_counts_and_unmeasured_ones_do_not():
    one = Measurement({"a": 0.5, "b": None, "rank": 3.0}, {"hut": {"iou": 0.1}})
    other = Measurement({"a": 0.5, "b": None, "rank": 2.0}, {"hut": {"iou": 0.4}})

    guess = best_guess({"one": one, "other": other}, ["rank"])

    assert guess.measurement.metrics == {"a": 0.5, "b": None, "rank": 2.0}
    assert guess.names == {"a": "one", "rank": "other"}
    assert guess.measurement.classes == {"hut": {"iou": 0.4}}
