import numpy as np
import pytest

from fair_models.inference.parts import FeaturePart, Window
from fair_models.ml_tasks import detection
from fair_models.ml_tasks.detection.boxes import overlaps, suppress
from fair_models.ml_tasks.detection.processing import MIN_SCORE, STRIDE, USUAL_PX

WINDOW = Window(0, 0, 128, 160, "here")


def heads(*centres, classes=1):
    """Output for centres of (class, row, column, score, x offset, y offset, width, height)."""
    made = np.zeros((classes + 4, 32, 40), np.float32)
    made[:classes] = -9
    for index, row, column, score, right, down, width, height in centres:
        made[index - 1, row, column] = np.log(score / (1 - score))
        made[-4:, row, column] = [right, down, np.log(width / USUAL_PX), np.log(height / USUAL_PX)]
    return {"heads": made}


def found(outputs, **params) -> FeaturePart:
    (part,) = detection.found_objects(outputs, WINDOW, params)
    return part


def iou(one, other):
    """Plainly, one pair."""
    across = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    down = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    either = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)) - across * down
    return across * down / either if either else 0.0


def plainly_suppressed(boxes, scores, classes, overlap):
    """Take the best, drop what overlaps it, and so on: as textbooks have it."""
    left, kept = list(range(len(boxes))), []
    while left:
        best = max(left, key=lambda at: (scores[at], -at))
        kept.append(best)
        left = [
            at
            for at in left
            if at != best and (classes[at] != classes[best] or iou(boxes[at], boxes[best]) <= overlap)
        ]
    return kept


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_suppression_is_that_of_a_plain_implementation(overlap, seed):
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 80, (120, 2))
    boxes = np.hstack([corners, corners + random.uniform(2, 40, (120, 2))])
    scores = random.integers(1, 40, 120) / 40  # many are equal
    classes = random.integers(1, 3, 120)

    kept = suppress(boxes, scores, classes, overlap)

    assert kept.tolist() == plainly_suppressed(boxes, scores, classes, overlap)


def test_overlaps_are_those_of_each_pair():
    random = np.random.default_rng(1)
    corners = random.uniform(0, 10, (30, 2))
    boxes = np.hstack([corners, corners + random.uniform(0, 8, (30, 2)).round()])

    expected = [[iou(one, other) for other in boxes] for one in boxes]

    assert overlaps(boxes, boxes) == pytest.approx(np.array(expected))


def test_a_peak_is_a_box_around_its_centre():
    part = found(heads((1, 10, 20, 0.8, 0.25, -0.5, 24, 40)))

    x, y = (20 + 0.5 + 0.25) * STRIDE, (10 + 0.5 - 0.5) * STRIDE
    assert part.geometries == pytest.approx(np.array([[x - 12, y - 20, x + 12, y + 20]]))
    assert part.scores == pytest.approx([0.8])
    assert part.classes.tolist() == [1]


def test_a_cell_beside_a_better_one_is_no_peak():
    far = [(1, 10, 20, 0.8, 0, 0, 4, 4), (1, 10, 22, 0.7, 0, 0, 4, 4)]
    near = [(1, 20, 20, 0.8, 0, 0, 4, 4), (1, 21, 21, 0.7, 0, 0, 4, 4)]

    assert found(heads(*far, *near)).scores == pytest.approx([0.8, 0.8, 0.7])


def test_boxes_end_at_the_window_and_unlikely_ones_are_not_looked_at():
    part = found(heads((1, 0, 0, 0.9, 0, 0, 40, 40), (1, 20, 20, MIN_SCORE / 2, 0, 0, 20, 20)))

    assert part.geometries == pytest.approx(np.array([[0, 0, 22, 22]]))


def test_of_boxes_that_overlap_the_best_of_each_class_stays():
    outputs = heads(
        (1, 10, 10, 0.6, 0, 0, 40, 40),
        (1, 10, 12, 0.9, 0, 0, 40, 40),
        (2, 10, 14, 0.7, 0, 0, 40, 40),
        classes=2,
    )

    assert found(outputs).classes.tolist() == [1, 2]
    assert found(outputs).scores == pytest.approx([0.9, 0.7])
    assert len(found(outputs, nms_iou=0.9).scores) == 3


def test_an_output_that_says_nothing_gives_no_box():
    part = found(heads())

    assert part.geometries.shape == (0, 4)
    assert len(part.scores) == len(part.classes) == 0


def test_scores_beyond_all_bounds_stay_numbers():
    outputs = heads()
    outputs["heads"][0, 5, 5] = 1e4
    outputs["heads"][-2:, 5, 5] = 1e4

    part = found(outputs)

    assert np.isfinite(part.geometries).all()
    assert part.scores == pytest.approx([1])
