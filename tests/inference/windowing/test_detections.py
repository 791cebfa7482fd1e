"""What the parts of a window say of its core."""

from collections.abc import Mapping

import numpy as np
import pytest

from fair_models.errors import Invalid
from fair_models.inference.parts import FeaturePart, InstancePart, Part, RasterPart, Scores, Window
from fair_models.inference.windowing.detections import Detections, detections, mean_scores
from fair_models.inference.windows import Rectangle, View, WindowRule, cut
from fair_models.types import Array

CLASSES = ["background", "building", "road"]


def said(view: View, parts: list[Part], valid: Array, threshold: float = 0.5) -> Detections:
    return detections(view, parts, valid, CLASSES, threshold)


def whole(height: int = 40, width: int = 40) -> tuple[View, Array]:
    area = Rectangle(0, 0, height, width)
    return View(Window(0, 0, height, width, "chip"), area, area), np.ones((height, width), bool)


def test_the_best_class_counts_where_it_reaches_the_threshold() -> None:
    view, valid = whole(1, 4)
    probabilities = np.array(
        [[[0.9, 0.2, 0.45, 0.1]], [[0.06, 0.5, 0.3, 0.2]], [[0.04, 0.3, 0.25, 0.7]]], np.float32
    )

    mask = said(view, [RasterPart(probabilities)], valid).mask

    assert mask is not None
    assert mask.classes.tolist() == [[0, 1, 0, 2]]
    assert mask.probability[0, 1:] == pytest.approx([0.5, 0.3, 0.7])


def test_pixels_without_imagery_stay_background() -> None:
    view, valid = whole()
    valid[:, 10:] = False

    mask = said(view, [RasterPart(np.ones((3, 40, 40), np.float32))], valid).mask

    assert mask is not None
    assert mask.classes[:, :10].all()
    assert not mask.classes[:, 10:].any()
    assert not mask.probability[:, 10:].any()


def test_a_window_answers_for_its_core_alone() -> None:
    whole = np.random.default_rng(0).random((3, 40, 40)).astype(np.float32)

    for view in cut(Rectangle(0, 0, 40, 40), WindowRule(24, 4, 8), "block"):
        rows, columns = view.seen.slices
        valid = np.ones((view.core.height, view.core.width), bool)
        mask = said(view, [RasterPart(whole[:, rows, columns])], valid).mask

        assert mask is not None
        assert (mask.probability == whole[1:].max(axis=0)[view.core.slices]).all()


def test_windows_answer_for_boxes_in_their_core_and_right_beside_it() -> None:
    (view, *_) = cut(Rectangle(0, 0, 80, 80), WindowRule(56, 12, 8), "block")
    assert (view.core.width, view.seen.width) == (40, 56)
    middles = np.array([[20, 20], [39, 39], [44, 44], [49, 20], [20, 60]], np.float64)
    boxes = np.hstack([middles - 4, middles + 4])
    part = FeaturePart(boxes, np.full(5, 0.9), np.ones(5, int))

    (found,) = said(view, [part], np.ones((40, 40), bool)).found

    assert found.geometries.tolist() == boxes[:3].tolist()


def test_boxes_end_where_the_imagery_ends() -> None:
    view, valid = whole()
    boxes = np.array([[-6, 10, 20, 20], [30, 30, 90, 70]], np.float32)

    (found,) = said(view, [FeaturePart(boxes, np.array([0.9, 0.9]), np.array([1, 1]))], valid).found

    assert found.geometries.tolist() == [[0, 10, 20, 20], [30, 30, 40, 40]]


def test_boxes_below_the_threshold_or_off_the_imagery_are_left_out() -> None:
    view, valid = whole()
    valid[:, 20:] = False
    boxes = np.array([[0, 0, 10, 10], [0, 0, 9, 9], [25, 0, 35, 10]], np.float32)

    (found,) = said(view, [FeaturePart(boxes, np.array([0.4, 0.6, 0.9]), np.array([1, 1, 2]))], valid).found

    assert found.geometries.tolist() == [[0, 0, 9, 9]]


def test_scores_of_several_windows_of_a_source_are_their_mean_by_area() -> None:
    weighted: list[tuple[int, Mapping[str, float]]] = []
    for height, score in ((10, 0.2), (30, 0.6)):
        view, valid = whole(height, 40)
        weighted += said(view, [Scores({"building": score})], valid).scores

    assert mean_scores(weighted) == {"building": pytest.approx(0.5)}


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (RasterPart(np.ones((2, 40, 40), np.float32)), r"\(2, 40, 40\) instead of \(3, 40, 40\)"),
        (RasterPart(np.full((3, 40, 40), np.nan, np.float32)), "not finite"),
        (FeaturePart(np.ones((1, 3)), np.ones(1), np.ones(1, int)), r"\(1, 3\)"),
        (FeaturePart(np.ones((1, 2)), np.ones(2), np.ones(1, int)), "2 scores"),
        (FeaturePart(np.ones((1, 2)), np.ones(1), np.array([3])), "class index 3"),
        (FeaturePart(np.full((1, 2), np.inf), np.ones(1), np.array([1])), "not finite"),
        (Scores({"tree": 0.5}), "tree"),
        (Scores({"road": float("nan")}), "not finite"),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_the_reason(part: Part, reason: str) -> None:
    view, valid = whole()

    with pytest.raises(Invalid, match=reason):
        said(view, [part], valid)


def test_interiors_are_markers_where_they_reach_their_threshold_and_lie_in_the_mask() -> None:
    view, valid = whole(1, 5)
    valid[0, 4] = False
    probabilities = np.array([[[0.2, 0.2, 0.9, 0.2, 0.1]], [[0.8, 0.8, 0.1, 0.1, 0.9]], [[0, 0, 0, 0.7, 0]]])
    interior = np.array([[0.69, 0.7, 1, 0.8, 1]], np.float32)

    mask = detections(view, [InstancePart(probabilities, interior)], valid, CLASSES, 0.5, 0.7).mask

    assert mask is not None
    assert mask.classes.tolist() == [[1, 1, 0, 2, 0]]
    assert mask.markers is not None
    assert mask.markers.tolist() == [[False, True, False, True, False]]


def test_interiors_of_classes_that_are_connected_ground_are_no_markers() -> None:
    view, valid = whole(1, 4)
    probabilities = np.array([[[0, 0, 0, 0.9]], [[1, 1, 0, 0.1]], [[0, 0, 1, 0]]], np.float32)
    part = InstancePart(probabilities, np.array([[1, 0, 1, 1]], np.float32))

    mask = detections(view, [part], valid, CLASSES, 0.5, 0.5, things=[1]).mask

    assert mask is not None
    assert mask.markers is not None
    assert mask.markers.tolist() == [[True, False, False, False]]


def test_a_mask_without_interiors_has_no_markers() -> None:
    view, valid = whole()

    mask = said(view, [RasterPart(np.ones((3, 40, 40), np.float32))], valid).mask

    assert mask is not None
    assert mask.markers is None


def test_interiors_are_those_of_the_core() -> None:
    view = View(Window(0, 0, 8, 8, "chip"), Rectangle(2, 3, 4, 5), Rectangle(0, 0, 8, 8))
    interior = np.random.default_rng(0).random((8, 8)).astype(np.float32)

    mask = said(view, [InstancePart(np.ones((3, 8, 8), np.float32), interior)], np.ones((4, 5), bool)).mask

    assert mask is not None
    assert mask.markers is not None
    assert (mask.markers == (interior[2:6, 3:8] >= 0.5)).all()


@pytest.mark.parametrize(
    ("probabilities", "interior", "what"),
    [
        (np.ones((3, 40, 40)), np.ones((40, 39)), r"interior of shape \(40, 39\) instead of \(40, 40\)"),
        (np.ones((3, 40, 40)), np.ones((1, 40, 40)), r"interior of shape \(1, 40, 40\) instead of"),
        (np.ones((4, 40, 40)), np.ones((40, 40)), r"probabilities of shape \(4, 40, 40\) instead of \(3,"),
        (np.ones((3, 40, 40)), np.full((40, 40), np.nan), "interior that has other than finite numbers"),
    ],
)
def test_an_instance_part_that_does_not_fit_is_refused(
    probabilities: Array, interior: Array, what: str
) -> None:
    view, valid = whole()

    with pytest.raises(Invalid, match=rf"InstancePart with (an )?{what}"):
        said(view, [InstancePart(probabilities, interior)], valid)
