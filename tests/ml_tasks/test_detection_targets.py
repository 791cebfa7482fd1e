import numpy as np
import pytest
import shapely

from fair_models.data.images.grid import Grid
from fair_models.data.vectors.labels import Labels
from fair_models.errors import Invalid
from fair_models.ml_tasks.detection import augmentation
from fair_models.ml_tasks.detection.targets import FILLING, MAX_BOXES, filled_up, listed
from fair_models.ml_tasks.registry import targets_for

GRID = Grid("EPSG:4326", (0.01, 0, 85.0, 0, -0.01, 28.0), 100, 200)
"""200 x 100 px of 0.01 degrees."""

EVERYWHERE = np.ones((100, 200), bool)
CLASSES = ["background", "building", "pool"]


def labels(*shapes, names=None) -> Labels:
    return Labels(np.array(shapes, object), names or ["building"] * len(shapes), [{}] * len(shapes))


def box(left, top, right, bottom):
    """A polygon on these pixels."""
    return shapely.box(85 + left / 100, 28 - bottom / 100, 85 + right / 100, 28 - top / 100)


def boxes_of(known: Labels, imagery=EVERYWHERE):
    return listed(targets_for("object-detection")(known, GRID, CLASSES, imagery))


def test_each_label_gives_a_box_in_pixels_with_its_class():
    triangle = shapely.Polygon([(85.5, 27.9), (85.7, 27.9), (85.6, 27.6)])
    known = labels(box(10, 20, 30, 50), triangle, box(90, 60, 120, 80), names=["building", "pool", "tree"])

    target = targets_for("detection")(known, GRID, CLASSES, EVERYWHERE)

    assert target.shape == (MAX_BOXES, 5)
    assert target.dtype == np.float32
    boxes, classes = listed(target)
    assert boxes == pytest.approx(np.array([[10, 20, 30, 50], [50, 10, 70, 40]]), abs=1e-3)
    assert classes.tolist() == [1, 2]
    assert (target[2:, 4] == FILLING).all()


def test_boxes_go_around_what_is_visible():
    """The arm of an L on the sample, and not what the box around the whole L would have of it."""
    ell = shapely.union(box(-50, 10, 20, 20), box(-50, 10, -40, 90))

    boxes, _ = boxes_of(labels(ell, box(190, 90, 260, 160)))

    assert boxes == pytest.approx(np.array([[0, 10, 20, 20], [190, 90, 200, 100]]), abs=1e-3)


def test_slivers_and_what_lies_off_the_imagery_are_left_out():
    imagery = EVERYWHERE.copy()
    imagery[:, 150:] = False
    imagery[40:60, 40:60] = False
    known = labels(
        box(-20, 10, 3, 30),
        box(160, 10, 180, 30),
        box(42, 42, 58, 58),
        box(140, 10, 170, 30),
        box(5, 80, 9, 84),
    )

    boxes, _ = boxes_of(known, imagery)

    assert boxes == pytest.approx(np.array([[140, 10, 150, 30], [5, 80, 9, 84]]), abs=1e-3)


def test_samples_without_imagery_or_labels_have_no_box():
    assert len(boxes_of(labels(box(10, 20, 30, 50)), ~EVERYWHERE)[0]) == 0
    assert len(boxes_of(labels(shapely.box(10, 10, 11, 11)))[0]) == 0


def test_more_boxes_than_a_sample_can_hold_are_refused_with_their_number():
    many = [box(x, y, x + 4, y + 4) for x in range(0, 196, 5) for y in range(0, 96, 5)]

    with pytest.raises(Invalid, match=f"A sample has {len(many)} boxes, at most {MAX_BOXES}"):
        boxes_of(labels(*many))


def test_varied_boxes_stay_around_what_they_were_around():
    random = np.random.default_rng(0)
    images = np.zeros((24, 3, 96, 96), np.uint8)
    rows = np.array([[30, 40, 55, 52, 1], [8, 60, 20, 90, 2]], np.float32)
    for left, top, right, bottom, index in rows.astype(int):
        images[:, :, top:bottom, left:right] = 120 * index
    targets = np.stack([filled_up(rows)] * len(images))

    varied, moved = augmentation.vary(images, targets, random)

    assert varied.shape == images.shape
    assert moved.shape == targets.shape
    assert not np.array_equal(moved, targets)
    kept = 0
    for image, target in zip(varied, moved, strict=True):
        for (left, top, right, bottom), index in zip(*listed(target), strict=True):
            low, high = ((60, 180), (180, 256))[index - 1]
            ys, xs = np.nonzero((image[0] > low) & (image[0] < high) if index == 1 else image[0] >= low)
            inside = (xs >= left - 1.5) & (xs < right + 1.5) & (ys >= top - 1.5) & (ys < bottom + 1.5)
            assert (right - left) * (bottom - top) == pytest.approx(inside.sum(), rel=0.25)
            kept += 1
    assert kept > len(images)


def test_a_box_that_a_move_takes_off_the_sample_is_left_out():
    where = np.array([[1, 0, 1.0], [0, 1, 0]])  # everything moves by half a sample to the left
    rows = np.array([[10, 10, 30, 30, 1], [40, 10, 60, 30, 1], [60, 10, 80, 30, 2]], np.float32)

    boxes, classes = listed(augmentation._moved(filled_up(rows), where, 96))

    assert boxes == pytest.approx(np.array([[0, 10, 12, 30], [12, 10, 32, 30]]))
    assert classes.tolist() == [1, 2]


def test_boxes_of_unknown_class_are_ground_that_counts_neither_way() -> None:
    import torch

    from fair_models.data.samples import Samples
    from fair_models.ml_tasks.detection import aims, evaluation
    from fair_models.ml_tasks.detection.metrics import Boxes
    from fair_models.ml_tasks.detection.targets import IGNORED, ignored

    rows = np.array([[4, 4, 20, 20, 1], [40, 40, 80, 80, IGNORED]], np.float32)
    target = filled_up(rows)
    assert len(listed(target)[0]) == 1
    np.testing.assert_array_equal(ignored(target), rows[1:, :4])

    aim = aims.aims(torch.from_numpy(target)[None], 1, 24, 24)
    counted = aim.counts[0, 0].numpy()
    assert not counted[10:20, 10:20].any()
    assert counted.sum() == 24 * 24 - 100
    said = torch.full((1, 1, 24, 24), -5.0)
    wrong = said.clone()
    wrong[0, 0, 15, 15] = 5.0
    assert aims.centre_loss(wrong, aim.centres, aim.counts) == aims.centre_loss(said, aim.centres, aim.counts)
    assert aims.centre_loss(wrong, aim.centres) > aims.centre_loss(said, aim.centres)

    found = Boxes(
        np.array([[4, 4, 20, 20], [45, 45, 60, 60], [0, 60, 10, 70]], float), np.ones(3, int), np.ones(3)
    )
    samples = Samples(np.zeros((1, 3, 96, 96), np.uint8), target[None], ["a"], ["background", "building"])
    measured = evaluation.evaluate(samples, [found], 0.3).metrics
    assert measured["fair:building_precision"] == 0.5
