"""Segmentation and classification, held against scikit-learn, torchmetrics and what predictions do."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_fscore_support
from torch import nn
from torchmetrics.detection import PanopticQuality

from fair_models.data.samples import IGNORE, Samples
from fair_models.inference.parts import RasterPart, Window
from fair_models.inference.windowing.detections import detections
from fair_models.inference.windows import Rectangle, View
from fair_models.ml_tasks import classification, segmentation
from fair_models.ml_tasks.classification import evaluation as chips
from fair_models.ml_tasks.classification import training as chip_training
from fair_models.ml_tasks.segmentation import evaluation as masks
from fair_models.ml_tasks.segmentation import objects
from fair_models.ml_tasks.segmentation import training as mask_training

CLASSES = ["background", "building", "road"]
SIZE = 48


def blobs(random: np.random.Generator, count: int) -> np.ndarray:
    """Scores of each class, smooth, so that there are objects; shape (count, classes, SIZE, SIZE)."""
    noise = random.normal(size=(count, len(CLASSES), SIZE, SIZE))
    return 12 * np.stack([[ndimage.gaussian_filter(each, 3) for each in one] for one in noise])


def softmax(scores: np.ndarray, axis: int) -> np.ndarray:
    odds = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return (odds / odds.sum(axis=axis, keepdims=True)).astype(np.float32)


def chips_with_masks(count: int = 6) -> tuple[Samples, np.ndarray]:
    random = np.random.default_rng(3)
    scores = blobs(random, count)
    truth = (scores + 0.6 * blobs(random, count)).argmax(axis=1).astype(np.uint8)
    truth[:, :, :4] = IGNORE
    images = random.integers(0, 255, (count, 3, SIZE, SIZE), dtype=np.uint8)
    return Samples(images, truth, [f"chip-{at}" for at in range(count)], CLASSES), softmax(scores, axis=1)


@pytest.fixture(scope="module")
def segmented():
    samples, likely = chips_with_masks()
    return samples, likely, masks.evaluate(samples, likely, threshold=None)


def test_panoptic_quality_is_that_of_torchmetrics(segmented):
    samples, likely, evaluation = segmented
    judge = PanopticQuality(things={1, 2}, stuffs={0}, return_per_class=True)  # in this order
    ignored = samples.targets == IGNORE
    predicted = likely.argmax(axis=1)
    for one, truth, hidden in zip(predicted, samples.targets, ignored, strict=True):
        sides = [with_instances(np.where(hidden, 0, side)) for side in (one, truth)]
        judge.update(*(torch.tensor(side)[None] for side in sides))

    measured = {row["class"]: row.get("panoptic_quality") for row in evaluation.classes}

    assert [measured["building"], measured["road"]] == pytest.approx(
        judge.compute()[0, :2].tolist(), abs=1e-6
    )
    assert evaluation.metrics["fair:panoptic_quality"] == pytest.approx(
        (measured["building"] + measured["road"]) / 2
    )


def with_instances(classes: np.ndarray) -> np.ndarray:
    """Class and number of the object of each pixel; what is too small for an object is background."""
    found = np.zeros((*classes.shape, 2), dtype=np.int64)
    for index in (1, 2):
        labels, count = ndimage.label(classes == index)
        for number in range(1, count + 1):
            if (labels == number).sum() >= objects.SMALLEST_OBJECT_PX:
                found[labels == number] = (index, number)
    return found


def test_pixels_are_judged_as_scikit_learn_judges_them(segmented):
    samples, likely, evaluation = segmented
    counted = samples.targets != IGNORE
    truth, predicted = samples.targets[counted], likely.argmax(axis=1)[counted]

    precision, recall, _, _ = precision_recall_fscore_support(truth, predicted, labels=[0, 1, 2])

    assert [row["precision"] for row in evaluation.classes] == pytest.approx(precision.tolist())
    assert [row["recall"] for row in evaluation.classes] == pytest.approx(recall.tolist())
    counts = [list(row.values()) for row in evaluation.confusion.values()]
    assert counts == confusion_matrix(truth, predicted).tolist()


def test_every_figure_lies_in_its_interval_and_every_chip_is_told(segmented):
    samples, _, evaluation = segmented

    assert set(evaluation.intervals) == set(evaluation.metrics) == set(evaluation.baseline)
    for key, (low, high) in evaluation.intervals.items():
        assert low <= evaluation.metrics[key] <= high
        assert low < high
    assert list(evaluation.samples) == samples.names
    ious = [each["fair:building_iou"] for each in evaluation.samples.values()]
    assert min(ious) < evaluation.metrics["fair:building_iou"] < max(ious)
    assert evaluation.baseline["fair:calibration_error"] is None


def test_a_class_that_does_not_occur_is_not_measured():
    samples, likely = chips_with_masks(2)
    samples.targets[samples.targets == 2] = 0
    none = np.concatenate([likely[:, :2], np.zeros_like(likely[:, 2:])], axis=1)

    evaluation = masks.evaluate(samples, none, None)

    road = next(row for row in evaluation.classes if row["class"] == "road")
    assert {value for key, value in road.items() if key != "class"} == {None}
    assert evaluation.metrics["fair:road_iou"] is None
    assert evaluation.intervals["fair:road_iou"] is None
    assert "precision_recall:road" in evaluation.curves
    assert not evaluation.curves["precision_recall:road"]


def test_recall_rises_as_the_threshold_falls(segmented):
    recall = [point[0] for point in segmented[2].curves["precision_recall:building"]]

    assert len(recall) > 50
    assert recall == sorted(recall, reverse=True)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_with_a_threshold_the_judged_mask_is_the_predicted_one(threshold):
    samples, likely = chips_with_masks(1)
    window = Window(row=0, column=0, height=SIZE, width=SIZE, source="chip-0")
    valid = samples.targets[0] != IGNORE
    view = View(window, Rectangle(0, 0, SIZE, SIZE), Rectangle(0, 0, SIZE, SIZE))
    predicted = detections(view, [RasterPart(likely[0])], valid, CLASSES, threshold).mask.classes

    evaluation = masks.evaluate(samples, likely, threshold)

    expected = confusion_matrix(samples.targets[0][valid], predicted[valid], labels=[0, 1, 2])
    assert [list(row.values()) for row in evaluation.confusion.values()] == expected.tolist()


class Offset(nn.Module):
    """Scores that are the first band, less than one half everywhere: a network that dares too little."""

    def forward(self, pixels):
        building = pixels[:, :1] * 4 - 3
        return torch.cat([torch.zeros_like(building), building], dim=1)


def test_the_threshold_is_chosen_on_the_samples_that_are_given():
    images = np.zeros((4, 3, 32, 32), dtype=np.uint8)
    images[:, 0, 8:24, 8:24] = 150
    samples = Samples(images, (images[:, 0] > 0).astype(np.uint8), list("abcd"), CLASSES[:2])
    processing = SimpleNamespace(
        preprocess=segmentation.scale_to_unit, postprocess=segmentation.class_probabilities
    )
    params = mask_training.Params()

    chosen = mask_training.calibrate(Offset(), samples, processing, params)

    assert chosen["confidence_threshold"] < 0.5
    blind = mask_training.evaluate(Offset(), samples, processing, params)
    seeing = mask_training.evaluate(Offset(), samples, processing, params, inference=chosen)
    assert blind.metrics["fair:building_iou"] == 0
    assert seeing.metrics["fair:building_iou"] == 1


def classified(count: int = 60) -> tuple[Samples, np.ndarray]:
    random = np.random.default_rng(5)
    likely = random.dirichlet([0.7, 0.7, 0.7], size=count).astype(np.float32)
    truth = np.array([random.choice(3, p=each / each.sum()) for each in np.sqrt(likely)], dtype=np.uint8)
    images = random.integers(0, 255, (count, 3, 8, 8), dtype=np.uint8)
    return Samples(images, truth, [f"chip-{at}" for at in range(count)], CLASSES), likely


def test_chips_are_judged_as_scikit_learn_judges_them():
    samples, likely = classified()
    predicted = likely.argmax(axis=1)

    evaluation = chips.evaluate(samples, likely, threshold=None)

    precision, recall, f1, _ = precision_recall_fscore_support(samples.targets, predicted)
    assert [row["precision"] for row in evaluation.classes] == pytest.approx(precision.tolist())
    assert [row["recall"] for row in evaluation.classes] == pytest.approx(recall.tolist())
    assert [row["f1"] for row in evaluation.classes] == pytest.approx(f1.tolist())
    assert evaluation.metrics["fair:mean_f1"] == pytest.approx(f1.mean())
    counts = [list(row.values()) for row in evaluation.confusion.values()]
    assert counts == confusion_matrix(samples.targets, predicted).tolist()
    assert np.mean([each["fair:accuracy"] for each in evaluation.samples.values()]) == pytest.approx(
        evaluation.metrics["fair:accuracy"]
    )
    low, high = evaluation.intervals["fair:building_f1"]
    assert low < evaluation.metrics["fair:building_f1"] < high


def test_the_curve_of_a_class_encloses_its_average_precision():
    samples, likely = classified()

    curve = np.array(chips.evaluate(samples, likely, None).curves["precision_recall:road"])

    steps = np.diff(curve[:, 0], prepend=0) @ curve[:, 1]
    assert steps == pytest.approx(average_precision_score(samples.targets == 2, likely[:, 2]), abs=0.02)


def test_a_chip_below_the_threshold_is_background_as_in_predictions():
    likely = np.array([[0.4, 0.35, 0.25], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6]], dtype=np.float32)
    samples, _ = classified(3)
    samples.targets[:] = [1, 1, 2]

    def accuracy(threshold: float | None) -> float:
        return chips.evaluate(samples, likely, threshold).metrics["fair:accuracy"]

    assert accuracy(0.3) == 1
    assert accuracy(None) == pytest.approx(2 / 3)
    assert accuracy(0.7) == 0
    assert 0.25 < chips.best_threshold(samples, likely) <= 0.35


def test_a_classification_chooses_its_threshold_too():
    class Timid(nn.Module):
        def forward(self, pixels):
            building = pixels[:, 0].mean(dim=(1, 2)) * 2 - 2
            return torch.stack([torch.zeros_like(building), building], dim=1)

    images = np.zeros((4, 3, 8, 8), dtype=np.uint8)
    images[2:] = 200
    samples = Samples(images, np.array([0, 0, 1, 1], dtype=np.uint8), list("abcd"), CLASSES[:2])
    processing = SimpleNamespace(
        preprocess=classification.scale_to_unit, postprocess=classification.class_scores(CLASSES[:2])
    )
    params = chip_training.Params()

    chosen = chip_training.calibrate(Timid(), samples, processing, params)

    measured = chip_training.evaluate(Timid(), samples, processing, params, inference=chosen)
    assert chosen["confidence_threshold"] < 0.5
    assert measured.metrics["fair:accuracy"] == 1
