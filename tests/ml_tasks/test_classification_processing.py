import numpy as np
import pytest

from fair_models.inference.parts import Scores, Window
from fair_models.ml_tasks import classification, segmentation

HERE = Window(0, 0, 256, 256, "here")
CLASSES = ("background", "building", "water")


def test_what_registered_items_call_computes_the_same_for_ever():
    """Items of years ago name these functions: these values must never change."""
    logits = np.array([0.0, 1.0, 0.5], dtype=np.float32)

    (part,) = classification.class_scores(CLASSES)({"logits": logits}, HERE, {})

    assert part == Scores(
        {
            "background": pytest.approx(0.18632372, abs=1e-6),
            "building": pytest.approx(0.50648039, abs=1e-6),
            "water": pytest.approx(0.30719589, abs=1e-6),
        }
    )


def test_probabilities_sum_to_one_for_any_score():
    logits = np.array([1e4, -1e4, 88.0], dtype=np.float32)

    (part,) = classification.class_scores(CLASSES)({"logits": logits}, HERE, {})

    assert sum(part.values.values()) == pytest.approx(1)
    assert min(part.values.values()) >= 0


def test_a_network_with_another_number_of_classes_is_no_silent_mistake():
    with pytest.raises(ValueError, match="zip"):
        classification.class_scores(CLASSES)({"logits": np.zeros(2, np.float32)}, HERE, {})


def test_pixels_are_scaled_as_for_a_segmentation():
    assert classification.scale_to_unit is segmentation.scale_to_unit
