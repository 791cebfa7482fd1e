"""Metrics of objects, held against pycocotools, torchmetrics and cases that are counted by hand."""

import contextlib
import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchmetrics.detection import PanopticQuality

from fair_models.data.samples import IGNORE
from fair_models.ml_tasks.average_precision import IOU_THRESHOLDS, average_precision
from fair_models.ml_tasks.segmentation import instance_metrics, instances
from fair_models.ml_tasks.segmentation.instance_metrics import best_order, gather, match, summarise
from fair_models.ml_tasks.segmentation.instances import Objects

SIZE = 96
CLASSES = {"building": 1, "tank": 2}


def drawn(boxes, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and classes of boxes (top, left, bottom, right, class), later ones on top."""
    numbers, classes = np.zeros((size, size), np.int32), np.zeros((size, size), np.uint8)
    for number, (top, left, bottom, right, index) in enumerate(boxes, start=1):
        numbers[top:bottom, left:right], classes[top:bottom, left:right] = number, index
    return numbers, classes


def objects(boxes, scores=None, size: int = SIZE) -> Objects:
    numbers, _ = drawn(boxes, size)
    kinds = np.array([box[4] for box in boxes], np.int64)
    return Objects(numbers, kinds, np.ones(len(boxes)) if scores is None else np.asarray(scores, np.float64))


def settlement(random: np.random.Generator) -> tuple[list, list, np.ndarray]:
    """Boxes that touch, and what a poor model finds of them: moved, missed, joined, made up; their scores."""
    truth = []
    for row in range(4):
        for column in range(4):
            top, left = 24 * row + random.integers(0, 3), 24 * column + random.integers(0, 3)
            height, width = random.integers(3, 24, 2)
            truth.append((top, left, top + height, left + width, random.integers(1, 3)))
    found = []
    for top, left, bottom, right, index in truth:
        if random.random() < 0.2:
            continue
        moved = np.maximum(np.array([top, left, bottom, right]) + random.integers(-2, 3, 4), 0)
        found.append((*moved, index if random.random() < 0.9 else 3 - index))
    found += [(top, left, top + 9, left + 9, 1) for top, left in random.integers(0, 80, (3, 2))]
    numbers, _ = drawn(found)
    seen = [box for number, box in enumerate(found, start=1) if (numbers == number).any()]
    return truth, seen, random.permutation(len(seen)) / len(seen)


def matched(pairs, smallest_px: float = 1):
    """Matches by class of samples, each truth (numbers, classes) and what was found."""
    each = [match(found, classes, numbers, 3, smallest_px) for (numbers, classes), found in pairs]
    return {name: gather(each, index) for name, index in CLASSES.items()}


def coco(pairs, index: int, smallest_px: int = 1) -> np.ndarray:
    """Precision by pycocotools at each IoU threshold and recall, of one class.

    True objects that are too small are one crowd on each sample: what lies on it counts neither way.
    """
    truth, found = [], []
    for image, ((numbers, classes), predicted) in enumerate(pairs):
        small = np.zeros(numbers.shape, bool)
        for number in np.unique(numbers[classes == index]):
            if (numbers == number).sum() < smallest_px:
                small |= numbers == number
            else:
                truth.append(annotation(image, numbers == number))
        if small.any():
            truth.append({**annotation(image, small), "iscrowd": 1})
        for number in np.flatnonzero(predicted.classes == index) + 1:
            mask = predicted.numbers == number
            if mask.sum() >= smallest_px:
                found.append({**annotation(image, mask), "score": predicted.scores[number - 1]})
    sides = []
    for side in (truth, found):
        made = COCO()
        made.dataset = {
            "images": [{"id": image, "height": SIZE, "width": SIZE} for image in range(len(pairs))],
            "categories": [{"id": 1}],
            "annotations": [{"id": number, **each} for number, each in enumerate(side, start=1)],
        }
        with contextlib.redirect_stdout(io.StringIO()):
            made.createIndex()
        sides.append(made)
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(*sides, "segm")
        judge.params.maxDets = [10_000]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    return judge.eval["precision"][:, :, 0, 0, 0]


def annotation(image: int, mask: np.ndarray) -> dict:
    return {
        "image_id": image,
        "category_id": 1,
        "segmentation": rle.encode(np.asfortranarray(mask.astype(np.uint8))),
        "area": int(mask.sum()),
        "iscrowd": 0,
    }


def settlements(seed: int, count: int = 4):
    random = np.random.default_rng(seed)
    made = [settlement(random) for _ in range(count)]
    return [(drawn(truth), objects(found, scores)) for truth, found, scores in made]


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_pycocotools(seed):
    pairs = settlements(seed)

    by_class = summarise(matched(pairs)).classes

    for name, index in CLASSES.items():
        theirs = coco(pairs, index)
        each = matched(pairs)[name]
        ours = average_precision(each.right, np.ones(len(each.scores)), each.wanted.sum())
        assert ours == pytest.approx(theirs.mean(axis=1))
        assert by_class[name]["instance_ap50"] == pytest.approx(theirs[0].mean())
        assert by_class[name]["instance_ap"] == pytest.approx(theirs.mean())
        assert 0.05 < theirs.mean() < 0.9


@pytest.mark.parametrize(
    "seed", [0, 2, 3, 4, 6]
)  # with 1 and 5 an object lies on a crowd with exactly one half
def test_what_lies_on_an_object_too_small_counts_as_little_as_a_crowd_of_pycocotools(seed):
    pairs, smallest = settlements(seed, count=8), 80

    by_class = summarise(matched(pairs, smallest)).classes
    left_out = sum(len(each.scores) for each in matched(pairs).values())
    left_out -= sum(len(each.scores) for each in matched(pairs, smallest).values())

    assert left_out > 20
    for name, index in CLASSES.items():
        assert by_class[name]["instance_ap50"] == pytest.approx(coco(pairs, index, smallest)[0].mean())


@pytest.mark.parametrize("seed", range(5))
def test_panoptic_quality_is_that_of_torchmetrics(seed):
    pairs = settlements(seed)
    judge = PanopticQuality(things={1, 2}, stuffs={0}, return_per_class=True, return_sq_and_rq=True)
    for (numbers, classes), found in pairs:
        own = np.concatenate([[0], found.classes])[found.numbers]
        judge.update(
            torch.tensor(np.stack([own, found.numbers], axis=-1))[None],
            torch.tensor(np.stack([classes.astype(np.int64), numbers], axis=-1))[None],
        )
    theirs = judge.compute()[:2]  # things come first: quality, IoU of the pairs, F1

    found = summarise(matched(pairs))

    for row, name in zip(theirs, CLASSES, strict=True):
        assert found.classes[name]["instance_pq"] == pytest.approx(row[0].item(), abs=1e-6)
        assert found.classes[name]["instance_f1"] == pytest.approx(row[2].item(), abs=1e-6)
    assert found.metrics["fair:instance_pq"] == pytest.approx(theirs[:, 0].mean().item(), abs=1e-6)
    assert 0.1 < found.metrics["fair:instance_pq"] < 0.9


def test_precision_recall_and_f1_are_counted_by_hand():
    truth = drawn([(0, 0, 10, 10, 1), (0, 10, 10, 20, 1), (20, 0, 30, 10, 1), (40, 0, 50, 10, 2)])
    # The first exactly, the second by 6 of 10 columns, the third not, one made up, the tank exactly.
    found = objects([(0, 0, 10, 10, 1), (0, 10, 10, 16, 1), (60, 60, 70, 70, 1), (40, 0, 50, 10, 2)])

    measured = summarise(matched([(truth, found)]))

    assert measured.metrics["fair:instance_precision"] == pytest.approx(3 / 4)
    assert measured.metrics["fair:instance_recall"] == pytest.approx(3 / 4)
    assert measured.metrics["fair:instance_f1"] == pytest.approx(3 / 4)
    assert measured.classes["building"]["instance_f1"] == pytest.approx(2 / 3)
    assert measured.classes["building"]["instance_pq"] == pytest.approx(1.6 / 3)
    assert measured.classes["tank"]["instance_f1"] == 1
    assert measured.metrics["fair:instance_pq"] == pytest.approx((1.6 / 3 + 1) / 2)


def test_two_neighbours_found_as_one_are_no_pair():
    truth = drawn([(0, 0, 10, 10, 1), (0, 10, 10, 20, 1)])

    measured = summarise(matched([(truth, objects([(0, 0, 10, 20, 1)]))])).metrics

    assert measured["fair:instance_f1"] == measured["fair:instance_pq"] == 0
    assert measured["fair:instance_ap50"] == pytest.approx(
        coco([(truth, objects([(0, 0, 10, 20, 1)]))], 1)[0].mean()
    )


def test_an_iou_of_one_half_is_right_for_the_average_precision_of_coco_and_is_no_pair():
    pairs = [(drawn([(0, 0, 10, 10, 1)]), objects([(0, 0, 10, 5, 1), (0, 5, 10, 10, 1)], [0.4, 0.8]))]

    measured = summarise(matched(pairs)).metrics

    assert measured["fair:instance_f1"] == 0
    assert measured["fair:instance_ap50"] == pytest.approx(coco(pairs, 1)[0].mean()) == pytest.approx(1)


def test_an_object_of_another_class_is_not_found():
    truth = drawn([(0, 0, 10, 10, 1)])

    measured = summarise(matched([(truth, objects([(0, 0, 10, 10, 2)]))]))

    assert measured.classes["building"]["instance_recall"] == 0
    assert measured.classes["tank"]["instance_precision"] == 0
    assert measured.classes["tank"]["instance_ap50"] is None


def test_what_is_too_small_counts_on_neither_side():
    truth = drawn([(0, 0, 10, 10, 1), (20, 20, 24, 24, 1), (40, 40, 45, 45, 1)])
    # The second is found larger than it is, the third is found smaller.
    found = objects([(0, 0, 10, 10, 1), (20, 20, 25, 25, 1), (40, 40, 44, 45, 1)])

    (_, measured), (_, plain) = (
        (smallest, summarise(matched([(truth, found)], smallest)).metrics) for smallest in (24, 1)
    )

    assert plain["fair:instance_precision"] == plain["fair:instance_recall"] == 1
    assert measured["fair:instance_precision"] == 1  # what lies on the second counts neither way
    assert measured["fair:instance_recall"] == 1 / 2  # the third counts, what was found of it is too small


def test_pixels_to_ignore_count_nowhere():
    numbers, classes = drawn([(0, 0, 10, 10, 1), (30, 0, 40, 10, 1)])
    classes[:, 8:] = IGNORE
    numbers[:, 8:] = 0
    # Reaches far into what is ignored, lies mostly there, lies only there.
    found = objects([(0, 0, 10, 14, 1), (60, 6, 70, 11, 1), (80, 20, 90, 30, 1)])

    measured = summarise(matched([((numbers, classes), found)])).metrics

    assert measured["fair:instance_precision"] == 1
    assert measured["fair:instance_recall"] == 1 / 2
    assert measured["fair:instance_pq"] == pytest.approx(2 / 3)


def test_an_object_that_lies_half_on_ground_that_counts_is_wrong():
    numbers, classes = drawn([])
    classes[:, 8:] = IGNORE

    half = summarise(matched([((numbers, classes), objects([(0, 4, 10, 12, 1)]))])).metrics
    most = summarise(matched([((numbers, classes), objects([(0, 4, 10, 13, 1)]))])).metrics

    assert half["fair:instance_precision"] == 0
    assert most["fair:instance_precision"] is None


def test_ground_of_a_class_that_is_not_told_apart_counts_neither_way():
    numbers, classes = drawn([(0, 0, 20, 20, 1)])
    numbers[:] = 0

    measured = summarise(matched([((numbers, classes), objects([(0, 0, 10, 10, 1), (5, 10, 10, 15, 2)]))]))

    assert measured.classes["building"]["instance_precision"] is None
    assert measured.classes["tank"]["instance_precision"] == 0


def test_where_there_is_nothing_nothing_is_measured():
    nothing, one = drawn([]), drawn([(0, 0, 9, 9, 1)])

    both = summarise(matched([(nothing, objects([]))])).metrics
    missed = summarise(matched([(one, objects([]))])).metrics
    invented = summarise(matched([(nothing, objects([(0, 0, 9, 9, 1)]))])).metrics

    assert set(both.values()) == {None}
    assert missed["fair:instance_recall"] == missed["fair:instance_ap"] == missed["fair:instance_f1"] == 0
    assert missed["fair:instance_precision"] is None
    assert invented["fair:instance_precision"] == invented["fair:instance_pq"] == 0
    assert invented["fair:instance_recall"] is None
    assert invented["fair:instance_ap50"] is None


def test_weights_count_samples_as_often_as_they_say():
    pairs, weights = settlements(11), np.array([0, 2, 1, 3])
    again = [pairs[at] for at in np.repeat(np.arange(4), weights)]

    weighted = summarise(matched(pairs), weights.astype(float)).metrics

    # Of equal ones the first make points of the curve of their own where they are counted one by one.
    assert weighted == pytest.approx(summarise(matched(again)).metrics, abs=0.02)
    for key in ("f1", "precision", "recall", "pq"):
        assert weighted[f"fair:instance_{key}"] == pytest.approx(
            summarise(matched(again)).metrics[f"fair:instance_{key}"]
        )
    one = {name: each.of_sample(2) for name, each in matched(pairs).items()}
    assert summarise(one) == summarise(matched(pairs[2:3]))


def test_the_best_order_puts_right_objects_first():
    pairs = settlements(5)
    best = summarise({name: best_order(each) for name, each in matched(pairs).items()})
    plain = summarise(matched(pairs))

    assert best.metrics["fair:instance_f1"] == plain.metrics["fair:instance_f1"]
    assert best.metrics["fair:instance_ap50"] > plain.metrics["fair:instance_ap50"]
    for name, each in matched(pairs).items():
        reached = (each.ious >= IOU_THRESHOLDS[0]).sum() / each.wanted.sum()
        assert best.classes[name]["instance_ap50"] == pytest.approx(reached, abs=0.01)


LABELS = arrays(np.int32, (12, 12), elements=st.integers(0, 9))


@given(LABELS, st.integers(1, 6))
def test_a_perfect_prediction_is_perfect(numbers, smallest):
    classes = np.where(numbers > 0, 1 + numbers % 2, 0).astype(np.uint8)
    count = numbers.max()
    perfect = Objects(numbers, instances.classes_of(numbers, classes, count), np.linspace(0.1, 1, count))
    known = np.bincount(numbers.ravel(), minlength=count + 1)[1:]

    measured = summarise(matched([((numbers, classes), perfect)], smallest))

    counting = (known >= smallest).sum()
    assert [*measured.metrics.values()] == ([pytest.approx(1)] * 6 if counting else [None] * 6)


@given(LABELS, LABELS, st.permutations(range(1, 10)), st.permutations(range(1, 10)))
def test_other_numbers_change_nothing(one, other, first, second):
    """Scores go along with the objects; no two are alike, so that nothing but they orders them."""
    found, classes = np.where(one > 0, 1 + one % 2, 0), np.where(other > 0, 1 + other % 2, 0)
    first, second = np.array([0, *first]), np.array([0, *second])
    scores = np.linspace(0.1, 1, 9)
    again = np.empty(9)
    again[first[1:] - 1] = scores

    plain = matched([((other, classes), Objects(one, kinds(one, found), scores))], 3)
    renamed = matched([((second[other], classes), Objects(first[one], kinds(first[one], found), again))], 3)

    assert summarise(plain) == summarise(renamed)


def kinds(numbers: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return instances.classes_of(numbers, classes, 9)


def test_thresholds_are_those_of_coco():
    assert pytest.approx([0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]) == IOU_THRESHOLDS
    assert IOU_THRESHOLDS[0] == instance_metrics.PAIR
