"""The boundary's F-score, held against distances that are measured pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from fair_models.data.samples import IGNORE
from fair_models.ml_tasks.segmentation import boundaries, metrics

MASKS = arrays(bool, (14, 17))
ALL = np.ones((14, 17), bool)


def on_boundary(mask: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """As `boundaries.boundary`, one pixel after the other."""
    height, width = mask.shape
    found = np.zeros(mask.shape, bool)
    for row in range(height):
        for column in range(width):
            for down, right in ((0, 1), (1, 0), (1, 1)):
                other = row + down, column + right
                if other[0] < height and other[1] < width and counted[row, column] and counted[other]:
                    found[row, column] |= mask[row, column] != mask[other]
    return found


def slowly(predicted: np.ndarray, truth: np.ndarray, counted: np.ndarray, tolerance: int) -> float | None:
    """The F-score by the distance of each boundary pixel from the nearest one of the other side."""
    ours, theirs = on_boundary(predicted, counted), on_boundary(truth, counted)
    if not ours.any() and not theirs.any():
        return None
    if not ours.any() or not theirs.any():
        return 0.0
    precision = (ndimage.distance_transform_edt(~theirs)[ours] <= tolerance).mean()
    recall = (ndimage.distance_transform_edt(~ours)[theirs] <= tolerance).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@given(MASKS, MASKS, MASKS)
def test_the_score_is_that_of_measured_distances(predicted, truth, counted):
    scores = boundaries.f1(boundaries.statistics(predicted, truth, counted))

    for tolerance in (1, 3):
        assert scores[f"boundary_f1_{tolerance}px"] == pytest.approx(
            slowly(predicted, truth, counted, tolerance)
        )


@given(MASKS, MASKS)
def test_the_score_is_that_of_the_masks_turned_inside_out(predicted, truth):
    assert boundaries.f1(boundaries.statistics(predicted, truth, ALL)) == boundaries.f1(
        boundaries.statistics(~predicted, ~truth, ALL)
    )


@given(MASKS)
def test_a_perfect_mask_scores_one(truth):
    scores = set(boundaries.f1(boundaries.statistics(truth, truth, ALL)).values())

    assert scores == ({None} if truth.all() or not truth.any() else {1.0})


def square(top: int, left: int, size: int = 20) -> np.ndarray:
    mask = np.zeros((1, 40, 40), np.uint8)
    mask[0, top : top + size, left : left + size] = 1
    return mask


def scores(predicted: np.ndarray, truth: np.ndarray) -> tuple[float | None, float | None]:
    found = metrics.measure(predicted, truth, ["background", "building"]).metrics
    return found["fair:boundary_f1_1px"], found["fair:boundary_f1_3px"]


@pytest.mark.parametrize(
    ("moved", "strict", "loose"), [(0, True, True), (1, True, True), (2, False, True), (4, False, False)]
)
def test_a_boundary_that_is_moved_further_than_the_tolerance_scores_less(moved, strict, loose):
    found = scores(square(8, 8 + moved), square(8, 8))

    assert (found[0] == 1, found[1] == 1) == (strict, loose)


def test_the_edge_of_a_chip_and_of_what_is_ignored_is_no_boundary():
    truth = square(0, 0, 40)
    truth[:, :, 30:] = IGNORE

    assert scores(truth, truth) == (None, None)
    assert scores(square(0, 0, 30), truth) == (0, 0)


def test_the_score_of_several_chips_follows_from_their_sums():
    truth = np.concatenate([square(8, 8), square(4, 4, 30)])
    predicted = np.concatenate([square(8, 12), square(4, 4, 30)])

    together = scores(predicted, truth)[0]

    alone = [scores(predicted[at : at + 1], truth[at : at + 1])[0] for at in (0, 1)]
    assert alone[0] < together < alone[1] == 1
    assert together > np.mean(alone)  # the larger one has more of a boundary


@given(
    arrays(np.uint8, (2, 8, 8), elements=st.integers(0, 2)),
    arrays(np.uint8, (2, 8, 8), elements=st.integers(0, 2)),
)
def test_the_score_of_a_model_is_the_mean_over_its_classes(predicted, truth):
    found = metrics.measure(predicted, truth, ["background", "building", "road"])

    known = [
        value
        for name in ("building", "road")
        if (value := found.classes[name]["boundary_f1_1px"]) is not None
    ]
    assert found.metrics["fair:boundary_f1_1px"] == (pytest.approx(np.mean(known)) if known else None)
    assert "boundary_f1_1px" not in found.classes["background"]
