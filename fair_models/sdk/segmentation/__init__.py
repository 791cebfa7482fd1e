"""Semantic segmentation, a class for each pixel: pre- and post-processing. Numpy only."""

from fair_models.ml_tasks.segmentation.processing import (
    class_and_interior,
    class_probabilities,
    scale_to_unit,
)

__all__ = ["class_and_interior", "class_probabilities", "scale_to_unit"]
