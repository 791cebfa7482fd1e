import numpy as np
import pytest

from fair_models.inference.parts import RasterPart, Window
from fair_models.ml_tasks import segmentation

HERE = Window(0, 0, 2, 2, "here")


def test_pixels_are_scaled_to_the_range_from_zero_to_one():
    window = np.array([[[0, 51], [102, 255]]], dtype=np.uint8)

    scaled = segmentation.scale_to_unit(window)

    assert scaled.dtype == np.float32
    assert scaled == pytest.approx(np.array([[[0, 0.2], [0.4, 1]]]))


def test_what_registered_items_call_computes_the_same_for_ever():
    """Items of years ago name these functions: these values must never change."""
    logits = np.array([[[0.0, 2.0]], [[1.0, -1.0]], [[0.5, 0.0]]], dtype=np.float32)

    (part,) = segmentation.class_probabilities({"logits": logits}, HERE, {})

    assert part.probabilities == pytest.approx(
        np.array([[[0.18632372, 0.84379473]], [[0.50648039, 0.04201007]], [[0.30719589, 0.11419519]]]),
        abs=1e-6,
    )


def test_probabilities_sum_to_one_for_any_score():
    logits = np.random.default_rng(0).normal(0, 1e4, (3, 8, 8)).astype(np.float32)

    (part,) = segmentation.class_probabilities({"logits": logits}, HERE, {})

    assert isinstance(part, RasterPart)
    assert part.probabilities.dtype == np.float32
    assert part.probabilities.sum(axis=0) == pytest.approx(np.ones((8, 8)))
    assert part.probabilities.min() >= 0


def test_the_most_likely_class_has_the_highest_score():
    logits = np.random.default_rng(1).normal(0, 1, (4, 8, 8)).astype(np.float32)

    (part,) = segmentation.class_probabilities({"logits": logits}, HERE, {})

    assert np.array_equal(part.probabilities.argmax(axis=0), logits.argmax(axis=0))
